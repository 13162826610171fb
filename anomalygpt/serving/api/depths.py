"""How many bits photos have that are compared with each other, where files do not say it."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from PIL import Image

from anomalygpt.images.reading import common_bit_depth
from anomalygpt.products.plant import Plant
from anomalygpt.products.product import Product


def depth_of(plant: Plant, product: Product) -> int | None:
    """Bits of a product's photos, 8 to 16; None where its references have 8."""
    paths = tuple(plant.blobs.path(each.photo) for each in product.references)
    return product.settings.bit_depth or _common(paths)


@lru_cache(maxsize=256)
def _common(paths: tuple[Path, ...]) -> int | None:
    return common_bit_depth(paths)


def depth_among(contents: Iterable[bytes]) -> int | None:
    """Bits of photos that came together, 10 to 16; None where all have 8."""
    opened = []
    for content in contents:
        try:
            opened.append(Image.open(io.BytesIO(content)))
        except Exception:  # noqa: PERF203 - whoever reads the photo says what is wrong
            continue
    return common_bit_depth(opened)
