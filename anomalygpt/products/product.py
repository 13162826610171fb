"""What a product is."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from anomalygpt.errors import ConfigError
from anomalygpt.files import shown
from anomalygpt.images.detail import Detail, checked_detail
from decoder.limits import Limit

_LONGEST_NAME = 64


@dataclass(frozen=True)
class Settings:
    """How photos of a product are looked at.

    Attributes:
        model: a preset, a folder or a hub name.
        rotations, flips, fixed_pose, detail: as in `AnomalyGPT.remember`.
        bit_depth: of photos with more than 8 bits; None finds it out.
        category: what the part is called, such as "leather".
        knowledge: what the product is called in a folder of knowledge; None for its name.
        false_alarms: share of good parts that may be called anomalous, which the limit is to
            promise; None for no limit: the language model decides.
        confidence: of that promise.
    """

    model: str = "embedded"
    rotations: int | None = None
    flips: bool = False
    fixed_pose: bool = False
    detail: Detail = "auto"
    bit_depth: int | None = None
    category: str | None = None
    knowledge: str | None = None
    false_alarms: float | None = None
    confidence: float = 0.95

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigError: a setting is outside its range.
        """
        checked_detail(self.detail)
        if self.rotations is not None and self.rotations < 1:
            raise ConfigError(f"rotations counts the photo itself, so at least 1: {self.rotations}")
        if self.bit_depth is not None and not 8 <= self.bit_depth <= 16:
            raise ConfigError(f"bit_depth is 8 to 16, got {self.bit_depth}")
        for name, share in (("false_alarms", self.false_alarms), ("confidence", self.confidence)):
            if share is not None and not 0 < share < 1:
                raise ConfigError(f"{name} is a share between 0 and 1, got {share:g}")
        if self.fixed_pose and ((self.rotations or 1) > 1 or self.flips):
            raise ConfigError("a fixed pose goes without turned and mirrored copies; leave one out")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """What `to_dict` gave; settings of a later version are left out.

        Raises:
            ConfigError: a value is outside its range or of another kind.
        """
        known = {each.name for each in fields(cls)}
        try:
            return cls(**{name: value for name, value in values.items() if name in known})
        except TypeError as error:
            raise ConfigError(f"the settings of a product are damaged: {error}") from None


@dataclass(frozen=True)
class GoodPhoto:
    """A photo of a good part.

    Attributes:
        photo: SHA-256 of the file.
        name: what it was called.
        added: when, UTC.
        accepted: True for a reference that was called anomalous first and "good after all" then:
            others are compared with it, but how far good parts lie apart is not read from it, for
            one that is odd would make everything look good.
    """

    photo: str
    name: str
    added: str
    accepted: bool = False


@dataclass(frozen=True)
class Product:
    """One product, as it was at one moment.

    Attributes:
        id: never changes, 32 hexadecimal digits.
        name: what people call it; one of a kind, whatever its capitals.
        description: a sentence about the part, or None.
        settings: how its photos are looked at.
        version: 1 at first, and one more with every change.
        references: photos of good parts that others are compared with, in order.
        good: further photos of good parts, which the limit is measured on.
        limit: from which score on a part is anomalous; None where the language model decides.
        ignored: a mask of places that do not count, as PNG; None where all do.
        created, changed: UTC.
    """

    id: str
    name: str
    description: str | None
    settings: Settings
    version: int
    references: tuple[GoodPhoto, ...]
    good: tuple[GoodPhoto, ...]
    limit: Limit | None
    ignored: bytes | None = field(repr=False)
    created: str
    changed: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, as the service, the log and `product show --json` give them."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "settings": self.settings.to_dict(),
            "version": self.version,
            "references": [asdict(each) for each in self.references],
            "good": [asdict(each) for each in self.good],
            "limit": None if self.limit is None else self.limit.to_dict(),
            "ignores_places": self.ignored is not None,
            "ignored": self.ignored_name,
            "created": self.created,
            "changed": self.changed,
        }

    @property
    def ignored_name(self) -> str | None:
        """SHA-256 of the mask of places that do not count, as `Blobs` calls it; None without."""
        return None if self.ignored is None else hashlib.sha256(self.ignored).hexdigest()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], ignored: bytes | None = None) -> Product:
        """A product as it was when `to_dict` wrote it down, for instance into the log.

        Args:
            values: that it gave.
            ignored: the mask whose SHA-256 it has under "ignored".

        Raises:
            ConfigError: the values are no product.
        """
        try:
            return cls(
                id=str(values["id"]),
                name=str(values["name"]),
                description=values["description"],
                settings=Settings.from_dict(values["settings"]),
                version=int(values["version"]),
                references=tuple(GoodPhoto(**each) for each in values["references"]),
                good=tuple(GoodPhoto(**each) for each in values["good"]),
                limit=Limit.from_dict(values["limit"]),
                ignored=ignored,
                created=str(values["created"]),
                changed=str(values["changed"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"these values are no product: {error!r}") from None


def checked_name(name: str) -> str:
    """A product's name, in one of the ways in which its letters can be written.

    Raises:
        ConfigError: it is empty or too long, or has other signs than letters, digits, spaces and
            "-_.", or does not begin with a letter or digit.
    """
    found = unicodedata.normalize("NFC", name).strip()
    signs = all(letter.isalnum() or letter in " -_." for letter in found)
    if not 1 <= len(found) <= _LONGEST_NAME or not signs or not found[0].isalnum():
        raise ConfigError(
            f"{shown(name[:80])} is no name for a product: 1 to {_LONGEST_NAME} letters, digits, "
            'spaces and "-_.", a letter or digit first'
        )
    return found
