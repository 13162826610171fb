"""Photos on which the embedded model errs, made from the examples, as one sheet for its card.

python scripts/show_failures.py docs/model_cards/embedded-failures.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.results.pictures import overlay

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PANEL, COLUMNS = (360, 270), 3


def read(part: str) -> np.ndarray:
    """The second good photo of a part, (H, W, 3) float32."""
    with Image.open(EXAMPLES / part / "good_2.jpg") as photo:
        return np.asarray(photo.convert("RGB")).astype(np.float32)


def faint_stain(photo: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]]
    height, width = photo.shape[:2]
    away = (columns - 0.6 * width) ** 2 + (rows - 0.4 * height) ** 2
    return photo * (1 - 0.12 * np.exp(-away / (0.05 * width) ** 2))[..., None]


def hair_scratch(photo: np.ndarray, grey: int) -> np.ndarray:
    scratched = cv2.line(photo.copy(), (150, 300), (230, 260), (grey,) * 3, 1, cv2.LINE_AA)
    return (photo + scratched) / 2


def hard_shadow(photo: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]]
    beyond = columns / photo.shape[1] + 0.4 * rows / photo.shape[0] - 0.75
    return photo * (1 - 0.45 / (1 + np.exp(-beyond / 0.03)))[..., None]


def turned(photo: np.ndarray) -> np.ndarray:
    height, width = photo.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 20, 1)
    return cv2.warpAffine(photo, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)


def cases() -> list[tuple[str, np.ndarray, str | None]]:
    """What is shown: a title, the photo, and the part whose good photo it is compared with."""
    return [
        ("faint stain, missed", faint_stain(read("fabric")), "fabric"),
        ("hair scratch, missed", hair_scratch(read("plate"), 240), "plate"),
        ("hair scratch, found", hair_scratch(read("tile"), 90), "tile"),
        ("hard shadow, good part", hard_shadow(read("plate")), "plate"),
        ("turned, smeared border, good part", turned(read("circuit")), "circuit"),
        ("no reference, good part", read("circuit"), None),
    ]


def main() -> int:
    """Inspect them all and write the sheet."""
    model = AnomalyGPT.from_pretrained("embedded", device="cpu")
    panels = []
    for title, pixels, part in cases():
        photo = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        found = model.inspect(photo, [EXAMPLES / part / "good_1.jpg"] if part else [])
        print(f"{title}: P(anomaly) {found.anomaly_probability:.2f}. {found.answer}")
        panel = np.asarray(overlay(photo, found).resize(PANEL))
        panel = cv2.copyMakeBorder(panel, 28, 4, 4, 4, cv2.BORDER_CONSTANT, value=(255,) * 3)
        words = f"{title}: P {found.anomaly_probability:.2f}"
        font = cv2.FONT_HERSHEY_SIMPLEX
        panels.append(cv2.putText(panel, words, (6, 19), font, 0.5, (20,) * 3, 1, cv2.LINE_AA))
    rows = [np.hstack(panels[at : at + COLUMNS]) for at in range(0, len(panels), COLUMNS)]
    Image.fromarray(np.vstack(rows)).save(sys.argv[1], quality=85)
    return 0


if __name__ == "__main__":
    sys.exit(main())
