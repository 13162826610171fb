"""One inspected photo: what was handed in, what was found, and what was said and written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from PIL import Image

from anomalygpt.chat import Talk
from anomalygpt.experts.consultation import Consultation, Turn
from anomalygpt.files import hash_file
from anomalygpt.images.reading import load_image
from anomalygpt.results.inspection import Inspection
from anomalygpt.serving.settings import Asking


@dataclass(frozen=True)
class Given:
    """What a visitor handed in for one inspection.

    Attributes:
        photo: the file.
        references: files of good parts, in order.
        description: what was said about the part, without spaces around it.
        model: one of the settings' models.
        asking: who takes part in the talk besides; None for nobody.
        product: name of the plant's product whose references these are; None for others.
        version: of the product.
        names: what the references are called; () for the names of their files.
    """

    photo: Path
    references: tuple[Path, ...] = ()
    description: str = ""
    model: str = "embedded"
    asking: Asking | None = None
    product: str | None = None
    version: int = 0
    names: tuple[str, ...] = ()

    @property
    def reference_names(self) -> tuple[str, ...]:
        """What the references are called."""
        return self.names or tuple(path.name for path in self.references)

    @cached_property
    def mark(self) -> tuple[str, ...]:
        """The same for the same contents, wherever the files lie.

        Raises:
            DataError: a file cannot be read.
        """
        files = (self.photo, *self.references)
        hashes = (hash_file(file) for file in files)
        product = f"{self.product} {self.version}" if self.product else ""
        return (self.description, self.model, str(self.asking), product, *hashes)


@dataclass
class Sheet:
    """What a person writes on the report; "" where nothing was written."""

    part_number: str = ""
    inspector: str = ""
    note: str = ""


@dataclass
class Visit:
    """One inspected photo.

    Attributes:
        number: counted from 1 on a desk.
        name: the photo's, as the visitor calls it.
        path: a copy of the photo, scaled down to `LONGEST_SIDE`.
        references: names of the photos of good parts.
        inspection: what was found.
        chat: the chat as far as the language model knows it; only the last visit has one.
        turns: (question, answer) of the chat.
        notes: of turns in which others took part, by their place, who said what.
        given: what was handed in, in files of the desk's own; None where that is not known.
        at: when, in the time of the server.
        sheet: what the inspector wrote about it.
        record: identity of the inspection on record; None where it is on none.
    """

    number: int
    name: str
    path: Path
    references: tuple[str, ...]
    inspection: Inspection
    chat: Talk | None
    turns: list[tuple[str, str]] = field(default_factory=list)
    given: Given | None = None
    at: datetime = field(default_factory=datetime.now)
    sheet: Sheet = field(default_factory=Sheet)
    notes: dict[int, Turn] = field(default_factory=dict)
    record: str | None = None

    def add_turn(self, question: str, answer: str, chat: Talk | None) -> None:
        """Keep what was said, also of an answer that was stopped."""
        self.turns.append((question, answer))
        if isinstance(chat, Consultation) and chat.turns and chat.turns[-1].question == question:
            self.notes[len(self.turns) - 1] = chat.turns[-1]

    def signature(self, place: int) -> str:
        """Who gave the answer of a turn where it was not our own model; else ""."""
        return self.notes[place].signature if place in self.notes else ""

    def copy(self) -> Image.Image:
        """The photo as it is kept, RGB."""
        return load_image(self.path)

    def photo(self) -> Image.Image:
        """The photo in its own number of pixels, RGB."""
        height, width = self.inspection.image_size
        copy = self.copy()
        return copy if copy.size == (width, height) else copy.resize((width, height))

    @property
    def asked(self) -> bool:
        """Whether a person asked anything after the verdict."""
        return len(self.turns) > 1
