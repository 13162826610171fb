"""What the page "Data" shows, as HTML without scripts; file names go through `views.text`."""

from __future__ import annotations

from pathlib import Path

from anomalygpt.data.tools.cleaning import FAULTS
from anomalygpt.data.tools.pages import thumbnail
from anomalygpt.serving.desk.photoset import FEWEST_TO_COMPARE, MOST_PHOTOS, Findings, PhotoSet
from anomalygpt.serving.desk.views import text

# Size of the plane, and of the pictures on it.
_WIDE, _HIGH, _PICTURE = 900, 560, 46

EMPTY = """<div class="state" role="status">
<p class="state-title">Drop in photos of one product.</p>
<p>Check proposes those to look at before training; Draw opens them for masks. Nothing of yours is
changed or deleted by what is found.</p></div>"""


def findings(photos: PhotoSet) -> str:
    """The tables and the plane of a look at photos; "" before."""
    found = photos.findings
    if found is None:
        return ""
    pictures = {each.path: thumbnail(each.path) for each in found.measured}
    left = (
        f"<p>{photos.left_out} more photos were left out: at most {MOST_PHOTOS} are taken.</p>"
        if photos.left_out
        else ""
    )
    odd = len({each.path for each in found.proposals})
    return (
        f'<section class="looked" aria-label="Findings"><h2 role="status">'
        f"{len(found.measured)} photos, {odd} to look at</h2>{left}"
        f"{_proposals(found, pictures)}{_outliers(found, pictures)}{_plane(found, pictures)}"
        "</section>"
    )


def drawing(photos: PhotoSet, root_path: str) -> str:
    """The drawing of photos, with a way to keep all masks; "" before there is one."""
    if not photos.word:
        return ""
    place = f"{root_path}/draw/{photos.word}/"
    return (
        '<section class="drawing" aria-label="Draw masks"><h2>Draw masks</h2>'
        f'<p><a href="{place}masks.zip" download="masks.zip">All masks as a ZIP</a>, unsaved ones '
        f'too, or <a href="{place}" target="_blank" rel="noopener">draw in its own window</a>. '
        "They are kept as long as this page is open, so take the ZIP along.</p>"
        f'<iframe src="{place}" title="Draw masks over the photos"></iframe></section>'
    )


def _proposals(found: Findings, pictures: dict[Path, str]) -> str:
    if not found.proposals:
        return "<p>None is blurred, dark, over-exposed, cropped or there twice.</p>"
    rows = "".join(
        f"<tr><td>{_picture(pictures, each.path)}{_picture(pictures, each.twin)}</td>"
        f"<td>{text(each.path.name)}</td><td>{each.fault}</td><td>{text(each.detail)}"
        f"{f', copy of {text(each.twin.name)}' if each.twin else ''}</td></tr>"
        for fault in FAULTS
        for each in found.proposals
        if each.fault == fault
    )
    return (
        '<div class="rows" tabindex="0" role="region" aria-label="Photos to look at"><table><thead>'
        '<tr><th><span class="unseen">Picture</span></th><th>Photo</th><th>Finding</th>'
        f"<th>Measured</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _outliers(found: Findings, pictures: dict[Path, str]) -> str:
    if found.seen is None:
        return f"<p>At least {FEWEST_TO_COMPARE} photos are needed to say which is unlike them.</p>"
    cards = "".join(
        f"<li>{_picture(pictures, each.path)} {text(each.path.name)}, score {each.score:.2f}</li>"
        for each in found.outliers
        if each.is_proposed
    )
    return (
        "<h3>Most unlike the others</h3><p>By the model's features; 0.5 is usual, one in twenty is "
        f"shown, whatever its score.</p><ul>{cards}</ul>"
    )


def _plane(found: Findings, pictures: dict[Path, str]) -> str:
    if found.seen is None:
        return ""
    x, y = found.places[:, 0], found.places[:, 1]
    wide, high = float(x.max() - x.min()) or 1.0, float(y.max() - y.min()) or 1.0
    odd = {each.path for each in found.proposals} | {
        each.path for each in found.outliers if each.is_proposed
    }
    drawn = []
    for path, (across, up) in zip(found.seen.paths, found.places, strict=True):
        left = (_WIDE - _PICTURE) * (across - x.min()) / wide
        top = (_HIGH - _PICTURE) * (y.max() - up) / high
        box = f'x="{left:.1f}" y="{top:.1f}" width="{_PICTURE}" height="{_PICTURE}"'
        drawn.append(
            f'<g role="img" aria-label="{text(path.name)}"><title>{text(path.name)}</title>'
            f'<image href="{pictures.get(path, "")}" preserveAspectRatio="xMidYMid slice" {box}/>'
            f'<rect {box} fill="none" class="{"odd" if path in odd else "usual"}"/></g>'
        )
    shares = " and ".join(f"{100 * share:.0f} %" for share in found.explained)
    return (
        "<h3>All photos on a plane</h3><p>Photos whose features are alike lie together; the axes "
        f"explain {shares} of the variance. Those to look at have a thick frame.</p>"
        f'<svg viewBox="-4 -4 {_WIDE + 8} {_HIGH + 8}" role="group" '
        f'aria-label="Photos by their features">{"".join(drawn)}</svg>'
    )


def _picture(pictures: dict[Path, str], path: Path | None) -> str:
    source = pictures.get(path, "") if path else ""
    return f'<img src="{source}" alt="">' if source else ""
