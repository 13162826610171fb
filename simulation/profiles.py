"""What is simulated for which product: sizes, shares and label steepness, as published.

The values are those of NSA (Schlüter et al., ECCV 2022) as AnomalyGPT trains with them. An
unknown product needs none of them: its default finds the part in the photo by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Blend = Literal["normal", "mixed", "paste", "scar"]
BLENDS: tuple[Blend, ...] = get_args(Blend)


@dataclass(frozen=True)
class SimulationProfile:
    """Bounds of what is simulated on photos of one product.

    Attributes:
        height_bounds: smallest and largest height of a patch, as a share of the photo's height.
        width_bounds: the same for its width.
        size_gamma: (offset, shape, scale); half of each side is drawn as
            offset + Gamma(shape, scale), as a share of the photo's side; the whole is then
            limited by the bounds.
        resize_bounds: smallest and largest factor by which a patch is resized, around 1.
        background: (brightness, tolerance) pairs in grey levels, for products that are
            photographed on a plain ground; () for textures that fill the photo; None looks for
            itself.
        min_object: smallest share of a cut patch that shows the part.
        min_overlap: smallest share of a pasted patch that lies on the part.
        sharpness: steepness of the label's logistic, per grey level.
        midpoint: change in grey levels at which the label is one half.
        max_patches: largest number of defects in one photo.
        blends: how patches get into the photo, drawn evenly; name one twice to favour it.
        ellipse_share: share of patches that are unions of ellipses instead of rectangles.
    """

    height_bounds: tuple[float, float] = (0.03, 0.4)
    width_bounds: tuple[float, float] = (0.03, 0.4)
    size_gamma: tuple[float, float, float] = (0.03, 2.0, 0.05)
    resize_bounds: tuple[float, float] = (0.7, 1.3)
    background: tuple[tuple[float, float], ...] | None = None
    min_object: float = 0.0
    min_overlap: float = 0.25
    sharpness: float = 1 / 3
    midpoint: float = 7.0
    max_patches: int = 2
    blends: tuple[Blend, ...] = ("normal", "normal", "normal", "mixed", "mixed", "paste", "scar")
    ellipse_share: float = 0.5

    def __post_init__(self) -> None:
        for name in ("height_bounds", "width_bounds"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= 1:
                raise ValueError(f"{name} is (low, high) in (0, 1], got {(low, high)}")
        low, high = self.resize_bounds
        if not 0 < low <= high < math.inf:
            raise ValueError(f"resize_bounds is (low, high), both above 0, got {(low, high)}")
        offset, shape, scale = self.size_gamma
        if not (0 <= offset < 1 and 0 < shape < math.inf and 0 < scale < math.inf):
            raise ValueError(
                f"size_gamma is (offset in [0, 1), shape, scale above 0), got {self.size_gamma}"
            )
        for brightness, tolerance in self.background or ():
            if not (0 <= brightness <= 255 and 0 <= tolerance <= 255):
                raise ValueError(
                    f"background holds (brightness, tolerance) in [0, 255], got {self.background}"
                )
        for name in ("min_object", "min_overlap", "ellipse_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("sharpness", "midpoint"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.max_patches < 1:
            raise ValueError(f"max_patches must be at least 1, got {self.max_patches}")
        if not self.blends or not set(self.blends) <= set(BLENDS):
            raise ValueError(f"blends must name some of {BLENDS}, got {self.blends}")


DEFAULT_PROFILE = SimulationProfile()


def profile_for(category: str | None = None) -> SimulationProfile:
    """The published settings of a product, or a default that needs none.

    Args:
        category: name of an MVTec AD or VisA category, whatever its case, with or without
            spaces, hyphens and underscores; any other name, and None, give the default.
    """
    key = "".join(letter for letter in (category or "").lower() if letter.isalnum())
    return _PROFILES.get(key, DEFAULT_PROFILE)


_WIDE = (0.03, 0.4)
_ON_LIGHT = ((200.0, 60.0),)
_ON_DARK = ((20.0, 20.0),)
_OBJECT = (0.7, 1.3)
_TEXTURE = (0.5, 2.0)
_NO_GROUND: tuple[tuple[float, float], ...] = ()

# name: height bounds, width bounds, background, resize bounds, label (sharpness, midpoint)
_MVTEC = {
    "bottle": (_WIDE, _WIDE, _ON_LIGHT, _OBJECT, (1 / 12, 24)),
    "cable": ((0.05, 0.4), (0.05, 0.4), _NO_GROUND, _OBJECT, (1 / 12, 24)),
    "capsule": ((0.03, 0.15), _WIDE, _ON_LIGHT, _OBJECT, (1 / 2, 4)),
    "carpet": (_WIDE, _WIDE, _NO_GROUND, _TEXTURE, (1 / 3, 7)),
    "grid": (_WIDE, _WIDE, _NO_GROUND, _TEXTURE, (1 / 3, 7)),
    "hazelnut": ((0.03, 0.35), (0.03, 0.35), _ON_DARK, _OBJECT, (1 / 12, 24)),
    "leather": (_WIDE, _WIDE, _NO_GROUND, _TEXTURE, (1 / 3, 7)),
    "metal_nut": (_WIDE, _WIDE, _ON_DARK, _OBJECT, (1 / 3, 7)),
    "pill": ((0.03, 0.2), _WIDE, _ON_DARK, _OBJECT, (1 / 3, 7)),
    "screw": ((0.03, 0.12), (0.03, 0.12), _ON_LIGHT, _OBJECT, (1, 3)),
    "tile": (_WIDE, _WIDE, _NO_GROUND, _TEXTURE, (1 / 3, 7)),
    "toothbrush": (_WIDE, (0.03, 0.2), _ON_DARK, _OBJECT, (1 / 6, 15)),
    "transistor": (_WIDE, _WIDE, _NO_GROUND, _OBJECT, (1 / 6, 15)),
    "wood": (_WIDE, _WIDE, _NO_GROUND, _TEXTURE, (1 / 6, 15)),
    "zipper": (_WIDE, (0.03, 0.2), _ON_LIGHT, _OBJECT, (1 / 6, 15)),
}
# All VisA categories share one row; where the ground is, is not published.
_VISA = (
    *("candle", "capsules", "cashew", "chewinggum", "fryum", "macaroni1", "macaroni2"),
    *("pcb1", "pcb2", "pcb3", "pcb4", "pipe_fryum"),
)
_TABLE = {
    **_MVTEC,
    **dict.fromkeys(_VISA, (_WIDE, _WIDE, None, _TEXTURE, (1 / 12, 24))),
}
_PROFILES = {
    name.replace("_", ""): SimulationProfile(
        height_bounds=height,
        width_bounds=width,
        background=background,
        resize_bounds=resize,
        sharpness=label[0],
        midpoint=label[1],
    )
    for name, (height, width, background, resize, label) in _TABLE.items()
}
