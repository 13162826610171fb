"""What an inspection found: the verdict, the map on the photo's own pixels, and its regions.

`docs/inspection-results.md` describes the JSON form; a test keeps the two in step.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
from PIL import Image

from anomalygpt.errors import ConfigError, DeviceError, MissingPartError, OutputError
from anomalygpt.files import write_atomically
from anomalygpt.images.listing import result_mark
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.results.maps import checked_map, decode_map, encode_map, png16
from anomalygpt.results.opinion import Opinion
from anomalygpt.results.regions import DEFAULT_LEVEL, Region
from anomalygpt.results.steadiness import Steadiness
from decoder.config import Formulation
from decoder.limits import Limit

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Inspection:
    """The findings on one photo.

    Attributes:
        geometry: where the photo lies in the model's square input.
        anomaly_score: image score from the map alone, for ranking photos; finite.
        small_map: (h, w) float32 in [0, 1], the map as the model made it; None when the
            inspection was read from JSON that carries no map.
        is_anomalous: yes or no, by the product's limit or else by the language model; None where
            nobody was asked.
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
        formulation: how distances became the map, see `DecoderConfig`; published ones differ from
            product to product, and mean nothing by themselves.
        opinion: what a foreign model says to the same question, see `Opinion`; None where nobody
            was asked.
        limit: the score above which the verdict is yes, and what it promises; None where the
            language model decided.
        steadiness: what harmless changes of the photo do to the verdict, see `Steadiness`; None
            where nobody tried.
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
    formulation: Formulation = "normalised"
    opinion: Opinion | None = None
    limit: Limit | None = None
    steadiness: Steadiness | None = None

    def __post_init__(self) -> None:
        """Make plain numbers of what came.

        Raises:
            DeviceError: the map, score or probability holds NaN or infinite values.
            ConfigError: map, probability or level lies outside [0, 1], or an unknown formulation.
        """
        if self.formulation not in get_args(Formulation):
            raise ConfigError(
                f"formulation is 'normalised' or 'published', got {self.formulation!r}"
            )
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
            settle(self, "small_map", checked_map(self.small_map))

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
                path, lambda file: file.write(png16(self.anomaly_map, result_mark()))
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
            "formulation": self.formulation,
            "regions": [region.to_dict() for region in self.regions],
            "geometry": _geometry_to_dict(self.geometry),
            "map": encode_map(self._map()) if include_map else None,
            "model": dict(self.model) if isinstance(self.model, Mapping) else self.model,
            "opinion": None if self.opinion is None else asdict(self.opinion),
            "limit": None if self.limit is None else self.limit.to_dict(),
            "steadiness": None if self.steadiness is None else _steadiness(self.steadiness),
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
            small_map=None if values["map"] is None else decode_map(values["map"]),
            regions=tuple(Region.from_dict(region) for region in values["regions"]),
            cautions=cautions,
            formulation=values.get("formulation", _noted_formulation(values["model"])),
            opinion=Opinion.from_dict(values.get("opinion")),
            limit=Limit.from_dict(values.get("limit")),
            steadiness=Steadiness.from_dict(values.get("steadiness")),
            **{name: values[name] for name in plain},
        )

    def _map(self) -> np.ndarray:
        if self.small_map is None:
            raise MissingPartError(
                "this inspection carries no map; write it with to_json(include_map=True), "
                "or inspect the photo again"
            )
        return self.small_map


def _steadiness(found: Steadiness) -> dict[str, Any]:
    return {**asdict(found), "turned_by": list(found.turned_by)}


def _noted_formulation(model: Any) -> Any:
    """That of results of 0.1, which only the note about the model tells."""
    noted = model.get("formulation") if isinstance(model, Mapping) else None
    return noted if noted in get_args(Formulation) else "normalised"


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
