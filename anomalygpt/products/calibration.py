"""The limit of a product, measured on photos of good parts that are no references."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anomalygpt.errors import AnomalyGPTError, ConfigError
from anomalygpt.evidence import decoder_errors
from anomalygpt.files import shown
from anomalygpt.products.product import Product
from anomalygpt.products.store import Change, Products
from anomalygpt.references.library import Watch, unwatched
from anomalygpt.results.cautions import AMONG_REFERENCES
from decoder import MemoryBank
from decoder.limits import limit_of, photos_needed

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.products.shelf import Shelf


def calibrated(
    products: Products,
    shelf: Shelf,
    assistant: AnomalyGPT,
    product: Product,
    *,
    who: str,
    watch: Watch = unwatched,
) -> Product:
    """Measure the limit that the product's settings promise, and keep it.

    Args:
        products, shelf: where the product and its bank are.
        assistant: that will inspect.
        product: with a share of false alarms in its settings, and good photos.
        who: is named in the log.
        watch: is handed the good photos, and may show how far they are.

    Returns:
        The product with its limit.

    Raises:
        ConfigError: nothing is promised, too few good photos, one is among the references, or the
            product was changed meanwhile.
        AnomalyGPTError: a photo cannot be used.
    """
    check_enough(product)
    bank = shelf.bank(product, assistant)
    names = {str(products.blobs.path(each.photo)): each.name for each in product.good}
    scores = good_scores(assistant, bank, product, names, watch)
    return with_limit(products, product, list(scores), who=who)


def check_enough(product: Product) -> None:
    """
    Raises:
        ConfigError: the product promises nothing, or has too few good photos for it.
    """
    settings = product.settings
    if settings.false_alarms is None:
        raise ConfigError(
            f"{product.name} promises nothing; say how many false alarms there may be, such as "
            "--false-alarms 0.05"
        )
    needed = photos_needed(settings.false_alarms, settings.confidence)
    if len(product.good) < needed:  # before anything is encoded
        raise ConfigError(
            f"{product.name} has {len(product.good)} good photos beside its references; to promise "
            f"at most {100 * settings.false_alarms:g} % false alarms with "
            f"{100 * settings.confidence:g} % confidence {needed} are needed, "
            f"{needed - len(product.good)} more"
        )


def with_limit(
    products: Products, product: Product, scores: Sequence[float], *, who: str
) -> Product:
    """Keep the limit that scores of good photos give.

    Args:
        products: where the product is.
        product: as it was when they were measured, see `check_enough`.
        scores: of its good photos.
        who: is named in the log.

    Raises:
        ConfigError: the product was changed meanwhile.
    """
    settings = product.settings
    assert settings.false_alarms is not None
    today = time.strftime("%Y-%m-%d", time.gmtime())
    with decoder_errors():
        limit = limit_of(scores, settings.false_alarms, settings.confidence, today)
    change = Change(
        limit=limit,
        why=f"measured on {limit.photos} good parts",
        expected_version=product.version,
    )
    return products.change(product.id, change, who=who, kind="calibrated")


def good_scores(
    assistant: AnomalyGPT,
    bank: MemoryBank,
    product: Product,
    names: dict[str, str],
    watch: Watch = unwatched,
) -> Iterator[float]:
    """The scores of good photos, one after the other.

    Args:
        assistant, bank: that inspect them.
        product: how they are looked at.
        names: of files, what they are called.
        watch: see `calibrated`.

    Raises:
        ConfigError: one is among the references.
        AnomalyGPTError: one cannot be used.
    """
    paths: Sequence[Path] = [Path(path) for path in names]
    seen = watch(list(paths), len(paths), "good parts")
    found = assistant.inspect_batch(
        seen,
        bank,
        category=product.settings.category,
        map_only=True,
        batch_size=1,
        bit_depth=product.settings.bit_depth or bank.bit_depth,
    )
    for path, each in zip(paths, found, strict=True):
        if isinstance(each, AnomalyGPTError):
            raise each
        if AMONG_REFERENCES in each.cautions:
            raise ConfigError(
                f"{shown(names[str(path)])} is one of the references, so it cannot measure the "
                "limit; take it out"
            )
        yield each.anomaly_score
