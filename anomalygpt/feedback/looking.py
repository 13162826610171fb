"""Photos looked at with a product that need not be in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anomalygpt.images.reading import load_image
from anomalygpt.products.calibration import good_scores
from anomalygpt.products.product import Product
from anomalygpt.results.inspection import Inspection
from decoder.limits import Limit, limit_of, photos_needed

if TYPE_CHECKING:
    from anomalygpt.encoders.photos import EncodedPhotos
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.products.plant import Plant


def encoded(plant: Plant, assistant: AnomalyGPT, product: Product, photo: str) -> EncodedPhotos:
    """A photo that is kept, encoded.

    Args:
        plant, assistant, product: for which it is read.
        photo: SHA-256 of its file.

    Raises:
        RecordsError: it was deleted, or is damaged.
    """
    plant.blobs.get(photo)
    depth = product.settings.bit_depth or plant.shelf.bank(product, assistant).bit_depth
    return assistant.encode([load_image(plant.blobs.path(photo), depth)])


def seen(plant: Plant, assistant: AnomalyGPT, product: Product, photo: EncodedPhotos) -> Inspection:
    """What a product would find in a photo."""
    evidence = assistant.examine(
        photo,
        plant.shelf.bank(product, assistant),
        description=product.description,
        category=product.settings.category,
    )
    has_words = assistant.language_model is not None
    return (assistant.judge(evidence) if has_words else assistant.measure(evidence))[0]


def scores_of_good(plant: Plant, assistant: AnomalyGPT, product: Product) -> list[float]:
    """The scores of the good photos that a product has for its limit.

    Raises:
        AnomalyGPTError: a photo is not kept any more, or among the references.
    """
    bank = plant.shelf.bank(product, assistant)
    names = {str(plant.blobs.path(each.photo)): each.name for each in product.good}
    return list(good_scores(assistant, bank, product, names))


def measured(plant: Plant, assistant: AnomalyGPT, product: Product, day: str) -> Limit | None:
    """The limit that a product's settings promise, with its references as they are; None where
    nothing is promised or too few good photos are there.

    Args:
        plant, assistant: that measure.
        product: perhaps not in the database.
        day: today, as YYYY-MM-DD.
    """
    settings = product.settings
    if settings.false_alarms is None:
        return None
    if len(product.good) < photos_needed(settings.false_alarms, settings.confidence):
        return None
    scores = scores_of_good(plant, assistant, product)
    return limit_of(scores, settings.false_alarms, settings.confidence, day)
