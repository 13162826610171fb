"""The dialogues that AnomalyGPT was published with, word for word, for its published weights.

Spelling mistakes in the descriptions are theirs and stay: the weights were trained on them.
Two faults of the self-supervised variant do not stay: it swaps rows and columns when it names a
place, and with three or more defects it names at most two places and breaks off the sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from simulation.dialogues.facts import Facts

ANOMALY_QUESTION = "Is there any anomaly in the image?"
NORMAL_ANSWER = "No, there is no anomaly in the image."

_DESCRIPTION = (
    "This is a photo of {subject} for anomaly detection{background}, {wish} any damage, flaw, "
    "defect, scratch, hole or broken part{ending}."
)
_PLAIN = "which should be without"

# What is in the photo, and what it should be like.
_CATEGORIES: dict[str, tuple[str, str]] = {
    # MVTec AD
    "bottle": ("a bottle", "which should be round, without"),
    "cable": (
        "three cables",
        "they are green, blue and grey, which cannot be missed or swapped and should be without",
    ),
    "capsule": ("a capsule", "which should be black and orange, with print '500', without"),
    "carpet": ("carpet", _PLAIN),
    "grid": ("grid", _PLAIN),
    "hazelnut": ("a hazelnut", _PLAIN),
    "leather": ("leather", "which should be brown and without"),
    "metal_nut": ("a metal nut", _PLAIN),
    "pill": ("a pill", "which should be white, with print 'FF' and red patterns, without"),
    "screw": ("a screw", "which tail should be sharp, and without"),
    "tile": ("tile", _PLAIN),
    "toothbrush": ("a toothbrush", _PLAIN),
    "transistor": ("a transistor", _PLAIN),
    "wood": ("wood", "which should be brown with patterns, without"),
    "zipper": ("a zipper", _PLAIN),
    # VisA
    "candle": ("4 candles", "every candle should be round, without"),
    "capsules": ("many small capsules", "every capsule is green, should be without"),
    "cashew": ("a cashew", _PLAIN),
    "chewinggum": ("a chewinggom", "which should be white, without"),
    "fryum": ("a fryum", _PLAIN),
    "macaroni1": ("4 macaronis", _PLAIN),
    "macaroni2": ("4 macaronis", _PLAIN),
    "pcb1": ("pcb", _PLAIN),
    "pcb2": ("pcb", _PLAIN),
    "pcb3": ("pcb", _PLAIN),
    "pcb4": ("pcb", _PLAIN),
    "pipe_fryum": ("a pipe fryum", _PLAIN),
}
_BACKGROUNDS = {"fryum": " on green background"}
_ENDINGS = {"metal_nut": ", and shouldn't be fliped"}

# What the supervised variant says instead of "an anomaly", as often as not.
_SUPERVISED_NOUNS = ("an anomaly", "a defect")


def published_description(category: str | None) -> str | None:
    """The published description of a category of MVTec AD or VisA.

    Args:
        category: its name, in any case and with spaces, hyphens or underscores ("Metal Nut").

    Returns:
        The sentence that precedes the question; None for other categories and for None.
    """
    if category is None:
        return None
    name = next((name for name in _CATEGORIES if _bare(name) == _bare(category)), None)
    if name is None:
        return None
    subject, wish = _CATEGORIES[name]
    return _DESCRIPTION.format(
        subject=subject,
        background=_BACKGROUNDS.get(name, ""),
        wish=wish,
        ending=_ENDINGS.get(name, ""),
    )


def published_answer(facts: Facts, *, noun: str = "an anomaly") -> str:
    """The published answer to the question whether there is any anomaly.

    Each place is named once, in reading order. With two defects that is what the published code
    writes, at two places and at one; with three or more it also finishes the sentence that the
    published code breaks off, in the form of the published supervised variant.

    Args:
        facts: of the photo.
        noun: what one defect is called; the supervised variant also says "a defect".

    Raises:
        ValueError: the noun is another.
    """
    if noun not in _SUPERVISED_NOUNS:
        raise ValueError(f"noun is one of {_SUPERVISED_NOUNS}, got {noun!r}")
    if not facts.defects:
        return NORMAL_ANSWER
    if facts.count == 1:
        found = f"there is {noun} in the image,"
    else:
        found = f"there are {facts.count} anomalies in the image, they are"
    return f"Yes, {found} at the {join_words(facts.places)} of the image."


def published_dialogue(
    facts: Facts, category: str | None = None, description: str | None = None
) -> list[tuple[str, str]]:
    """The one published turn: the description, the question, the answer.

    Args:
        facts: of the photo.
        category: gives its published description where there is one.
        description: instead of the published one; "" for the question alone.

    Returns:
        [(question, answer)].
    """
    said = published_description(category) if description is None else description
    return [(f"{said} {ANOMALY_QUESTION}" if said else ANOMALY_QUESTION, published_answer(facts))]


def join_words(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"; "" for none."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def _bare(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()
