"""What an inspection found: the verdict, the map on the photo's own pixels, and its regions.

`docs/inspection-results.md` describes the JSON form; a test keeps the two in step.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from anomalygpt.constants import LOCATIONS
from anomalygpt.errors import ConfigError, DeviceError, MissingPartError, OutputError
from anomalygpt.image_io import write_atomically
from anomalygpt.images.listing import result_mark
from anomalygpt.preprocessing import ImageGeometry

SCHEMA_VERSION = 1
DEFAULT_LEVEL = 0.5
REGION_SIDE = 1024
MIN_AREA_FRACTION = 1e-4
MOST_REGIONS = 10
_MAP_ENCODING = "png16-base64"


@dataclass(frozen=True)
class Region:
    """A connected part of the photo where the map is above its level.

    Attributes:
        bbox: (x0, y0, x1, y1) in whole pixels of the photo, x1 and y1 not included.
        location: the cell of the 3×3 grid over the photo, one of `constants.LOCATIONS`.
        area_fraction: share of the photo's area, in [0, 1].
        score: highest value of the map inside, in [0, 1].
        polygon: outline as points (x, y) in pixels of the photo, counted from pixel edges.
    """

    bbox: tuple[int, int, int, int]
    location: str
    area_fraction: float
    score: float
    polygon: tuple[tuple[float, float], ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "bbox": list(self.bbox),
            "location": self.location,
            "area_fraction": self.area_fraction,
            "score": self.score,
            "polygon": [list(point) for point in self.polygon],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Region:
        x0, y0, x1, y1 = (int(edge) for edge in values["bbox"])
        return cls(
            bbox=(x0, y0, x1, y1),
            location=str(values["location"]),
            area_fraction=float(values["area_fraction"]),
            score=float(values["score"]),
            polygon=tuple((float(x), float(y)) for x, y in values["polygon"]),
        )


def find_regions(
    anomaly_map: np.ndarray,
    geometry: ImageGeometry,
    level: float = DEFAULT_LEVEL,
    *,
    max_regions: int = MOST_REGIONS,
    min_area_fraction: float = MIN_AREA_FRACTION,
) -> list[Region]:
    """Connected parts of the photo where the map is above a level, the strongest first.

    The search runs on at most 1024 pixels per side, or the map's own resolution where that is
    finer, so that it costs the same for every photo.

    Args:
        anomaly_map: (h, w) in [0, 1], covering the model square.
        geometry: where the photo lies in the square.
        level: values above it belong to a region.
        max_regions: at most so many are returned.
        min_area_fraction: smaller parts are dropped, unless nothing larger is there: the part
            with the highest value always stays.

    Raises:
        DeviceError: the map holds NaN or infinite values.
        ConfigError: the map has another shape or lies outside [0, 1].
    """
    height, width = geometry.original
    cells = _checked_map(anomaly_map)
    values = geometry.back_project(cells, _search_size(cells, geometry))
    above = (values > level).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    if count < 2:
        return []
    peaks = np.zeros(count, dtype=np.float32)
    inside = labels > 0
    np.maximum.at(peaks, labels[inside], values[inside])
    order = [int(label) for label in np.argsort(-peaks[1:], kind="stable") + 1]
    smallest = min_area_fraction * values.size
    kept = [label for label in order if stats[label, cv2.CC_STAT_AREA] >= smallest] or order[:1]
    scale = (width / values.shape[1], height / values.shape[0])
    return [
        _region(values, labels, label, stats[label], level, scale) for label in kept[:max_regions]
    ]


def _search_size(anomaly_map: np.ndarray, geometry: ImageGeometry) -> tuple[int, int]:
    """Rows and columns for the search: the photo's, bounded, but never coarser than the map."""
    shrink = min(1.0, REGION_SIDE / max(geometry.original))
    y0, x0, y1, x1 = geometry.box
    covered = ((y1 - y0) / geometry.size, (x1 - x0) / geometry.size)
    rows, columns = (
        max(round(side * shrink), math.ceil(cells * share), 1)
        for side, cells, share in zip(geometry.original, anomaly_map.shape, covered, strict=True)
    )
    return rows, columns


def _region(
    values: np.ndarray,
    labels: np.ndarray,
    label: int,
    stats: np.ndarray,
    level: float,
    scale: tuple[float, float],
) -> Region:
    """Describe one component; `scale` is photo pixels per search pixel, (x, y)."""
    x, y, width, height, area = (int(number) for number in stats)
    window = np.s_[y : y + height, x : x + width]
    mask = labels[window] == label
    weights = np.where(mask, values[window] - level, 0.0)
    # The cell that holds most of it: a centre of gravity may lie where there is nothing, as in
    # the middle of a damaged rim.
    rows, columns = (
        np.minimum(2, 3 * (start + np.arange(length)) // total)
        for start, length, total in zip((y, x), (height, width), values.shape, strict=True)
    )
    cells = np.zeros((3, 3))
    np.add.at(cells, (rows[:, None], columns[None, :]), weights)
    return Region(
        bbox=(
            math.floor(x * scale[0] + 1e-6),
            math.floor(y * scale[1] + 1e-6),
            math.ceil((x + width) * scale[0] - 1e-6),
            math.ceil((y + height) * scale[1] - 1e-6),
        ),
        location=LOCATIONS[int(cells.argmax())],
        area_fraction=area / values.size,
        score=float(values[window][mask].max()),
        polygon=_outline(mask, (x, y), scale),
    )


def _outline(
    mask: np.ndarray, offset: tuple[int, int], scale: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    """Outer border of a component along pixel edges, with few points, in photo pixels."""
    # On a doubled mask the border through pixel centres tells left edges from right ones.
    doubled = np.repeat(np.repeat(mask.astype(np.uint8), 2, axis=0), 2, axis=1)
    contours, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    edges = (max(contours, key=len) + 1) // 2
    for tolerance in (0.015 * math.hypot(*mask.shape), 0.5, 0.0):
        points = cv2.approxPolyDP(edges, tolerance, True)
        if cv2.contourArea(points) >= 0.8 * cv2.contourArea(edges):
            break  # else a thin scratch would collapse into a line
    return tuple(
        (round(float(x + offset[0]) * scale[0], 2), round(float(y + offset[1]) * scale[1], 2))
        for x, y in points.reshape(-1, 2)
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Inspection:
    """The findings on one photo.

    Attributes:
        geometry: where the photo lies in the model's square input.
        anomaly_score: image score from the map alone, for ranking photos; finite.
        small_map: (h, w) float32 in [0, 1], the map as the model made it; None when the
            inspection was read from JSON that carries no map.
        is_anomalous: the language model's yes or no; None without a language model.
        anomaly_probability: P(yes) against P(no), in [0, 1]; None without a language model.
        answer: the language model's words; None without a language model.
        question: what was asked.
        description: what the user told about the part.
        regions: connected parts above `level`, the strongest first.
        level: map value above which a pixel counts as part of a region, in [0, 1].
        image: the photo's name as given; None for pixels without a name.
        references: names of the reference photos as given.
        model: which model said so: its name, or a JSON-able mapping such as name and hash.
        cautions: what the verdict must be read with, each a whole sentence for people, such as
            that there was no photo of a good part; the gravest first.
    """

    geometry: ImageGeometry
    anomaly_score: float
    small_map: np.ndarray | None
    is_anomalous: bool | None = None
    anomaly_probability: float | None = None
    answer: str | None = None
    question: str | None = None
    description: str | None = None
    regions: Sequence[Region] = ()
    level: float = DEFAULT_LEVEL
    image: str | None = None
    references: Sequence[str] = ()
    model: str | Mapping[str, Any] | None = None
    cautions: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Make plain numbers of what came.

        Raises:
            DeviceError: the map, score or probability holds NaN or infinite values.
            ConfigError: map, probability or level lies outside [0, 1].
        """
        settle = object.__setattr__
        settle(self, "anomaly_score", _finite("anomaly_score", self.anomaly_score))
        settle(self, "level", _unit("level", self.level))
        settle(self, "regions", tuple(self.regions))
        settle(self, "references", tuple(str(name) for name in self.references))
        settle(self, "cautions", tuple(str(caution) for caution in self.cautions))
        if self.image is not None:
            settle(self, "image", str(self.image))
        if self.is_anomalous is not None:
            settle(self, "is_anomalous", bool(self.is_anomalous))
        if self.anomaly_probability is not None:
            probability = _unit("anomaly_probability", self.anomaly_probability)
            settle(self, "anomaly_probability", probability)
        if self.small_map is not None:
            settle(self, "small_map", _checked_map(self.small_map))

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the photo in pixels."""
        return self.geometry.original

    @cached_property
    def anomaly_map(self) -> np.ndarray:
        """(H, W) float32 in [0, 1] on the photo's pixels; made on first use, 4 bytes per pixel.

        Raises:
            MissingPartError: the inspection was read from JSON without a map.
        """
        return self.geometry.back_project(self._map())

    def map_at(self, size: tuple[int, int]) -> np.ndarray:
        """The map over the whole photo at another height and width, float32 in [0, 1]."""
        return self.geometry.back_project(self._map(), size)

    def mask(self, level: float | None = None) -> np.ndarray:
        """(H, W) bool: where the map is above `level`, by default the one of the regions."""
        return self.anomaly_map > (self.level if level is None else level)

    def save_map(self, path: str | Path) -> Path:
        """Write the map on the photo's pixels.

        Args:
            path: `.png` writes 16 bits (65535 stands for 1), `.npy` and `.tif` float32.

        Raises:
            OutputError: another suffix, or the file cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".npy":
            return write_atomically(path, lambda file: np.save(file, self.anomaly_map))
        if suffix in (".tif", ".tiff"):
            picture = Image.fromarray(self.anomaly_map)
            return write_atomically(path, lambda file: picture.save(file, format="TIFF"))
        if suffix == ".png":
            return write_atomically(
                path, lambda file: file.write(_png16(self.anomaly_map, result_mark()))
            )
        raise OutputError(f"a map is saved as .png, .npy or .tif, got {str(path)!r}")

    def to_dict(self, *, include_map: bool = False) -> dict[str, Any]:
        """The findings as plain JSON values; `docs/inspection-results.md` explains each key."""
        height, width = self.geometry.original
        return {
            "schema_version": SCHEMA_VERSION,
            "image": self.image,
            "image_size": {"height": height, "width": width},
            "references": list(self.references),
            "question": self.question,
            "description": self.description,
            "is_anomalous": self.is_anomalous,
            "anomaly_probability": self.anomaly_probability,
            "answer": self.answer,
            "cautions": list(self.cautions),
            "anomaly_score": self.anomaly_score,
            "level": self.level,
            "regions": [region.to_dict() for region in self.regions],
            "geometry": _geometry_to_dict(self.geometry),
            "map": _encode_map(self._map()) if include_map else None,
            "model": dict(self.model) if isinstance(self.model, Mapping) else self.model,
        }

    def to_json(self, *, include_map: bool = False, indent: int | None = None) -> str:
        """`to_dict` as JSON text in ASCII, without NaN or Infinity."""
        return json.dumps(self.to_dict(include_map=include_map), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Inspection:
        """Read what `to_json` wrote; keys that are not known are ignored.

        Raises:
            ConfigError: the text is no inspection, is damaged, or has another schema version.
        """
        try:
            values = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"this is no JSON ({error}); give what to_json wrote") from None
        version = values.get("schema_version") if isinstance(values, dict) else None
        if version != SCHEMA_VERSION:
            raise ConfigError(
                f"inspection has schema_version {version!r}, this program reads {SCHEMA_VERSION}; "
                "inspect the photo again or update anomalygpt"
            )
        try:
            return cls._from_dict(values)
        except KeyError as error:
            raise ConfigError(f"inspection lacks the key {error}; inspect again") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"inspection is damaged: {error}; inspect again") from None

    @classmethod
    def _from_dict(cls, values: Mapping[str, Any]) -> Inspection:
        plain = (
            "image",
            "references",
            "question",
            "description",
            "is_anomalous",
            "anomaly_probability",
            "answer",
            "anomaly_score",
            "level",
            "model",
        )
        if values["is_anomalous"] not in (True, False, None):
            raise ValueError(f"is_anomalous is {values['is_anomalous']!r}")
        if not isinstance(values["references"], list):
            raise ValueError("references is no list")
        cautions = values.get("cautions", [])  # results of 0.1 have none
        if not isinstance(cautions, list):
            raise ValueError("cautions is no list")
        return cls(
            geometry=_geometry_from_dict(values["image_size"], values["geometry"]),
            small_map=None if values["map"] is None else _decode_map(values["map"]),
            regions=tuple(Region.from_dict(region) for region in values["regions"]),
            cautions=cautions,
            **{name: values[name] for name in plain},
        )

    def _map(self) -> np.ndarray:
        if self.small_map is None:
            raise MissingPartError(
                "this inspection carries no map; write it with to_json(include_map=True), "
                "or inspect the photo again"
            )
        return self.small_map


def _finite(name: str, value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise DeviceError(
            f"{name} came out as {number}; the number format is too narrow for this model, "
            "use float32"
        )
    return number


def _unit(name: str, value: float) -> float:
    number = _finite(name, value)
    if not -1e-3 <= number <= 1 + 1e-3:
        raise ConfigError(f"{name} must be in [0, 1], got {number:g}")
    return min(1.0, max(0.0, number))


def _checked_map(values: np.ndarray) -> np.ndarray:
    """The map as float32 in [0, 1]; rounding of half precision is forgiven."""
    cells = np.asarray(values, dtype=np.float32)
    if cells.ndim != 2 or cells.size == 0:
        raise ConfigError(f"an anomaly map has the shape (h, w), got {cells.shape}")
    broken = int(np.count_nonzero(~np.isfinite(cells)))
    if broken:
        raise DeviceError(
            f"the anomaly map has {broken} of {cells.size} values that are no finite numbers; "
            "the number format is too narrow for this model, use float32"
        )
    low, high = float(cells.min()), float(cells.max())
    if low < -1e-3 or high > 1 + 1e-3:
        raise ConfigError(f"an anomaly map lies in [0, 1], got values from {low:g} to {high:g}")
    return np.clip(cells, 0, 1)


def _geometry_to_dict(geometry: ImageGeometry) -> dict[str, Any]:
    top, left, bottom, right = geometry.box
    box = {"top": top, "left": left, "bottom": bottom, "right": right}
    return {"model_size": geometry.size, "content_box": box}


def _geometry_from_dict(size: Mapping[str, Any], values: Mapping[str, Any]) -> ImageGeometry:
    top, left, bottom, right = (
        float(values["content_box"][edge]) for edge in ("top", "left", "bottom", "right")
    )
    original = (int(size["height"]), int(size["width"]))
    return ImageGeometry(original, int(values["model_size"]), (top, left, bottom, right))


def _png16(values: np.ndarray, mark: PngInfo | None = None) -> bytes:
    """A map in [0, 1] as a 16-bit grey PNG, in strips so that a large one needs little more."""
    levels = np.empty(values.shape, dtype=np.uint16)
    for start in range(0, len(values), 256):
        levels[start : start + 256] = np.rint(values[start : start + 256] * 65535)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, format="PNG", pnginfo=mark)
    return buffer.getvalue()


def _encode_map(values: np.ndarray) -> dict[str, Any]:
    height, width = values.shape
    data = base64.b64encode(_png16(values)).decode("ascii")
    return {"encoding": _MAP_ENCODING, "height": height, "width": width, "data": data}


def _decode_map(values: Mapping[str, Any]) -> np.ndarray:
    if values["encoding"] != _MAP_ENCODING:
        raise ValueError(f"map encoding {values['encoding']!r} is not {_MAP_ENCODING!r}")
    try:
        data = base64.b64decode(values["data"], validate=True)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            if picture.size != (values["width"], values["height"]) or picture.mode != "I;16":
                raise ValueError(f"its map is {picture.mode} {picture.size}, not what it states")
            levels = np.asarray(picture)
    except (binascii.Error, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"its map cannot be decoded ({error})") from None
    return levels.astype(np.float32) / np.float32(65535)
