"""Plants for tests: photos of a small part, a product of it, and inspections on record."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from anomalygpt import AnomalyGPT, Inspection
from anomalygpt.audit.journal import Circumstances, Entry
from anomalygpt.evaluation.provenance import model_hash
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.images.reading import load_image
from anomalygpt.products.plant import Plant
from anomalygpt.products.product import Product, Settings
from anomalygpt.products.store import NewPhoto
from anomalygpt.records.places import Place


def open_plant(folder: Path) -> Plant:
    """A plant in a folder, whatever the environment says."""
    return Plant.open(Place(folder, f"sqlite:///{folder / 'anomalygpt.sqlite'}"))


def part(seed: int, damaged: bool = False) -> bytes:
    """A PNG of a bright disc on a dark ground with noise, 96×80 pixels, with a stain if damaged."""
    rows, columns = np.mgrid[:80, :96]
    disc = (rows - 40) ** 2 + (columns - 48) ** 2 < 30**2
    pixels = np.where(disc, 170.0, 60.0)[..., None] + np.array([0.0, 10.0, 20.0])
    if damaged:
        pixels[20:36, 56:72] = (230.0, 30.0, 20.0)
    noise = np.random.default_rng(seed).normal(0, 6, pixels.shape)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def new(seed: int, damaged: bool = False) -> NewPhoto:
    """The same on its way into a product."""
    return NewPhoto(f"part_{seed}.png", part(seed, damaged))


def discs(plant: Plant, *seeds: int, model: str = "tiny", **settings: object) -> Product:
    """A product with references of these seeds."""
    references = [new(seed) for seed in seeds or (1,)]
    wanted = Settings(model=model, detail="whole", **settings)  # type: ignore[arg-type]
    return plant.products.add("disc", references=references, settings=wanted, who="ann")


def found(seed: int = 0, is_anomalous: bool = False, name: str | None = None) -> Inspection:
    """A finding that no model made."""
    cells = np.random.default_rng(seed).random((8, 8), dtype=np.float32)
    return Inspection(
        geometry=ImageGeometry((80, 96), 64, (0.0, 0.0, 64.0, 64.0)),
        anomaly_score=float(cells.max()),
        small_map=cells,
        is_anomalous=is_anomalous,
        anomaly_probability=0.9 if is_anomalous else 0.1,
        answer="Yes." if is_anomalous else "No.",
        question="Is something wrong?",
        image=name or f"part_{seed}.png",
    )


def recorded(plant: Plant, seed: int = 0, product: Product | None = None, **more: object) -> Entry:
    """A finding that no model made, on record."""
    circumstances = Circumstances("bob", "tiny", "0" * 64, product)
    return plant.journal.write(found(seed), part(seed), circumstances, **more)  # type: ignore[arg-type]


def inspected(
    plant: Plant, assistant: AnomalyGPT, product: Product, content: bytes, name: str = "photo.png"
) -> Entry:
    """A photo that was really inspected, on record."""
    path = plant.blobs.path(plant.blobs.put(content))
    evidence = assistant.examine(
        assistant.encode([load_image(path)]),
        plant.shelf.bank(product, assistant),
        description=product.description,
        category=product.settings.category,
    )
    [inspection] = assistant.judge(evidence)
    object.__setattr__(inspection, "image", name)
    circumstances = Circumstances("bob", product.settings.model, model_hash(assistant), product)
    return plant.journal.write(inspection, content, circumstances)
