"""Inspections computed once more are the same, also after the product was changed."""

from __future__ import annotations

import io
import json
import sqlite3

import numpy as np
import pytest
import torch
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.audit.replay import Replays
from anomalygpt.audit.retention import delete_photos
from anomalygpt.errors import SourceError
from anomalygpt.products.plant import Plant
from anomalygpt.products.store import Change
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.requests import Recorded, Request
from anomalygpt.serving.settings import ServerSettings
from decoder.limits import Limit
from tests.kept import discs, inspected, new, part


@pytest.fixture
def replays(plant: Plant, assistant: AnomalyGPT) -> Replays:
    return Replays(plant, lambda name: assistant)


def mask() -> bytes:
    pixels = np.zeros((64, 64), np.uint8)
    pixels[10:30, 30:50] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def test_the_same_photo_gives_the_same_result(
    plant: Plant, assistant: AnomalyGPT, replays: Replays
) -> None:
    product = discs(plant, 1, 2)
    for damaged in (False, True):
        replayed = replays.replay(inspected(plant, assistant, product, part(5, damaged)))
        assert (replayed.state, replayed.differences, replayed.reasons) == ("same", (), ())
        assert replayed.found is not None
    assert json.dumps(replayed.to_dict())


def test_a_product_that_was_changed_since_counts_as_it_was(
    plant: Plant, assistant: AnomalyGPT, replays: Replays
) -> None:
    product = discs(plant, 1)
    first = inspected(plant, assistant, product, part(5, True))
    limit = Limit(0.2, 0.05, 0.95, 59, "2026-11-30")
    changes = (
        Change(references=[new(2)]),
        Change(ignored=mask(), limit=limit),
        Change(ignored=b""),
        Change(removed=[product.references[0].photo]),
    )
    entries = [first]
    for change in changes:
        product = plant.products.change("disc", change, who="ann")
        entries.append(inspected(plant, assistant, product, part(5, True)))
    scores = [entry.result["anomaly_score"] for entry in entries]
    assert len(set(scores)) >= 4  # the changes did something
    plant.products.remove("disc", who="ann")
    assert [replays.replay(entry).state for entry in entries] == ["same"] * 5


def test_what_the_server_recorded_is_computed_once_more(
    plant: Plant, assistant: AnomalyGPT, replays: Replays
) -> None:
    """With references of its own, without a file, and with others in one batch."""
    discs(plant, 1)
    settings = ServerSettings(models=("tiny",))
    engine = Engine(settings, lambda _: assistant, plant)
    photos = [Image.open(io.BytesIO(part(seed))).convert("RGB") for seed in (3, 4)]
    try:
        requests = [
            Request(photos[0], "a.png", (photos[1],), "a disc", "tiny"),
            Request(photos[0], "b.png", model="tiny", product="disc", content=part(3)),
        ]
        answers = [engine.inspect(request) for request in requests]
        entries = [
            next(step.entry for step in answer if isinstance(step, Recorded)) for answer in answers
        ]
    finally:
        engine.close()
    for entry in entries:
        replayed = replays.replay(entry)
        assert replayed.state in ("same", "rounding"), replayed
    assert replays.replay(entries[0]).state == "same"


def test_other_weights_are_told(plant: Plant, build_assistant) -> None:  # type: ignore[no-untyped-def]
    assistant = build_assistant()
    entry = inspected(plant, assistant, discs(plant, 1), part(5, True))
    with torch.no_grad():
        for weight in assistant.encoder.parameters():
            weight.mul_(1.1)
    other = build_assistant()
    other.encoder.load_state_dict(assistant.encoder.state_dict())
    replayed = Replays(plant, lambda name: other).replay(entry)
    assert replayed.state == "differs"
    assert any("the map differs" in each for each in replayed.differences)
    assert "tiny has other weights now" in replayed.reasons[0]


def test_another_version_is_told(
    plant: Plant, assistant: AnomalyGPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = inspected(plant, assistant, discs(plant, 1), part(5, True))
    monkeypatch.setattr("anomalygpt.audit.journal.__version__", "9.9")
    path = plant.database.place.folder / "anomalygpt.sqlite"
    with sqlite3.connect(path) as connection:  # as if another version had found another score
        connection.execute(
            "UPDATE events SET payload = json_set(payload, '$.result.anomaly_score', 0.0001)"
            " WHERE kind = 'inspection'"
        )
    connection.close()
    replayed = Replays(plant, lambda name: assistant).replay(entry)
    assert replayed.state == "differs"
    assert "the score was 0.000100" in replayed.differences[0]
    assert "9.9 is here" in replayed.reasons[0]


def test_what_is_not_there_is_told(plant: Plant, assistant: AnomalyGPT, replays: Replays) -> None:
    product = discs(plant, 1)
    entry = inspected(plant, assistant, product, part(5))

    def no_model(name: str) -> AnomalyGPT:
        raise SourceError(f"{name} does not exist")

    missing = Replays(plant, no_model).replay(entry)
    assert (missing.state, missing.reasons) == ("impossible", ("tiny does not exist",))
    plant.blobs.path(entry.photo).write_bytes(b"damaged")
    assert "is damaged" in replays.replay(entry).reasons[0]
    delete_photos(plant.database, plant.blobs, 0, who="ann")
    entry = plant.journal.find(entry.id)
    assert replays.replay(entry).state == "impossible"
    assert "its photo is not kept" in replays.replay(entry).reasons[0]


def test_a_reference_that_is_gone_is_told(
    plant: Plant, assistant: AnomalyGPT, replays: Replays
) -> None:
    product = discs(plant, 1)
    entry = inspected(plant, assistant, product, part(5))
    plant.products.remove("disc", who="ann")
    plant.blobs.delete(product.references[0].photo)
    shelf = type(plant.shelf)(plant.blobs.path("0" * 64).parent / "none", plant.blobs)
    object.__setattr__(plant, "shelf", shelf)
    assert "is not kept any more" in replays.replay(entry).reasons[0]
