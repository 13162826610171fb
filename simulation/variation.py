"""How a good part's photo changes without anything being wrong.

A second photo of the same good part is a little shifted, turned, nearer, brighter, softer. These
copies tell how far normal pictures lie from each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

_BLUR_REFERENCE_SIDE = 224
_JPEG_LARGEST_SIDE = 65500


@dataclass(frozen=True)
class NormalVariation:
    """Bounds of the changes; each is drawn evenly between them.

    Attributes:
        max_shift: largest shift along each axis, as a fraction of that side.
        max_rotation_degrees: largest turn about the centre, to either side.
        scale: smallest and largest zoom about the centre.
        brightness: largest change of all values, as a fraction of white.
        contrast: largest change of the distance to the mean value, as a fraction.
        gamma: smallest and largest exponent on the values in [0, 1].
        max_blur_sigma: largest Gaussian blur, in pixels of a 224×224 picture; it grows with
            the photo. 0 turns it off.
        jpeg_quality: lowest and highest quality of a JPEG round trip, in [1, 100]; None turns
            it off, and so does a side beyond the 65500 pixels that JPEG holds.
        max_aspect: longest over shortest side, at least 1, up to which a photo is moved and
            blurred as it is; a longer one is changed as if it were squeezed to that. A model that
            sees every photo as a square sees the same changes then, however long the photo is.
    """

    max_shift: float = 0.02
    max_rotation_degrees: float = 3.0
    scale: tuple[float, float] = (0.97, 1.03)
    brightness: float = 0.08
    contrast: float = 0.08
    gamma: tuple[float, float] = (0.95, 1.05)
    max_blur_sigma: float = 0.7
    jpeg_quality: tuple[int, int] | None = (70, 95)
    max_aspect: float = math.inf

    def __post_init__(self) -> None:
        for name in ("max_shift", "max_rotation_degrees", "brightness", "max_blur_sigma"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if not 0 <= self.contrast < 1:
            raise ValueError(f"contrast must be in [0, 1), got {self.contrast}")
        for name in ("scale", "gamma"):
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise ValueError(f"{name} is (low, high), both above 0, got {(low, high)}")
        if not self.max_aspect >= 1:
            raise ValueError(f"max_aspect must be 1 or more, got {self.max_aspect}")
        if self.jpeg_quality is not None:
            low, high = self.jpeg_quality
            if not 1 <= low <= high <= 100:
                raise ValueError(f"jpeg_quality is (low, high) in [1, 100], got {(low, high)}")


def geometric_matrix(
    height: int,
    width: int,
    *,
    shift: tuple[float, float] = (0.0, 0.0),
    rotation_degrees: float = 0.0,
    scale: float = 1.0,
) -> np.ndarray:
    """The affine map that turns, zooms and shifts a photo about its centre.

    Args:
        height: of the photo in pixels.
        width: of the photo in pixels.
        shift: (x, y) as fractions of width and height, right and down positive.
        rotation_degrees: counter-clockwise as one looks at the photo.
        scale: zoom, above 1 enlarges.

    Returns:
        (2, 3) float64; it takes a pixel centre (x, y, 1) of the photo to its new place, pixel
        centres at whole numbers as in OpenCV.
    """
    centre = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, rotation_degrees, scale)
    matrix[:, 2] += (shift[0] * width, shift[1] * height)
    return matrix


def vary(
    image: np.ndarray,
    generator: np.random.Generator,
    variation: NormalVariation | None = None,
) -> np.ndarray:
    """A copy of a photo that could be another photo of the same good part.

    Args:
        image: (H, W, 3) uint8, RGB.
        generator: source of chance; the same state gives the same copy.
        variation: bounds of the changes; `NormalVariation()` by default.

    Returns:
        (H, W, 3) uint8; what comes in from outside mirrors the photo at its border.

    Raises:
        ValueError: the image has another shape or type.
    """
    _check_image(image)
    bounds = NormalVariation() if variation is None else variation
    varied = _move(image, generator, bounds)
    varied = _relight(varied, generator, bounds)
    varied = _soften(varied, generator, bounds)
    return varied.copy() if varied is image else varied


def rotations_and_flips(image: np.ndarray, rotations: int, flips: bool) -> list[np.ndarray]:
    """Turned and mirrored copies, for parts that lie in any pose.

    Quarter turns that keep the shape are exact; others fill the corners with the median colour
    of the photo's border, so that a part on a plain ground looks natural.

    Args:
        image: (H, W, 3) uint8.
        rotations: number of evenly spaced turns, counter-clockwise, the photo itself included.
        flips: True adds a left-right mirrored copy of each, after all turns.

    Returns:
        `rotations` or twice as many copies, each (H, W, 3) uint8, the photo itself first.

    Raises:
        ValueError: the image has another shape or type, or rotations is below 1.
    """
    _check_image(image)
    if rotations < 1:
        raise ValueError(f"rotations counts the photo itself, so at least 1, got {rotations}")
    turned = [_rotate(image, 360 * index / rotations) for index in range(rotations)]
    mirrored = [np.ascontiguousarray(copy[:, ::-1]) for copy in turned] if flips else []
    return turned + mirrored


def _check_image(image: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"expected (H, W, 3) uint8, got {image.shape} {image.dtype}")


def _move(image: np.ndarray, generator: np.random.Generator, bounds: NormalVariation) -> np.ndarray:
    height, width = image.shape[:2]
    shift_x, shift_y = generator.uniform(-bounds.max_shift, bounds.max_shift, size=2)
    across, down = _squeeze(height, width, bounds.max_aspect)
    matrix = geometric_matrix(
        height,
        width,
        shift=(float(shift_x), float(shift_y)),
        rotation_degrees=_even(generator, bounds.max_rotation_degrees),
        scale=float(generator.uniform(*bounds.scale)),
    )
    if across != down:
        matrix = _about_centre(matrix, height, width, across / down)
    if np.array_equal(matrix, np.eye(2, 3)):
        return image
    # BORDER_REFLECT and not its sibling _101, which never returns on a side of one pixel.
    return cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )


def _relight(
    image: np.ndarray, generator: np.random.Generator, bounds: NormalVariation
) -> np.ndarray:
    """Gamma, contrast and brightness in one table, so that values are rounded once."""
    gamma = float(generator.uniform(*bounds.gamma))
    contrast = 1 + _even(generator, bounds.contrast)
    brightness = _even(generator, bounds.brightness)
    table = (np.arange(256) / 255) ** gamma
    mean = float(np.bincount(image.ravel(), minlength=256) @ table) / image.size
    table = mean + (table - mean) * contrast + brightness
    return np.clip(np.rint(table * 255), 0, 255).astype(np.uint8)[image]


def _soften(
    image: np.ndarray, generator: np.random.Generator, bounds: NormalVariation
) -> np.ndarray:
    """Blur and JPEG traces."""
    height, width = image.shape[:2]
    sigma = float(generator.uniform(0, bounds.max_blur_sigma))
    sigma *= math.sqrt(height * width) / _BLUR_REFERENCE_SIDE
    if sigma > 0:
        across, down = _squeeze(height, width, bounds.max_aspect)
        image = cv2.GaussianBlur(
            image, (0, 0), sigma / across, sigmaY=sigma / down, borderType=cv2.BORDER_REFLECT
        )
    if bounds.jpeg_quality is None or max(height, width) > _JPEG_LARGEST_SIDE:
        return image
    low, high = bounds.jpeg_quality
    quality = int(generator.integers(low, high, endpoint=True))
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), flags)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _squeeze(height: int, width: int, max_aspect: float) -> tuple[float, float]:
    """Factors on width and height that keep the area and bring the sides within `max_aspect`."""
    factor = math.sqrt(max(1.0, max(height, width) / min(height, width) / max_aspect))
    return (1 / factor, factor) if width > height else (factor, 1 / factor)


def _about_centre(matrix: np.ndarray, height: int, width: int, squeeze: float) -> np.ndarray:
    """The map whose turn and zoom act on the photo with x multiplied by `squeeze`."""
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = matrix @ [*centre, 1.0] - centre
    turn = matrix[:, :2] * [[1.0, 1 / squeeze], [squeeze, 1.0]]
    return np.column_stack([turn, centre - turn @ centre + shift])


def _even(generator: np.random.Generator, bound: float) -> float:
    return float(generator.uniform(-bound, bound))


def _rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    height, width = image.shape[:2]
    if degrees % 180 == 0 or (height == width and degrees % 90 == 0):
        return np.ascontiguousarray(np.rot90(image, k=round(degrees / 90)))
    return cv2.warpAffine(
        image,
        geometric_matrix(height, width, rotation_degrees=degrees),
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=_border_colour(image),
    )


def _border_colour(image: np.ndarray) -> tuple[float, float, float]:
    """Median colour of the outermost pixels, each counted once or, in the corners, twice."""
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    red, green, blue = (float(value) for value in np.median(border, axis=0))
    return red, green, blue
