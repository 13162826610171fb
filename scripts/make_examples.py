"""Render the photos in examples/: `python scripts/make_examples.py`.

Two good specimens and a damaged one of every product. Every run gives the same files.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from example_parts import biscuit, board, circuit, fabric, gasket, plate, tile
from example_parts.product import Product

FOLDER = Path(__file__).resolve().parents[1] / "examples"
MODULES = (plate, fabric, board, tile, circuit, biscuit, gasket)
PRODUCTS: dict[str, Product] = {module.PRODUCT.name: module.PRODUCT for module in MODULES}


def render(seed: int, damaged: bool, product: str = "plate") -> np.ndarray:
    """A photo of one specimen, (H, W, 3) uint8 RGB."""
    return PRODUCTS[product].render(seed, damaged)


def write(product: Product, folder: Path) -> None:
    """The photos of one product into a folder of its name."""
    target = folder / product.name
    target.mkdir(parents=True, exist_ok=True)
    for name, (seed, damaged) in product.photos().items():
        photo = cv2.cvtColor(render(seed, damaged, product.name), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(target / f"{name}.jpg"), photo, [cv2.IMWRITE_JPEG_QUALITY, product.quality])


def main(folder: Path = FOLDER) -> None:
    for product in PRODUCTS.values():
        write(product, folder)
        print(f"written: {folder / product.name}")


if __name__ == "__main__":
    main()
