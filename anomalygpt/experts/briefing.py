"""What a foreign model is told about a photo: pictures, the measurement in words, and how to speak.

The measurement is scaled by good parts, so it can mark nothing; then it says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from anomalygpt.experts.voice import Message
from anomalygpt.images.reading import ImageSource, load_image
from anomalygpt.results.highlights import highlighted, in_words
from anomalygpt.results.inspection import Inspection

LONGEST_SIDE = 1024

SYSTEM = (
    "You help an inspector of industrial parts. All questions are about one part. A measuring "
    "program has compared its photo with photos of good parts; what it found is given to you as "
    "the measurement. Numbers, places and sizes come from the measurement alone: repeat them as "
    "they are, and name no others. Where it marks nothing, nothing stands out. You may describe "
    "what you see besides, and say when you are not sure. Causes that nobody can know are "
    "possibilities, not facts. Answer in plain text, in at most five sentences, in the language "
    "of the question."
)
THINK = (
    "First, before any question: What is the part, and how should it look? In what does it differ "
    "from the good one? Is each difference damage, or may it be like that? Small shifts, light "
    "and the quality of the photo do not count. About 100 words."
)
OPINION = (
    "Is anything wrong with the part? Begin with yes or no; then say in one sentence what it is "
    "and where."
)
CHOICE = "Is anything wrong with the part? Answer with one word, Yes or No."

_PICTURED = {
    "bbox": "The same photo; red boxes with numbers stand around what the measurement marks:",
    "contour": "The same photo; numbered red lines run around what the measurement marks:",
    "highlight": "The same photo; colour lies over what the measurement marks:",
    "mask": "White is what the measurement marks in the photo, black everything else:",
    "heatmap": "The measurement as a picture; bright is far from good parts, dark is not:",
}
_UNMARKED = "In the next picture the measurement would mark what stands out. It marks nothing:"


@dataclass(frozen=True)
class Exhibits:
    """The pictures that can be shown to a voice.

    Attributes:
        photo: of the part.
        reference: a good part, or None.
        bit_depth: of both, see `load_image`.
    """

    photo: ImageSource
    reference: ImageSource | None = None
    bit_depth: int | None = None


def introduction(
    exhibits: Exhibits, inspection: Inspection, notation: str, *, sees: bool
) -> tuple[str | Image.Image, ...]:
    """What the first question is preceded by.

    Args:
        exhibits: photo and reference.
        inspection: the measurement; its verdict is told where it has one.
        notation: one of `manner.NOTATIONS`; with "words" no picture at all is handed over, not
            even the photo.
        sees: False for a model that reads text alone.

    Raises:
        ConfigError: an unknown notation.
        ImageError: a photo cannot be read any more.
    """
    parts: list[str | Image.Image] = []
    if sees and notation != "words":
        if exhibits.reference is not None:
            parts += ["A good part of this kind:", _small(exhibits.reference, exhibits.bit_depth)]
        photo = load_image(exhibits.photo, exhibits.bit_depth)
        parts += ["The part that all questions are about:", _small(photo)]
    parts += evidence_parts(
        exhibits.photo, inspection, notation if sees else "words", exhibits.bit_depth
    )
    description = (inspection.description or "").strip()
    if description:
        parts.append(f"What the inspector says about this kind of part: {description}")
    return tuple(parts)


def evidence_parts(
    photo: ImageSource, inspection: Inspection, notation: str, bit_depth: int | None = None
) -> tuple[str | Image.Image, ...]:
    """The measurement as a picture, unless the notation is "words", and always in words.

    Args:
        photo: that was inspected.
        inspection: the measurement.
        notation: one of `manner.NOTATIONS`.
        bit_depth: of the photo, see `load_image`.

    Raises:
        ImageError: the photo cannot be read any more.
    """
    words = f"The measurement: {in_words(inspection)}"
    if notation == "words":
        return (words,)
    marks = _PICTURED[notation] if inspection.regions else _UNMARKED
    picture = highlighted(load_image(photo, bit_depth), inspection, notation, max_side=LONGEST_SIDE)
    return marks, picture, words


def conversation(
    introduced: Sequence[str | Image.Image],
    turns: Sequence[tuple[str, str]],
    question: str,
) -> list[Message]:
    """A question after earlier ones, as messages.

    Args:
        introduced: from `introduction`.
        turns: (question, answer) so far.
        question: the one to be answered.
    """
    asked = [*(each for each, _ in turns), question]
    messages = [Message("system", (SYSTEM,))]
    for number, text in enumerate(asked):
        parts = (*introduced, text) if number == 0 else (text,)
        messages.append(Message("user", parts))
        if number < len(turns):
            messages.append(Message("assistant", (turns[number][1],)))
    return messages


def _small(source: ImageSource, bit_depth: int | None = None) -> Image.Image:
    photo = load_image(source, bit_depth)
    if max(photo.size) > LONGEST_SIDE:
        photo = photo.copy()
        photo.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return photo
