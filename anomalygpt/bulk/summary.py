"""A run as one page for the browser: how many are damaged, the worst first, what went wrong."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from anomalygpt.bulk.run import How
from anomalygpt.bulk.sources import read_photo
from anomalygpt.bulk.table import DAMAGED, GOOD, Row
from anomalygpt.errors import AnomalyGPTError
from anomalygpt.results.sentences import percent

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT
    from decoder import MemoryBank

THUMBNAIL = 320  # pixels of the longer side
MOST_LINES = 200  # of each table; the table of results has all

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --quiet: #777; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
.quiet { color: var(--quiet); }
dl { display: flex; flex-wrap: wrap; gap: 1rem; }
dl div { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem 1rem; }
dt { color: var(--quiet); } dd { font-size: 1.5rem; margin: 0; }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); }
figure { margin: 0; } figure img { max-width: 100%; border-radius: .25rem; }
figcaption { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
td, th { border-bottom: 1px solid var(--line); padding: .25rem .75rem; text-align: left; }
td { overflow-wrap: anywhere; } td:first-child { min-width: 12rem; }
"""


def worst_first(rows: Sequence[Row]) -> list[Row]:
    """Inspected photos, by the probability of an anomaly, or the score where there is none."""
    found = [row for row in rows if row["error"] is None]
    return sorted(found, key=lambda row: (row["probability"] or 0.0, row["score"]), reverse=True)


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """How many photos have which end."""
    told = {
        "damaged": sum(row["verdict"] == DAMAGED for row in rows),
        "good": sum(row["verdict"] == GOOD for row in rows),
        "without a verdict": sum(row["verdict"] is None and row["error"] is None for row in rows),
        "could not be inspected": sum(row["error"] is not None for row in rows),
    }
    return {name: count for name, count in told.items() if count}


def draw(
    assistant: AnomalyGPT,
    bank: MemoryBank,
    rows: Sequence[Row],
    places: Mapping[str, str],
    how: How,
) -> dict[str, bytes]:
    """Pictures of photos with their map, which are inspected once more for it.

    Args:
        assistant, bank, how: as they were inspected.
        rows: of the photos that are wanted.
        places: where photos are read from, by their names.

    Returns:
        JPEG files by names; a photo that is gone meanwhile has none.
    """
    from anomalygpt.results.pictures import overlay

    drawn = {}
    options = {**vars(how), "map_only": True}
    for row in rows:
        try:
            photo = read_photo(places[row["image"]], how.bit_depth)
            picture = overlay(photo, assistant.inspect(photo, bank, **options), max_side=THUMBNAIL)
        except AnomalyGPTError:
            continue
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=80)
        drawn[row["image"]] = file.getvalue()
    return drawn


def summary_page(
    rows: Sequence[Row],
    pictures: Mapping[str, bytes],
    title: str,
    settings: Mapping[str, Any],
) -> str:
    """An HTML page that loads nothing from outside.

    Args:
        rows: of all photos.
        pictures: JPEG files of some of them, by their names.
        title: what was inspected.
        settings: of the run.
    """
    worst = worst_first(rows)
    tiles = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{count}</dd></div>"
        for name, count in {"photos": len(rows), **counts(rows)}.items()
    )
    body = [f"<h1>{escape(title)}</h1>", f"<dl>{tiles}</dl>"]
    if shown := [row for row in worst if row["image"] in pictures]:
        cards = "\n".join(_card(row, pictures[row["image"]]) for row in shown)
        body.append(f'<h2>The worst</h2>\n<div class="cards">\n{cards}\n</div>')
    if failed := [row for row in rows if row["error"] is not None]:
        why = [(escape(row["image"]), escape(row["error"])) for row in failed]
        body.append(f"<h2>Could not be inspected</h2>\n{_table(('photo', 'why'), why)}")
    if worst:
        lines = [
            (escape(row["image"]), row["verdict"] or "", _number(row["probability"], 2),
             _number(row["score"], 3), escape(_places(row)))
            for row in worst
        ]  # fmt: skip
        head = ("photo", "verdict", "P(anomaly)", "score", "stands out")
        body.append(f"<h2>All, the worst first</h2>\n{_table(head, lines)}")
    told = [(escape(name), escape(str(value))) for name, value in settings.items()]
    body.append(f"<h2>Settings</h2>\n{_table(('setting', 'value'), told)}")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _card(row: Row, picture: bytes) -> str:
    data = base64.b64encode(picture).decode()
    name = escape(row["image"])
    said = escape(row["answer"] or "")
    probability = _number(row["probability"], 2)
    told = f"P(anomaly) {probability}, " if probability else ""
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="{name} with its map">'
        f"<figcaption><strong>{name}</strong><br>{told}score {row['score']:.3f}<br>"
        f'<span class="quiet">{said}</span></figcaption></figure>'
    )


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Cells are HTML; beyond `MOST_LINES` it says how many more there are."""
    shown = "\n".join(
        f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in lines[:MOST_LINES]
    )
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    more = len(lines) - MOST_LINES
    note = f'<p class="quiet">and {more} more, in the table of results</p>' if more > 0 else ""
    return f'<div class="scroll"><table><tr>{titles}</tr>\n{shown}\n</table></div>{note}'


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _places(row: Row) -> str:
    regions = json.loads(row["regions"] or "[]")
    return "; ".join(f"{each['location']} ({percent(each['area_fraction'])})" for each in regions)
