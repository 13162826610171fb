"""What a language model may say of a photo: what the result tells, and what the user said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from anomalygpt.replies.facts import facts_of_inspection
from anomalygpt.replies.words import plain
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import Region
from simulation.dialogues import DefectFacts, Facts
from simulation.dialogues.english.reading import places_in

_HYPHENS = re.compile(r"[-‐‑–]")
# "left", "right", "top" and others that name no place.
_IDIOMS = re.compile(
    r"\b(?:all|you are|you're|that is|that's|not|quite|get it|do it|be) right\b"
    r"|\bright (?:away|now|way|tools?|answers?|one|light|things?|person|people|size|order|moment"
    r"|time|angles?|decisions?|choice|measures?|steps?|after|before|kind|to)\b"
    r"|\bleft (?:over|behind|out|alone)\b|\b(?:what|nothing|anything|been|be) (?:is )?left\b"
    r"|\blower (?:than|the|quality|costs?|risks?|price|probability|level)\b|\bbottom line\b"
    r"|\b(?:upper|lower) (?:limits?|bounds?)\b|\b(?:on|to) top of\b|\btop (?:quality|priority)\b"
)


@dataclass(frozen=True)
class Known:
    """What is known when a language model answers.

    Attributes:
        inspection: the result, one with a verdict.
        asked: the question.
        heard: what the user said before.
        about: numbers of the boxes that are asked for.
    """

    inspection: Inspection
    asked: str = ""
    heard: tuple[str, ...] = ()
    about: tuple[int, ...] = ()

    @cached_property
    def facts(self) -> Facts:
        return facts_of_inspection(self.inspection)

    @property
    def count(self) -> int:
        return len(self.inspection.regions)

    def meant(self, numbers: Sequence[int]) -> list[tuple[Region, DefectFacts]]:
        """The boxes that a clause speaks of: those with its numbers, else those asked for, else
        all."""
        chosen = [n for n in (*numbers,) if 1 <= n <= self.count] or [*self.about]
        every = zip(self.inspection.regions, self.facts.defects, strict=True)
        return [both for n, both in enumerate(every, start=1) if not chosen or n in chosen]

    def without_names(self, text: str) -> str:
        """A text without names of files and the user's description, which say nothing."""
        names = [self.inspection.image or "", *self.inspection.references]
        names.append(" ".join((self.inspection.description or "").split()))
        for name in sorted(filter(None, names), key=len, reverse=True):
            text = text.replace(name, " ")
        return text

    @cached_property
    def said(self) -> tuple[str, ...]:
        """Clauses of the user as plain words, each with "?" behind it where it asks."""
        clauses = [
            clause
            for text in (*self.heard, self.asked)
            for clause in re.split(r"(?<=[.?!;])\s+|\n", text)
        ]
        return tuple(f"{plain(each)}{'?' * each.rstrip().endswith('?')}" for each in clauses)

    @cached_property
    def is_term_asked(self) -> bool:
        """Whether the question is what a word means; "it" in the answer is then no defect."""
        return bool(_TERM.search(plain(self.asked)))

    def is_of_term(self, clause: str) -> bool:
        """Whether a clause may tell what a word means: it was asked, and the clause speaks
        neither of this photo nor of a place in it."""
        if not self.is_term_asked or places_named(clause):
            return False
        return not _OF_PHOTO.search(plain(clause))


_OF_PHOTO = re.compile(
    r"\b(?:the|this|your|our) (?:part|photo|image|picture)\b|\b(?:on the|this|your|our) surface\b"
    r"|\bhere\b"
    r"|\b(?:is|are|was|were) (?:\w+ )?(?:visible|seen|found) (?:here|in th|on th)"
)
_TERM = re.compile(
    r"\bwhat (?:is|are|does|would be) an? \w|\bthe word\b|\bmean by an? |\bkeeps saying\b"
    r"|\b(?:define|describe|explain)(?: what)? an? |\bdifference between\b|\bsame as an? "
    r"|\b(?:recognise|recognize|tell|call something|mix up) an? |\btwo words\b|\bwhat is what\b"
)


def places_named(text: str) -> set[str]:
    """The cells of the 3×3 grid that a text names."""
    return places_in(_IDIOMS.sub(" ", _HYPHENS.sub(" ", text.lower())))
