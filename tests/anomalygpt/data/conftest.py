"""Makers of small data sets in the published layouts."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

SIZE = (20, 24)  # height, width

_seeds = itertools.count()


def photo(path: Path, size: tuple[int, int] = SIZE) -> Path:
    """A photo that no other one equals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(next(_seeds)).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def mask(path: Path, value: int = 255, size: tuple[int, int] = SIZE) -> Path:
    """A mask with a defect of 4×4 pixels at row 2, column 3."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros(size, dtype=np.uint8)
    pixels[2:6, 3:7] = value
    Image.fromarray(pixels).save(path)
    return path


def crack_file(path: Path, regions: np.ndarray) -> Path:
    """A mask as CrackForest has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    struct = {"Segmentation": regions.astype(np.uint16), "Boundaries": regions > 1}
    savemat(path, {"groundTruth": struct})
    return path


def make_mvtec(root: Path, categories: tuple[str, ...] = ("bottle",)) -> Path:
    """Per category 3 train, 2 good and 2 cracked test photos with masks."""
    for category in categories:
        for number in range(3):
            photo(root / category / "train" / "good" / f"{number:03d}.png")
        for number in range(2):
            photo(root / category / "test" / "good" / f"{number:03d}.png")
            photo(root / category / "test" / "crack" / f"{number:03d}.png")
            mask(root / category / "ground_truth" / "crack" / f"{number:03d}_mask.png")
    return root


def make_loco(root: Path) -> Path:
    """One category; the logical anomaly has two masks with small values."""
    folder = root / "pushpins"
    for split in ("train", "validation", "test"):
        photo(folder / split / "good" / "000.png")
    for kind in ("logical_anomalies", "structural_anomalies"):
        photo(folder / "test" / kind / "000.png")
        mask(folder / "ground_truth" / kind / "000" / "000.png", value=7)
    second = np.zeros(SIZE, dtype=np.uint8)
    second[10:12, 10:12] = 1
    Image.fromarray(second).save(folder / "ground_truth" / "logical_anomalies" / "000" / "001.png")
    return root


VISA_HEADER = "object,split,label,image,mask"
VISA_ROWS = [
    "candle,train,normal,candle/Data/Images/Normal/0000.JPG,",
    "candle,test,normal,candle/Data/Images/Normal/0001.JPG,",
    "candle,test,anomaly,candle/Data/Images/Anomaly/000.JPG,candle/Data/Masks/Anomaly/000.png",
    "pcb1,train,normal,pcb1/Data/Images/Normal/0000.JPG,",
    "pcb1,test,normal,pcb1/Data/Images/Normal/0001.JPG,",
    "pcb1,test,anomaly,pcb1/Data/Images/Anomaly/000.JPG,pcb1/Data/Masks/Anomaly/000.png",
]


def make_visa(root: Path) -> Path:
    """Two objects; masks hold class numbers."""
    for row in VISA_ROWS:
        image, its_mask = row.split(",")[3:]
        photo(root / image)
        if its_mask:
            mask(root / its_mask, value=2)
    write_visa_table(root, VISA_ROWS)
    return root


def write_visa_table(root: Path, rows: list[str], header: str = VISA_HEADER) -> None:
    """Writes 1cls.csv anew."""
    (root / "split_csv").mkdir(exist_ok=True)
    text = "\n".join([header, *rows]) + "\n"
    (root / "split_csv" / "1cls.csv").write_text(text, encoding="utf-8")


def make_crackforest(root: Path) -> Path:
    """Two roads; the second has regions beside road and crack."""
    regions = np.ones(SIZE)
    regions[2:6, 3:7] = 2
    for number, extra in ((1, 1), (2, 3)):
        photo(root / "image" / f"{number:03d}.jpg")
        regions[10:15] = extra
        crack_file(root / "groundTruth" / f"{number:03d}.mat", regions)
    return root


def make_folder(root: Path) -> Path:
    """Plain folders with names of their own, two kinds of defect."""
    for number in range(3):
        photo(root / "OK" / f"part {number}.png")
    photo(root / "Defective" / "loose.png")
    mask(root / "Masks" / "loose.png")
    for kind in ("scratch", "dent"):
        photo(root / "Defective" / kind / "1.png")
        mask(root / "Masks" / kind / "1_mask.png")
    return root


def make_pairs(root: Path) -> Path:
    """Two pairs."""
    for name in ("a", "b"):
        photo(root / "query" / f"{name}.jpg")
        photo(root / "reference" / f"{name}.png")
        mask(root / "mask" / f"{name}.png")
    return root


def turn(speaker: str, text: str) -> dict[str, str]:
    return {"from": speaker, "value": text}


def make_instructions(root: Path, entries: list[object] | None = None) -> Path:
    """Two dialogues about two pictures, or the entries that are given."""
    for name in ("1", "2"):
        photo(root / "images" / f"{name}.jpg")
    if entries is None:
        one = [turn("human", "<image>\nWhat is it?"), turn("gpt", "A cat.")]
        entries = [
            {"image_name": "1", "conversation": one},
            {
                "image_name": "2.jpg",
                "conversation": [*one, turn("human", "Why?"), turn("gpt", "!")],
            },
        ]
    path = root / "pandagpt4_visual_instruction_data.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    return root


@pytest.fixture
def make() -> SimpleNamespace:
    """The makers above, for tests: `make.mvtec(folder)`, `make.photo(file)` and so on."""
    return SimpleNamespace(
        mvtec=make_mvtec,
        visa=make_visa,
        visa_table=write_visa_table,
        visa_rows=VISA_ROWS,
        loco=make_loco,
        crackforest=make_crackforest,
        folder=make_folder,
        pairs=make_pairs,
        instructions=make_instructions,
        turn=turn,
        photo=photo,
        mask=mask,
        crack_file=crack_file,
        size=SIZE,
    )


@pytest.fixture
def mvtec(tmp_path: Path) -> Path:
    """One category, "bottle"."""
    return make_mvtec(tmp_path / "mvtec")


@pytest.fixture
def visa(tmp_path: Path) -> Path:
    """Two categories, "candle" and "pcb1"."""
    return make_visa(tmp_path / "visa")
