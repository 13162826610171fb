"""What is shown of a finding, as HTML without scripts: verdict, photo with map, regions.

Everything that comes from a visitor or a model goes through `text`, so that a file name cannot
become part of the page. `static/desk.js` moves the opacity and marks regions.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

from PIL import Image

from anomalygpt.certainty import how_sure
from anomalygpt.results import Inspection, Region
from anomalygpt.serving.sessions import Visit
from anomalygpt.visualization import Palette, heat_layer

PHOTO_SIDE = 1600

EMPTY = """<div class="state" role="status">
<p class="state-title">Drop in a photo of a part.</p>
<p>With a photo of a good part beside it the answer is far more reliable.</p></div>"""


def text(value: object) -> str:
    """A value as text of the page: no tag, attribute or template of it takes effect."""
    return html.escape(str(value)).replace("$", "&#36;").replace("{", "&#123;")


def working(what: str, share: float) -> str:
    """A state with a progress bar; `share` in [0, 1]."""
    percent = round(100 * share)
    return (
        f'<div class="state" role="status"><p class="state-title">{text(what)} …</p>'
        f'<progress max="100" value="{percent}">{percent} %</progress></div>'
    )


def problem(message: str) -> str:
    """What went wrong and what to do."""
    return f'<div class="state problem" role="alert"><p>{text(message)}</p></div>'


def in_words(is_anomalous: bool | None) -> tuple[str, str]:
    """The class of a verdict in the page's style, and its words."""
    if is_anomalous is None:
        return "", "No verdict"
    return ("bad", "Something is wrong") if is_anomalous else ("good", "Looks good")


def verdict(inspection: Inspection, references: int) -> str:
    """The verdict in words, how sure it is, and what it rests on."""
    if inspection.is_anomalous is None or inspection.anomaly_probability is None:
        return f'<div class="verdict">Score {inspection.anomaly_score:.2f}</div>'
    probability = inspection.anomaly_probability
    kind, words = in_words(inspection.is_anomalous)
    basis = {
        0: "Judged without a photo of a good part: take it as a hint only.",
        1: "Compared with one good part.",
    }.get(references, f"Compared with {references} good parts.")
    return (
        f'<div class="verdict {kind}" role="status"><p class="verdict-words">'
        f'<span class="mark" aria-hidden="true">{"✕" if kind == "bad" else "✓"}</span>'
        f"{words}</p>"
        f'<p class="verdict-sure">Probability of an anomaly <b>{probability:.0%}</b>'
        f" – {how_sure(inspection)}</p>"
        f'<p class="answer">{text(inspection.answer or "")}</p>'
        f'<p class="basis">{text(inspection.image or "Photo")} · {basis}</p></div>'
    )


def viewer(visit: Visit, palette: Palette = "warm") -> str:
    """The photo with heat and boxes over it, and the regions as a table."""
    inspection = visit.inspection
    height, width = inspection.image_size
    found = len(inspection.regions)
    described = f"{visit.name}: " + (
        f"{found} marked region{'s' * (found != 1)}" if found else "no marked region"
    )
    photo = visit.copy()
    photo.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
    heat = heat_layer(inspection, palette=palette)
    return (
        '<div class="viewer" style="--heat: 0.6">'
        f'<figure class="stack" tabindex="0" role="button" style="aspect-ratio: {width}/{height}; '
        f'--aspect: {width / height:.4f}" aria-label="{text(described)}. Press Enter to enlarge.">'
        f'<img class="photo" src="{data_uri(photo, "JPEG")}" alt="{text(described)}">'
        f'<img class="heat" src="{data_uri(heat, "PNG")}" alt="">'
        f"{boxes(inspection)}</figure>"
        '<div class="tools"><label>Map <input type="range" class="heat-slider" min="0" max="100" '
        'value="60" aria-label="Opacity of the map"></label>'
        '<label><input type="checkbox" class="boxes-switch" checked> Boxes</label>'
        '<label><input type="checkbox" class="plain-switch"> Plain photo</label>'
        '<button type="button" class="enlarge">Enlarge</button></div>'
        f"{region_table(inspection.regions)}</div>"
    )


def boxes(inspection: Inspection) -> str:
    """Numbered boxes of the regions, in pixels of the photo."""
    height, width = inspection.image_size
    letters = max(width, height) / 28
    drawn = []
    for number, region in enumerate(inspection.regions, start=1):
        x0, y0, x1, y1 = region.bbox
        above = y0 > 1.3 * letters
        drawn.append(
            f'<g data-region="{number}"><rect x="{x0}" y="{y0}" width="{x1 - x0}" '
            f'height="{y1 - y0}"/><text x="{min(x0, width - letters):.1f}" '
            f'y="{(y0 - 0.3 * letters) if above else y0 + letters:.1f}" '
            f'font-size="{letters:.1f}">{number}</text></g>'
        )
    return (
        f'<svg class="boxes" viewBox="0 0 {width} {height}" aria-hidden="true" '
        f'style="--line: {max(width, height) / 320:.2f}px">{"".join(drawn)}</svg>'
    )


def region_table(regions: Sequence[Region]) -> str:
    """Place, size and score of each region; pointing at a row marks it in the picture."""
    if not regions:
        return '<p class="no-regions">No region stands out.</p>'
    rows = "".join(
        f'<tr data-region="{number}" tabindex="0"><td>{number}</td><td>{text(region.location)}</td>'
        f"<td>{region.area_fraction:.1%}</td><td>{region.score:.2f}</td></tr>"
        for number, region in enumerate(regions, start=1)
    )
    return (
        '<table class="regions"><thead><tr><th>#</th><th>Place</th><th>Share of photo</th>'
        f"<th>Score</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def data_uri(picture: Image.Image, kind: str) -> str:
    """A picture as part of a page; kind is "JPEG" or "PNG"."""
    file = io.BytesIO()
    picture.save(file, kind, **({"quality": 90} if kind == "JPEG" else {"compress_level": 3}))
    encoded = base64.b64encode(file.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{encoded}"
