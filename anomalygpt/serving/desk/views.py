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

from anomalygpt.images.reading import load_image
from anomalygpt.results.certainty import how_sure
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.pictures import Palette, heat_layer
from anomalygpt.results.regions import Region
from anomalygpt.results.sentences import limit_sentence, opinion_sentence
from anomalygpt.serving.desk.visits import Visit

PHOTO_SIDE = 1600
# Good parts that can be shown beside a photo, and their longer side.
MOST_BESIDE, BESIDE_SIDE = 4, 1000

EMPTY = """<div class="state" role="status">
<p class="state-title">Drop in a photo of a part.</p>
<p>With a photo of a good part beside it the answer is far more reliable.</p></div>"""

# The picture in the whole window; the figure is put into the pane.
_ENLARGED = """<dialog class="enlarged" aria-label="The photo, enlarged"><div class="zooming">
<button type="button" class="zoom-out" aria-label="Smaller">−</button>
<output class="zoom-level" aria-live="polite">100 %</output>
<button type="button" class="zoom-in" aria-label="Larger">+</button>
<button type="button" class="zoom-fit">Whole photo</button>
<button type="button" class="close">Close</button></div>
<div class="pane" tabindex="0" role="region" aria-label="Photo; arrow keys move it"></div>
</dialog>"""


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


def notice(message: str) -> str:
    """A remark beside the question box that is no answer."""
    return f'<div class="notice" role="alert"><p>{text(message)}</p></div>'


def in_words(is_anomalous: bool | None) -> tuple[str, str]:
    """The class of a verdict in the page's style, and its words."""
    if is_anomalous is None:
        return "", "No verdict"
    return ("bad", "Something is wrong") if is_anomalous else ("good", "Looks good")


def verdict(inspection: Inspection, references: int) -> str:
    """The verdict in words, what it must be read with, how sure it is, and what it rests on."""
    if inspection.is_anomalous is None:
        return (
            f'<div class="verdict" role="status">Score {inspection.anomaly_score:.2f}'
            f"{cautions(inspection.cautions)}</div>"
        )
    kind, words = in_words(inspection.is_anomalous)
    sure = how_sure(inspection)
    basis = {
        0: "Judged without a photo of a good part: take it as a hint only.",
        1: "Compared with one good part.",
    }.get(references, f"Compared with {references} good parts.")
    # Without a good part there is no degree of certainty, and a number would be taken for one.
    probability, number = inspection.anomaly_probability, ""
    if inspection.references and probability is not None:
        number = (
            '<p class="verdict-sure">Probability of an anomaly '
            f"<b>{probability:.0%}</b>{f' – {sure}' if sure else ''}</p>"
        )
    said = opinion_sentence(inspection)
    opinion = f'<p class="opinion">{text(said)}</p>' if said else ""
    rule = limit_sentence(inspection)
    opinion = (f'<p class="basis">{text(rule)}</p>' if rule else "") + opinion
    return (
        f'<div class="verdict {kind}" role="status" tabindex="-1"><p class="verdict-words">'
        f'<span class="mark" aria-hidden="true">{"✕" if kind == "bad" else "✓"}</span>'
        f"{words}</p>{cautions(inspection.cautions)}"
        f'{number}<p class="answer">{text(inspection.answer or "")}</p>{opinion}'
        f'<p class="basis">{text(inspection.image or "Photo")} · {basis}</p></div>'
    )


def cautions(sentences: Sequence[str]) -> str:
    """What the verdict must be read with, as part of it; "" where there is nothing."""
    if not sentences:
        return ""
    items = "".join(f"<li>{text(sentence)}</li>" for sentence in sentences)
    return f'<ul class="cautions" aria-label="Read the verdict with this">{items}</ul>'


def viewer(visit: Visit, palette: Palette = "warm") -> str:
    """The photo with heat and boxes over it, good parts to compare it with, and the regions."""
    inspection = visit.inspection
    height, width = inspection.image_size
    found = len(inspection.regions)
    described = f"{visit.name}: " + (
        f"{found} marked region{'s' * (found != 1)}" if found else "no marked region"
    )
    photo = visit.copy()
    photo.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
    heat = heat_layer(inspection, palette=palette)
    good = _good_parts(visit)
    return (
        '<div class="viewer" style="--heat: 0.6"><div class="pictures">'
        f'<figure class="stack" tabindex="0" role="button" style="aspect-ratio: {width}/{height}; '
        f'--aspect: {width / height:.4f}" aria-label="{text(described)}. Press Enter to enlarge.">'
        f'<img class="photo" src="{data_uri(photo, "JPEG")}" alt="{text(described)}">'
        f'<img class="heat" src="{data_uri(heat, "PNG")}" alt="">'
        f"{boxes(inspection)}</figure>{good}</div>{_tools(bool(good))}"
        f"{region_table(inspection.regions, zoom=True)}{_ENLARGED}</div>"
    )


def _good_parts(visit: Visit) -> str:
    """Photos of good parts beside the photo; all but the first are hidden until asked for."""
    if visit.given is None:
        return ""
    shown = []
    for number, path in enumerate(visit.given.references[:MOST_BESIDE], start=1):
        picture = load_image(path)
        picture.thumbnail((BESIDE_SIDE, BESIDE_SIDE))
        shown.append(
            f'<img class="good-part" src="{data_uri(picture, "JPEG")}" '
            f'alt="Good part {number}"{" hidden" * (number > 1)}>'
        )
    if not shown:
        return ""
    following = '<button type="button" class="next-good">Next good part</button>'
    return (
        f'<figure class="beside" hidden>{"".join(shown)}<figcaption>Good part '
        f'<span class="which">1</span> of {len(shown)} {following * (len(shown) > 1)}</figcaption>'
        "</figure>"
    )


def _tools(compares: bool) -> str:
    """Switches of the picture; `static/desk.js` does what they say."""
    compare = (
        '<label>Good part <select class="compare"><option value="off">not shown</option>'
        '<option value="beside">beside it</option><option value="blink">in turn with it</option>'
        "</select></label>"
    )
    return (
        '<div class="tools"><label>Map <input type="range" class="heat-slider" min="0" max="100" '
        'value="60" aria-label="Opacity of the map"></label>'
        '<label><input type="checkbox" class="boxes-switch" checked> Boxes</label>'
        '<label><input type="checkbox" class="plain-switch"> Plain photo</label>'
        f'{compare if compares else ""}<button type="button" class="enlarge">Enlarge</button></div>'
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
        f'style="--line: {max(width, height) / 320:.2f}px; --letters: {letters:.1f}px">'
        f"{''.join(drawn)}</svg>"
    )


def region_table(regions: Sequence[Region], zoom: bool = False) -> str:
    """Place, size and score of each region; pointing at a row marks it in the picture.

    Args:
        regions: the strongest first.
        zoom: True adds a button to each that looks at it closely.
    """
    if not regions:
        return '<p class="no-regions">No region stands out.</p>'
    rows = "".join(
        f'<tr data-region="{number}" tabindex="0"><td>{number}</td><td>{text(region.location)}</td>'
        f"<td>{region.area_fraction:.1%}</td><td>{region.score:.2f}</td>"
        + (
            f'<td><button type="button" class="closer" aria-label="Look closely at {number}">'
            "Closer</button></td>"
            if zoom
            else ""
        )
        + "</tr>"
        for number, region in enumerate(regions, start=1)
    )
    last = '<th><span class="unseen">Look closely</span></th>' if zoom else ""
    return (
        '<table class="regions"><thead><tr><th>#</th><th>Place</th><th>Share of photo</th>'
        f"<th>Score</th>{last}</tr></thead><tbody>{rows}</tbody></table>"
    )


def data_uri(picture: Image.Image, kind: str) -> str:
    """A picture as part of a page; kind is "JPEG" or "PNG"."""
    file = io.BytesIO()
    picture.save(file, kind, **({"quality": 90} if kind == "JPEG" else {"compress_level": 3}))
    encoded = base64.b64encode(file.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{encoded}"
