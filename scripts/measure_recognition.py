"""How often the product of a photo is recognised by the nearest reference photo.

    python scripts/measure_recognition.py DATA...

Each folder is a product in MVTec AD's layout. The first photos of `train/good` are its references;
all photos of `test` are recognised, once with all products known, and once each with its own
product left out, when "unknown" is right. The model is the embedded one, or `--model`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anomalygpt import AnomalyGPT
from anomalygpt.errors import ConfigError
from anomalygpt.images.listing import list_images
from anomalygpt.knowledge.products import recognise

BATCH = 16


def embeddings(model: AnomalyGPT, photos: Sequence[Path]) -> np.ndarray:
    """(N, D) of photos."""
    parts = [
        model.encode(list(photos[start : start + BATCH])).features.embedding.detach().cpu().numpy()
        for start in range(0, len(photos), BATCH)
    ]
    return np.concatenate(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print one line for each product and one for all.

    Raises:
        ConfigError: the model says nothing about how like photos of one product are.
    """
    parser = argparse.ArgumentParser(description="How often a photo's product is recognised.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="DATA")
    parser.add_argument(
        "--references", type=int, default=4, metavar="N", help="of each (default 4)"
    )
    parser.add_argument("--most", type=int, default=60, metavar="N", help="test photos of each")
    parser.add_argument("--model", default="embedded")
    options = parser.parse_args(arguments)
    model = AnomalyGPT.from_pretrained(options.model)
    least = model.config.decoder.least_likeness
    if least is None:
        raise ConfigError("this model has no least_likeness; measure it first")
    references, tests = {}, {}
    for folder in options.folders:
        good = list_images(folder / "train" / "good")[: options.references]
        test = list_images(folder / "test")
        # Evenly over all kinds, which are sorted one after the other.
        test = test[:: max(1, -(-len(test) // options.most))]
        references[folder.name] = embeddings(model, good)
        tests[folder.name] = embeddings(model, test)
    print(f"likeness from {least} on; right, unknown, another; unknown without its own product")
    sums = np.zeros(5, int)
    for product, photos in tests.items():
        found = [recognise(photo, references, least=least).product for photo in photos]
        others = {name: rows for name, rows in references.items() if name != product}
        alone = [recognise(photo, others, least=least).product for photo in photos]
        counts = np.array(
            [
                len(found),
                found.count(product),
                found.count(None),
                len(found) - found.count(product) - found.count(None),
                alone.count(None),
            ]
        )
        sums += counts
        print(_line(product, counts))
    print(_line("all", sums))
    return 0


def _line(name: str, counts: np.ndarray) -> str:
    photos, right, unknown, another, alone = counts.tolist()
    return f"{name}: {photos} photos; {right}, {unknown}, {another}; {alone}"


if __name__ == "__main__":
    raise SystemExit(main())
