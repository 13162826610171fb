"""The engine with a plant: products by name, and every inspection on record."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.audit.journal import Entry
from anomalygpt.chat import Talk
from anomalygpt.errors import ConfigError, OutputError, SourceError
from anomalygpt.products.plant import Plant
from anomalygpt.products.product import Settings
from anomalygpt.products.store import Change, NewPhoto
from anomalygpt.records.places import Place
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.recording import png_of
from anomalygpt.serving.requests import Progress, Recorded, Request
from anomalygpt.serving.settings import ServerSettings
from decoder.limits import Limit


def photo(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    plant = Plant.open(Place.of(tmp_path))
    good = NewPhoto("good.png", png_of(photo(1)))
    settings = Settings(detail="whole")
    plant.products.add("plate", references=[good], settings=settings, who="me")
    yield plant
    plant.close()


@pytest.fixture
def engine(served: AnomalyGPT, plant: Plant) -> Iterator[Engine]:
    engine = Engine(ServerSettings(detail="whole"), lambda _: served, plant)
    yield engine
    engine.close()


def inspected(engine: Engine, request: Request) -> tuple[Entry, Talk]:
    steps = [step for step in engine.inspect(request) if not isinstance(step, Progress)]
    recorded, talk = steps
    assert isinstance(recorded, Recorded)
    assert not isinstance(talk, Recorded)
    return recorded.entry, talk


def test_a_product_is_compared_with_its_references(engine: Engine, served: AnomalyGPT) -> None:
    _, talk = inspected(engine, Request(photo(0), "a.png", product="plate"))
    alone = served.inspect(photo(0), served.remember([photo(1)], detail="whole"))
    assert talk.inspection.anomaly_score == pytest.approx(alone.anomaly_score, abs=1e-6)
    assert talk.inspection.references == ("good.png",)


def test_what_is_answered_is_on_record(engine: Engine, plant: Plant) -> None:
    content = png_of(photo(0))
    request = Request(photo(0), "a.png", product="plate", content=content, who="line 3")
    entry, talk = inspected(engine, request)
    found = plant.journal.find(entry.id)
    assert found == entry
    assert (found.who, found.product, found.product_version) == ("line 3", "plate", 1)
    assert plant.blobs.get(found.photo) == content
    assert found.result == talk.inspection.to_dict()


def test_own_references_are_kept_too(engine: Engine, plant: Plant) -> None:
    inspected(engine, Request(photo(0), "a.png", (photo(2),)))
    kept = [path for path in (plant.database.place.folder / "photos").rglob("*") if path.is_file()]
    sizes = set()
    for path in kept:
        with Image.open(io.BytesIO(path.read_bytes())) as picture:
            sizes.add((picture.mode, picture.size))
    assert ("RGB", (50, 40)) in sizes
    assert len(kept) == 4  # the product's reference, the photo, its map, and the reference


def test_only_hashes_are_kept_where_photos_may_not(served: AnomalyGPT, plant: Plant) -> None:
    engine = Engine(ServerSettings(keeps_photos=False), lambda _: served, plant)
    try:
        entry, _ = inspected(engine, Request(photo(0), "a.png", (photo(2),)))
    finally:
        engine.close()
    assert not entry.photo_kept
    assert not plant.blobs.has(entry.photo)


def test_looking_again_to_go_on_talking_is_no_new_inspection(engine: Engine, plant: Plant) -> None:
    request = Request(photo(0), "a.png", product="plate", on_record=False)
    assert not any(isinstance(step, Recorded) for step in engine.inspect(request))
    assert plant.journal.all() == []


@pytest.mark.parametrize(("score", "verdict"), [(0.0, True), (1.0, False)])
def test_a_limit_decides_in_words_too(
    engine: Engine, plant: Plant, score: float, verdict: bool
) -> None:
    limit = Limit(score, 0.05, 0.95, 59, "2026-12-01")
    plant.products.change("plate", Change(limit=limit), who="me")
    entry, talk = inspected(engine, Request(photo(0), "a.png", product="plate"))
    found = talk.inspection
    assert (found.is_anomalous, found.limit) == (verdict, limit)
    assert found.answer is not None
    assert found.answer.startswith("Yes" if verdict else "No")
    assert bool(found.regions) or not verdict
    assert "The product's limit decides" in talk.ask("How sure are you?")
    assert entry.product_version == 2


def test_a_product_needs_a_plant(served: AnomalyGPT) -> None:
    engine = Engine(ServerSettings(), lambda _: served)
    try:
        with pytest.raises(ConfigError, match="knows no products"):
            engine.inspect(Request(photo(0), "a.png", product="plate"))
    finally:
        engine.close()


def test_a_product_that_is_not_there(engine: Engine) -> None:
    with pytest.raises(SourceError, match="there is plate"):
        engine.inspect(Request(photo(0), "a.png", product="plat"))


def test_what_cannot_be_kept_is_not_answered(
    engine: Engine, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that nobody can look up later would be worse than none."""

    def full(*_: object, **__: object) -> Entry:
        raise OutputError("no space left")

    monkeypatch.setattr(plant.journal.__class__, "write", full)
    with pytest.raises(OutputError, match="no space"):
        list(engine.inspect(Request(photo(0), "a.png", product="plate")))
