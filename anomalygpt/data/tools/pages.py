"""Pages with pictures, in one HTML file that needs nothing else, not even a network."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from anomalygpt.data.tools.writing import write_text
from anomalygpt.errors import ImageError
from anomalygpt.files import shown
from anomalygpt.images.reading import load_image

THUMBNAIL = 160  # the longer side, in pixels

_COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f3c8d", "#444444"),
)
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#1a1a1a;background:#fff}
h1{font-size:1.5rem} h2{font-size:1.15rem;margin-top:2rem}
.cards{display:flex;flex-wrap:wrap;gap:1rem}
figure{margin:0;width:180px} figure img{max-width:160px;max-height:160px;display:block}
figcaption{font-size:12px;overflow-wrap:anywhere}
.pair{display:flex;gap:.5rem} .pair img{max-width:86px}
svg{border:1px solid #bbb;max-width:100%;height:auto}
circle:focus{outline:none;stroke:#000;stroke-width:3}
#shown{min-height:200px} #shown img{display:block;max-width:160px}
.legend span{display:inline-block;margin-right:1.2rem}
.legend i{display:inline-block;width:.8em;height:.8em;border-radius:50%;margin-right:.35em}
"""


@dataclass(frozen=True)
class Card:
    """A picture with words below it.

    Attributes:
        path: the photo.
        text: what is said about it.
        twin: a second photo beside it.
    """

    path: Path
    text: str
    twin: Path | None = None


@dataclass(frozen=True)
class Point:
    """A photo at a place of a plot.

    Attributes:
        path: the photo.
        x, y: its place, in any unit.
        group: decides its colour.
    """

    path: Path
    x: float
    y: float
    group: str


def thumbnail(path: Path) -> str:
    """A small copy as an address that holds the picture itself; "" where it cannot be read."""
    try:
        picture = load_image(path)
    except ImageError:
        return ""
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX, reducing_gap=2.0)
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def write_cards(
    path: Path, title: str, intro: str, sections: Sequence[tuple[str, Sequence[Card]]]
) -> Path:
    """Write a page of pictures in sections.

    Args:
        path: the file.
        title: heads the page.
        intro: a sentence below it.
        sections: a heading and its pictures each.

    Raises:
        OutputError: it cannot be written.
    """
    parts = []
    for heading, cards in sections:
        figures = "".join(map(_figure, cards))
        parts.append(f'<h2>{_escaped(heading)}</h2><div class="cards">{figures}</div>')
    return write_text(path, _page(title, intro, "".join(parts)))


def write_plot(path: Path, title: str, intro: str, points: Sequence[Point]) -> Path:
    """Write a page with a plot; a point shows its picture under the mouse or the keyboard.

    Args:
        path: the file.
        title: heads the page.
        intro: a sentence below it.
        points: the photos, at least one.

    Raises:
        OutputError: it cannot be written.
    """
    groups = sorted({point.group for point in points})
    colour = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(groups)}
    xs, ys = [point.x for point in points], [point.y for point in points]
    left, top = min(xs), max(ys)
    wide, high = (max(xs) - left) or 1.0, (top - min(ys)) or 1.0
    circles = "".join(
        f'<circle tabindex="0" r="6" fill="{colour[point.group]}" fill-opacity=".75" '
        f'cx="{20 + 860 * (point.x - left) / wide:.1f}" '
        f'cy="{20 + 560 * (top - point.y) / high:.1f}" data-at="{at}">'
        f"<title>{_escaped(shown(point.path))}</title></circle>"
        for at, point in enumerate(points)
    )
    legend = "".join(
        f'<span><i style="background:{colour[name]}"></i>{_escaped(name)} '
        f"({sum(point.group == name for point in points)})</span>"
        for name in groups
    )
    told = [[thumbnail(point.path), shown(point.path), point.group] for point in points]
    # "<" could end the script.
    values = json.dumps(told).replace("<", "\\u003c")
    script = (
        f"const told={values};const box=document.getElementById('shown');"
        "function show(e){const t=told[e.target.dataset.at];if(!t)return;box.textContent='';"
        "if(t[0]){const i=new Image();i.src=t[0];i.alt=t[1];box.append(i);}"
        "const p=document.createElement('p');p.textContent=t[1]+' · '+t[2];box.append(p);}"
        "for(const n of ['mouseover','focusin'])"
        "document.querySelector('svg').addEventListener(n,show);"
    )
    body = (
        f'<p class="legend">{legend}</p><svg viewBox="0 0 900 600" width="900" role="group" '
        f'aria-label="{_escaped(title)}">{circles}</svg>'
        f'<div id="shown" aria-live="polite">Point at a photo.</div><script>{script}</script>'
    )
    return write_text(path, _page(title, intro, body))


def _figure(card: Card) -> str:
    pictures = "".join(
        f'<img src="{address}" alt="{_escaped(shown(path))}">'
        for path in (card.path, card.twin)
        if path is not None and (address := thumbnail(path))
    )
    twin = f"<br>copy of {_escaped(shown(card.twin))}" if card.twin else ""
    return (
        f'<figure><div class="pair">{pictures}</div><figcaption>{_escaped(shown(card.path))}'
        f"{twin}<br>{_escaped(card.text)}</figcaption></figure>"
    )


def _page(title: str, intro: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{_escaped(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{_escaped(title)}</h1><p>{_escaped(intro)}</p>{body}</body></html>\n"
    )


def _escaped(text: object) -> str:
    return html.escape(str(text), quote=True)
