"""Several photos at once against the same good parts: one row each, opened with a click.

Findings with their maps lie on the disk beside the photos, so that a long list needs no memory.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from PIL import Image

from anomalygpt.chat import Chat
from anomalygpt.errors import AnomalyGPTError
from anomalygpt.images.reading import common_bit_depth, load_image
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.pictures import overlay
from anomalygpt.serving.desk.rows import Batch, Row
from anomalygpt.serving.desk.sessions import Desk
from anomalygpt.serving.desk.views import data_uri, in_words, text
from anomalygpt.serving.desk.visits import Given
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.requests import Request

MOST_PHOTOS = 100
THUMBNAIL = 72
# What a table program would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = (
    "image",
    "verdict",
    "anomaly_probability",
    "anomaly_score",
    "regions",
    "location",
    "cautions",
    "error",
)


def run(
    engine: Engine,
    desk: Desk,
    photos: Sequence[str],
    shared: Given,
    going_on: Callable[[], bool],
) -> Iterator[Batch]:
    """Inspect photos one after the other; what cannot be inspected gets a row with its reason.

    Args:
        engine: where photos wait for their turn like those of everybody.
        desk: keeps the photos and findings until they are forgotten.
        photos: files.
        shared: references, description and model for all; its photo is left aside.
        going_on: False ends it after the current photo.

    Yields:
        The same batch, after each photo and at the end.

    Raises:
        AnomalyGPTError: a reference cannot be read.
    """
    batch = Batch(min(len(photos), MOST_PHOTOS), max(0, len(photos) - MOST_PHOTOS))
    depth = common_bit_depth([*shared.references, *map(Path, photos[:MOST_PHOTOS])])
    known = () if shared.product else shared.references  # the engine has those of products
    good = tuple(load_image(path, depth) for path in known)
    yield batch
    for number, path in enumerate(photos[:MOST_PHOTOS], start=1):
        if not going_on():
            break
        given = replace(shared, photo=Path(path))
        row = _row(engine, desk, number, given, good, depth, going_on)
        if row is None:
            break
        batch.rows.append(row)
        yield batch
    batch.running = False
    yield batch


def _row(
    engine: Engine,
    desk: Desk,
    number: int,
    given: Given,
    good: tuple[Image.Image, ...],
    depth: int | None,
    going_on: Callable[[], bool],
) -> Row | None:
    """One photo's row; None where nobody waits for it any more."""
    name = given.photo.name
    try:
        photo = load_image(given.photo, depth)
        request = Request(
            photo,
            name,
            good,
            given.description or None,
            given.model,
            given.reference_names,
            product=given.product,
            content=given.photo.read_bytes(),
        )
        for step in engine.inspect(request):
            if not going_on():
                return None
            if isinstance(step, Chat):
                found = step.inspection
    except (AnomalyGPTError, OSError) as error:
        return Row(number, name, error=str(error).replace(str(given.photo), name))
    kept = desk.keep(given)
    finding = kept.photo.parent / "finding.json"
    finding.write_text(found.to_json(include_map=True), encoding="ascii")
    small = photo.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    bare = replace(found, small_map=None)
    return Row(number, name, kept, finding, bare, data_uri(small, "JPEG"))


def table(batch: Batch) -> str:
    """The rows as HTML, those that need a look first, with how far it is."""
    rows = "".join(_row_html(row) for row in sorted(batch.rows, key=_urgency))
    left = (
        f'<p class="left-out">{batch.left_out} more photos were left out: at most {MOST_PHOTOS} '
        "are inspected at once.</p>"
        if batch.left_out
        else ""
    )
    return (
        f'<section class="batch" aria-label="Several photos">{_progress(batch)}{left}'
        '<div class="batch-rows" tabindex="0" role="region" aria-label="Photos and verdicts">'
        '<table><thead><tr><th><span class="unseen">Picture</span></th><th>Photo</th>'
        "<th>Verdict</th><th>P(anomaly)</th><th>Regions</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _progress(batch: Batch) -> str:
    done, bad = len(batch.rows), sum(bool(r.found and r.found.is_anomalous) for r in batch.rows)
    failed = sum(bool(row.error) for row in batch.rows)
    words = f"{bad} of {done} look wrong"
    if failed:
        words += f", {failed} could not be inspected"
    if not batch.running:
        stopped = f", stopped after {done} of {batch.total}" if done < batch.total else ""
        return f'<p class="batch-state" role="status">{words}{stopped}.</p>'
    seconds = batch.seconds_left
    left = "" if seconds is None else f", {_duration(seconds)} left"
    return (
        f'<p class="batch-state">{done} of {batch.total} inspected{left}. {words}.</p>'
        f'<progress max="{batch.total}" value="{done}" aria-label="Photos inspected">'
        f"{done} of {batch.total}</progress>"
    )


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"about {max(1, round(seconds))} s"
    return f"about {round(seconds / 60)} min"


def _urgency(row: Row) -> tuple[float, int]:
    """Errors first, then by probability."""
    if row.found is None:
        return (-2.0, row.number)
    return (-(row.found.anomaly_probability or row.found.anomaly_score), row.number)


def _row_html(row: Row) -> str:
    name = text(row.name)
    if row.found is None:
        why = f'<td colspan="3">{text(row.error)}</td>'
        return f'<tr class="failed"><td></td><td>{name}</td>{why}</tr>'
    kind, words = in_words(row.found.is_anomalous)
    doubtful = ' <span class="doubt">read its caution</span>' if row.found.cautions else ""
    return (
        f'<tr><td><img src="{row.thumbnail}" alt=""></td>'
        f'<td><button type="button" class="open-row" data-open="{row.number}">{name}</button></td>'
        f'<td class="{kind}">{words}{doubtful}</td><td>{_probability(row.found)}</td>'
        f"<td>{len(row.found.regions)}</td></tr>"
    )


def _probability(found: Inspection) -> str:
    value = found.anomaly_probability
    return "–" if value is None else f"{value:.0%}"


def csv_file(batch: Batch) -> bytes:
    """The rows as a table, UTF-8 with the mark that spreadsheet programs look for."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for row in batch.rows:
        writer.writerow([_plain(value) for value in _values(row)])
    return file.getvalue().encode("utf-8-sig")


def _values(row: Row) -> tuple[object, ...]:
    found = row.found
    if found is None:
        return (row.name, *[""] * 6, row.error)
    places = ", ".join(dict.fromkeys(region.location for region in found.regions))
    probability = found.anomaly_probability
    return (
        row.name,
        in_words(found.is_anomalous)[1],
        "" if probability is None else f"{probability:.4f}",
        f"{found.anomaly_score:.4f}",
        len(found.regions),
        places,
        " ".join(found.cautions),
        "",
    )


def _plain(value: object) -> str:
    """A value that no table program takes for a formula."""
    written = str(value)
    return f"'{written}" if written.startswith(_FORMULA) else written


def overlays_file(batch: Batch) -> bytes:
    """A zip of all photos with their maps, numbered as they came."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for row in batch.rows:
            found = row.inspection()
            if found is None or row.given is None:
                continue
            picture = io.BytesIO()
            overlay(row.given.photo, found).save(picture, "JPEG", quality=90)
            stem = PurePath(row.given.photo.name).stem
            archive.writestr(f"{row.number:03d}-{stem}.jpg", picture.getvalue())
    return file.getvalue()
