"""Which product a photo shows, from embeddings."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anomalygpt import AnomalyGPT
from anomalygpt.errors import AnomalyGPTError, ConfigError, DataError, SourceError
from anomalygpt.knowledge.products import recognise, reference_photos

REFERENCES = {
    "nut": np.array([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0]]),
    "zipper": np.array([[0.0, 2.0, 0.0]]),
}


def test_the_nearest_reference_decides() -> None:
    found = recognise(np.array([0.0, 5.0, 1.0]), REFERENCES, least=0.9)
    assert found.product == found.nearest == "zipper"
    assert found.likeness == pytest.approx(5 / np.sqrt(26))
    near = recognise(np.array([0.9, 0.1, 0.0]), REFERENCES, least=0.9)
    assert (near.product, near.likeness) == ("nut", pytest.approx(1.0))


def test_what_is_like_none_is_unknown() -> None:
    found = recognise(np.array([0.5, 0.4, 3.0]), REFERENCES, least=0.9)
    assert found.product is None
    assert found.nearest == "nut"
    assert found.likeness < 0.9
    single = {name: rows[:1] for name, rows in REFERENCES.items()}
    assert recognise(np.array([0.5, 0.4, 3.0]), single, least=-1.0).product == "nut"
    assert recognise(np.zeros(3), REFERENCES, least=0.1).product is None


def test_references_that_are_alike_ask_for_as_much() -> None:
    """Their cosine is 0.994, that of the photo with the nearer one 0.89, with the zipper 0.55."""
    photo = np.array([0.9, 0.6, 0.0])
    assert recognise(photo, REFERENCES, least=0.8).product is None
    alone = {"nut": REFERENCES["nut"][1:], "zipper": REFERENCES["zipper"]}
    assert recognise(photo, alone, least=0.8).product == "nut"
    apart = {"nut": np.array([[0.9, 0.1, 0.0], [0.5, 0.0, 0.5]])}
    assert recognise(photo, apart, least=0.8).product == "nut"


@pytest.mark.parametrize(
    ("embedding", "references", "least", "told"),
    [
        (np.ones(3), {}, 0.5, "no reference photos"),
        (np.ones(3), REFERENCES, 1.5, r"cosine in \[-1, 1\]"),
        (np.ones((1, 3)), REFERENCES, 0.5, r"has shape \(D,\)"),
        (np.ones(4), REFERENCES, 0.5, r"references of nut have shape \(2, 3\)"),
        (np.ones(3), {"nut": np.ones((0, 3))}, 0.5, "references of nut"),
        (np.array([1.0, np.nan, 0.0]), REFERENCES, 0.5, "no numbers"),
        (np.ones(3), {"nut": np.full((1, 3), np.nan), "b": np.ones((1, 3))}, 0.5, "no numbers"),
    ],
)
def test_arrays_that_do_not_fit(
    embedding: np.ndarray, references: dict[str, np.ndarray], least: float, told: str
) -> None:
    with pytest.raises((ConfigError, DataError), match=told) as raised:
        recognise(embedding, references, least=least)
    assert isinstance(raised.value, AnomalyGPTError)


def test_where_photos_lie(two_products: Path, parts: Path, written: Callable[..., Path]) -> None:
    for name in ("metal nut/a.png", "zipper/photos/b.png", "zipper/damaged/c.png", "loose.png"):
        (two_products / name).parent.mkdir(exist_ok=True)
        shutil.copy(parts / "good.png", two_products / name)
    written({"empty/notes.md": "x"})
    found = reference_photos(two_products)
    assert {name: [path.name for path in photos] for name, photos in found.items()} == {
        "metal nut": ["a.png"],
        "zipper": ["b.png"],
    }
    with pytest.raises(SourceError, match="does not exist"):
        reference_photos(two_products / "absent")


def test_with_the_embeddings_of_a_model(
    assistant: AnomalyGPT, parts: Path, two_products: Path
) -> None:
    """The photo itself is among the references of one product."""
    for product, photo in (("metal nut", "good.png"), ("zipper", "stained.png")):
        shutil.copy(parts / photo, two_products / product / photo)
    references = {
        product: assistant.encode(photos).features.embedding.detach().numpy()
        for product, photos in reference_photos(two_products).items()
    }
    photo = assistant.encode(parts / "stained.png").features.embedding.detach().numpy()[0]
    found = recognise(photo, references, least=0.99)
    assert found.product == "zipper"
    assert found.likeness == pytest.approx(1.0, abs=1e-5)
