"""One page about one inspection, to be printed or kept: a single HTML file without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from anomalygpt.results.certainty import how_sure
from anomalygpt.results.pictures import overlay
from anomalygpt.results.sentences import limit_sentence, opinion_sentence
from anomalygpt.serving.desk.views import cautions, data_uri, in_words, region_table, text
from anomalygpt.serving.desk.visits import Sheet, Visit

SIDE = 1200

_STYLE = """
body { font: 11pt/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 60em; color: #1a1a1a }
h1 { font-size: 1.4em; margin: 0 0 .2em } h2 { font-size: 1.05em; margin: 1.2em 0 .3em }
.pictures { display: flex; gap: 1em } .pictures figure { margin: 0; flex: 1 }
.pictures img { width: 100%; border: 1px solid #ccc } figcaption { font-size: .85em; color: #555 }
.verdict { font-size: 1.2em; font-weight: 600; margin: .4em 0 }
.bad { color: #a11212 } .good { color: #14642d }
table { border-collapse: collapse } td, th { padding: .15em .8em .15em 0; text-align: left }
.cautions { border: 2px solid #8a5a00; padding: .4em .4em .4em 1.6em; font-weight: 600 }
.sheet td { min-width: 20em; border-bottom: 1px solid #999; white-space: pre-wrap }
dt { font-weight: 600; margin-top: .4em } dd { margin: 0 0 .2em 0 }
footer { margin-top: 1.5em; font-size: .8em; color: #555; border-top: 1px solid #ccc }
@media print { body { margin: 0; font-size: 10pt } @page { margin: 14mm } }
"""


def report_page(visit: Visit, made: datetime, weights: str = "") -> str:
    """The page.

    Args:
        visit: the inspection, its chat and what the inspector wrote.
        made: when the report was asked for; printed as it is.
        weights: hash of the model's weights; "" where it is not known.
    """
    inspection = visit.inspection
    photo = visit.copy()
    photo.thumbnail((SIDE, SIDE))
    marked = overlay(visit.photo(), inspection, max_side=SIDE)
    height, width = inspection.image_size
    talk = "".join(
        f"<dt>{text(q)}</dt><dd>{text(f'{a} {visit.signature(place)}'.strip())}</dd>"
        for place, (q, a) in enumerate(visit.turns)
    )
    size = f"{width} × {height} pixels"
    compared = ", ".join(map(text, visit.references)) or "nothing: no photo of a good part"
    model = inspection.model if isinstance(inspection.model, Mapping) else {}
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Inspection of {text(visit.name)}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
 style-src 'unsafe-inline'"><style>{_STYLE}</style></head><body>
<h1>Inspection of {text(visit.name)}</h1>
<p>Inspected {visit.at:%Y-%m-%d %H:%M} · report of {made:%Y-%m-%d %H:%M} · {size} · compared with
 {compared}</p>
{_verdict_line(visit)}
<table class="sheet">{_sheet(visit.sheet)}</table>
<div class="pictures"><figure><img src="{data_uri(photo, "JPEG")}" alt="The photo">
<figcaption>Photo</figcaption></figure><figure><img src="{data_uri(marked, "JPEG")}"
 alt="The photo with the map and the regions over it"><figcaption>Map and regions</figcaption>
</figure></div>
<h2>Regions</h2>{region_table(inspection.regions)}
<h2>Chat</h2><dl>{talk or "<dd>No questions were asked.</dd>"}</dl>
<footer>AnomalyGPT {text(model.get("version", ""))} · model {text(model.get("name", ""))} · encoder
 {text(model.get("encoder", ""))}
 {f"· weights {text(weights)}" if weights else ""} · score of the map
 {inspection.anomaly_score:.3f}. The verdict is a model's; a person decides.</footer></body></html>
"""


def _verdict_line(visit: Visit) -> str:
    found = visit.inspection
    doubts = cautions(found.cautions)
    if found.is_anomalous is None:
        return f'<p class="verdict">Score {found.anomaly_score:.3f}, no verdict</p>{doubts}'
    kind, words = in_words(found.is_anomalous)
    sure = how_sure(found)
    number = ""
    if found.references and found.anomaly_probability is not None:
        number = f"probability of an anomaly {found.anomaly_probability:.0%}"
        number = f" ({number}{f', {sure}' if sure else ''})"
    said = [each for each in (limit_sentence(found), opinion_sentence(found)) if each]
    return (
        f'<p class="verdict {kind}">{words}{number}</p>{doubts}<p>{text(found.answer or "")}</p>'
        f"{''.join(f'<p>{text(each)}</p>' for each in said)}"
    )


def _sheet(sheet: Sheet) -> str:
    """Part number, inspector and note; a line to write on where nothing was typed."""
    rows = (
        ("Part number", sheet.part_number),
        ("Inspector", sheet.inspector),
        ("Note", sheet.note),
    )
    return "".join(
        f"<tr><th>{name}</th><td>{text(value) or '&nbsp;'}</td></tr>" for name, value in rows
    )
