"""One thing that people ask openly, and what several answers say alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """One thing that people ask for.

    Attributes:
        asked: phrasings to train with.
        held_out: phrasings to measure with, of which none can be written out as one of `asked`.
        answers: by case, see `open_talk.case_of`; "any" where the case does not matter.
        needs_list: the answer takes numbers from the list of regions, if that was told before.
    """

    asked: tuple[str, ...]
    held_out: tuple[str, ...]
    answers: Mapping[str, tuple[str, ...]]
    needs_list: bool = False


UNTOLD = (
    "[Which of them it is here, the photo does not tell.|What it is here, I cannot tell from the "
    "photo.|The comparison shows where, not what.]"
)
LOOK = "[Look|Please look|I would look] at the {where} [first|yourself|closely]."
FINE = "[Nothing stands out in this photo.|In this photo I see nothing that stands out.]"
STANDS = "[Here {n} {places} stand{s} out, at the {where}.|In this photo it is the {where}.]"
