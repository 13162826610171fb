"""What comes with the package: models, and example photos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parent
PRESETS = {name: PACKAGE / "weights" / name for name in ("embedded", "talk")}
_SUFFIXES = (".jpg", ".png")


@dataclass(frozen=True)
class Example:
    """Attributes: name for people; photo to inspect; reference, a photo of a good part."""

    name: str
    photo: Path
    reference: Path


def beside_package() -> Path:
    """Where the example photos lie: inside of an installed package, beside it in a repository."""
    inside = PACKAGE / "example_photos"
    return inside if inside.is_dir() else PACKAGE.parent / "examples"


def find_examples(folder: Path | None = None) -> list[Example]:
    """Damaged and good photos of every part in the folder; [] where there is none.

    Args:
        folder: PART/good_1.jpg, PART/good_2.jpg and others; by default `examples` of a checkout.
    """
    folder = folder or beside_package()
    found = []
    for part in sorted(path for path in folder.glob("*") if path.is_dir()):
        photos = sorted(path for path in part.iterdir() if path.suffix in _SUFFIXES)
        good = [path for path in photos if path.stem.startswith("good")]
        if not good:
            continue
        others = [path for path in photos if path not in good]
        found += [Example(_name(path), path, good[0]) for path in [*others, *good[1:]]]
    return found


def _name(path: Path) -> str:
    state = "good" if path.stem.startswith("good") else path.stem.replace("_", " ")
    return f"{path.parent.name.replace('_', ' ')}, {state}"
