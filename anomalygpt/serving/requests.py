"""What the engine is asked for, and what it tells on the way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from PIL import Image

from anomalygpt.audit.journal import Entry
from anomalygpt.images.reading import pixels_mark
from anomalygpt.products.product import Product
from anomalygpt.results.inspection import Inspection
from anomalygpt.serving.settings import Asking


@dataclass(frozen=True)
class Request:
    """One photo to inspect.

    Attributes:
        photo: as it is, upright, RGB.
        name: what results call it.
        references: good parts, in order; () for none.
        description: a sentence about the part, or None.
        model: one of the settings' models.
        reference_names: what results call the references; () where they have no names.
        asking: who takes part in the talk besides our own model; None for nobody.
        product: which of the plant's products it is: its references, description, model and limit
            hold then, and those of the request are left out; None for references of its own.
        content: the photo's file as it came, for the record; None keeps the pixels.
        who: asks, as the record names them.
        on_record: False where the same photo is only looked at again, to go on talking.
    """

    photo: Image.Image
    name: str
    references: tuple[Image.Image, ...] = ()
    description: str | None = None
    model: str = "embedded"
    reference_names: tuple[str, ...] = ()
    asking: Asking | None = None
    product: str | None = None
    content: bytes | None = None
    who: str = "page"
    on_record: bool = True

    @cached_property
    def bank_key(self) -> tuple[str, ...]:
        """The same for the same references and model."""
        return (self.model, *(pixels_mark(reference) for reference in self.references))


@dataclass(frozen=True)
class Recorded:
    """The finding is on record, and cannot get lost any more."""

    entry: Entry


@dataclass(frozen=True)
class Progress:
    """What is being done, `share` of the work in [0, 1]; `stage` is a word for figures."""

    what: str
    share: float
    stage: str = ""


class Observer(Protocol):
    """Is told of every inspection, in the thread that waits for it."""

    def staged(self, stage: str, seconds: float) -> None:
        """A part of the work is done: "queue", a stage of `Progress`, or "recording"."""

    def found(self, product: Product | None, inspection: Inspection) -> None:
        """A photo was judged."""
