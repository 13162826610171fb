"""How often chats tell the truth: counted over their turns, and written down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from chats.drawn import Drawn, is_as_drawn, misplaced
from chats.judging import Reading, answer_about, read, stated_count
from chats.questions import PLACE_KINDS, VERDICT_KINDS
from chats.talks import Record, is_right


class Figure(NamedTuple):
    """A share: `right` of `total`; `share` is None where there is nothing to divide by."""

    right: int
    total: int

    @property
    def share(self) -> float | None:
        return self.right / self.total if self.total else None


class Turn(NamedTuple):
    """One question, its answer, and what that says; read anew, whatever the record says."""

    kind: str
    place: str | None
    answer: str
    says: Reading
    boxes: tuple[int, ...] = ()


class Talk(NamedTuple):
    """One chat.

    Attributes:
        truth: "damaged", "count", "places" and "cells" of the photo.
        map: what the map says by itself; None where it has no verdict.
        turns: in order.
        drawn: what the picture shows, see `drawn_of`; None for records without it.
    """

    truth: dict[str, Any]
    map: dict[str, Any] | None
    turns: list[Turn]
    drawn: Drawn | None = None

    @classmethod
    def of(cls, record: Record) -> Talk:
        turns = [
            Turn(
                turn["kind"],
                turn["place"],
                turn["answer"],
                read(turn["answer"]),
                tuple(turn.get("boxes", ())),
            )
            for turn in record["turns"]
        ]
        return cls(record["truth"], record["map"], turns, record.get("drawn"))

    def asked(self, *kinds: str) -> list[Turn]:
        """The turns with questions of these kinds."""
        return [turn for turn in self.turns if turn.kind in kinds]

    @property
    def found(self) -> bool:
        """The photo is damaged, and the first answer says so."""
        first = self.turns[0].says.verdict if self.turns else None
        return bool(self.truth["damaged"]) and first is True


def figures(records: Iterable[Record]) -> dict[str, Figure]:
    """Every figure by its name, in the order in which they are written down."""
    talks = [Talk.of(record) for record in records]
    found = [talk for talk in talks if talk.found]
    damaged = [talk for talk in talks if talk.truth["damaged"]]
    mapped = [talk for talk in talks if talk.map is not None]
    return {
        "yes/no true": _verdicts(talks),
        "yes/no true, first answer": _share(
            (turn.says.verdict == talk.truth["damaged"])
            for talk in talks
            for turn in talk.asked("anomaly")
        ),
        "yes/no true, damaged photos": _verdicts(damaged),
        "yes/no true, good photos": _verdicts([t for t in talks if not t.truth["damaged"]]),
        "yes/no cannot be read": _share(
            turn.says.verdict is None for talk in talks for turn in talk.asked(*VERDICT_KINDS)
        ),
        "yes/no as the map has it": _share(
            turn.says.verdict == talk.map["damaged"]
            for talk in mapped
            for turn in talk.asked(*VERDICT_KINDS)
            if talk.map is not None
        ),
        "map's verdict true": _share(
            talk.map["damaged"] == talk.truth["damaged"] for talk in mapped if talk.map
        ),
        "map's regions meet the damage": _share(
            talk.map["meets_mask"] for talk in mapped if talk.map and talk.truth["damaged"]
        ),
        "named places true, damage found": _named_places(found),
        "named places true, all": _named_places(talks),
        "damaged places missed, damage found": _missed_places(found),
        "damaged places missed, all": _missed_places(damaged),
        "asked places true": _share(
            is_right(turn.kind, turn.place, turn.answer, talk.truth) is True
            for talk in talks
            for turn in talk.asked(*PLACE_KINDS)
        ),
        "counts true, damage found": _counts(found),
        "counts true, all": _counts(talks),
        "numbers stated anywhere true": _share(
            turn.says.count == talk.truth["count"]
            for talk in talks
            for turn in talk.turns
            if turn.says.count is not None
        ),
        **_as_drawn(talks),
        **_contradictions(talks),
        "unanswerable declined": _share(
            turn.says.declined for talk in talks for turn in talk.asked("unanswerable")
        ),
        "answerable declined": _share(
            turn.says.declined
            for talk in talks
            for turn in talk.turns
            if turn.kind != "unanswerable"
        ),
    }


def _share(cases: Iterable[bool]) -> Figure:
    listed = list(cases)
    return Figure(sum(listed), len(listed))


def _verdicts(talks: Sequence[Talk]) -> Figure:
    return _share(
        turn.says.verdict == talk.truth["damaged"]
        for talk in talks
        for turn in talk.asked(*VERDICT_KINDS)
    )


def _named_places(talks: Sequence[Talk]) -> Figure:
    """Each place of each answer counts."""
    return _share(
        place in talk.truth["cells"]
        for talk in talks
        for turn in talk.turns
        for place in turn.says.places
    )


def _missed_places(talks: Sequence[Talk]) -> Figure:
    """Places that hold most of a defect, and that no answer names by itself."""
    missed = []
    for talk in talks:
        free = [turn for turn in talk.turns if turn.kind not in PLACE_KINDS]
        named = {place for turn in free for place in turn.says.places}
        missed += [place not in named for place in talk.truth["places"]]
    return _share(missed)


def _counts(talks: Sequence[Talk]) -> Figure:
    return _share(
        stated_count(turn.answer) == talk.truth["count"]
        for talk in talks
        for turn in talk.asked("count")
    )


# --- what is drawn ------------------------------------------------------------------------------


def _as_drawn(talks: Sequence[Talk]) -> dict[str, Figure]:
    """Whether answers say what the picture shows, whatever is true of the photo."""
    shown = [(talk.drawn, turn) for talk in talks if talk.drawn is not None for turn in talk.turns]
    judged = [
        (turn.kind, is_as_drawn(turn.kind, turn.boxes, turn.place, turn.answer, drawn))
        for drawn, turn in shown
        if turn.kind != "unanswerable"
    ]
    found = {
        "counts as drawn": _share(
            stated_count(turn.answer) == len(drawn["regions"])
            for drawn, turn in shown
            if turn.kind == "count"
        ),
        "numbers stated anywhere as drawn": _share(
            turn.says.count == len(drawn["regions"])
            for drawn, turn in shown
            if turn.says.count is not None
        ),
        "places as drawn": _share(
            place not in misplaced(turn.answer, turn.place, drawn)
            for drawn, turn in shown
            for place in turn.says.places
        ),
        "answers as drawn": _share(each for _, each in judged if each is not None),
    }
    for kind in sorted({kind for kind, _ in judged}):
        cases = [each for other, each in judged if other == kind and each is not None]
        found[f"answers as drawn: {kind}"] = _share(cases)
    return found


# --- contradictions -----------------------------------------------------------------------------

CONTRADICTIONS = ("verdict", "count", "place", "itself")


def _contradictions(talks: Sequence[Talk]) -> dict[str, Figure]:
    """Chats in which an answer does not go with an earlier one, or with itself."""
    kinds = [set(contradictions(talk.turns)) for talk in talks]
    by_kind = {
        f"contradicting: {kind}": _share(kind in found for found in kinds)
        for kind in CONTRADICTIONS
    }
    return {"contradicting": _share(bool(found) for found in kinds), **by_kind}


def contradictions(turns: Sequence[Turn]) -> Iterator[str]:
    """Which of `CONTRADICTIONS` each turn commits, with all that was said before it.

    Whoever has named places has named all of them: a later place that is new contradicts. A
    damaged place that was asked about is not new where the answer explains it with a known one
    ("the damage at the top reaches into it"); a number is one that was stated, not a verdict.
    """
    verdict: bool | None = None
    count: int | None = None
    places: set[str] = set()
    denied: set[str] = set()
    for turn in turns:
        says = turn.says
        if turn.kind == "unanswerable":
            continue
        if says.contradicts_itself:
            yield "itself"
        stated, clean = set(says.places), set(says.denied)
        if turn.place is not None:
            about = answer_about(turn.answer, turn.place)
            # One place alone says nothing about the whole photo.
            stated |= {turn.place} if about is True else set()
            clean |= {turn.place} if about is False else set()
        new_verdict = says.verdict if says.verdict is not None else True if stated else None
        if None not in (verdict, new_verdict) and verdict != new_verdict:
            yield "verdict"
        elif None not in (count, says.count) and count != says.count:
            yield "count"
        elif stated & denied or clean & places or _is_new(stated, places, turn.place):
            yield "place"
        verdict = new_verdict if verdict is None else verdict
        count = says.count if count is None else count
        if turn.place is None or not places:
            places |= stated
        denied |= clean


def _is_new(stated: set[str], known: set[str], asked: str | None) -> bool:
    """Whether a place comes up that the places so far leave out."""
    if not known or not stated - known:
        return False
    return stated - known != {asked} or not stated & known


# --- writing ------------------------------------------------------------------------------------


def table(found: dict[str, Figure]) -> str:
    """The figures in markdown; "–" where there was no case."""
    lines = ["| figure | | of | share |", "|---|---:|---:|---:|"]
    for name, figure in found.items():
        share = "–" if figure.share is None else f"{figure.share:.1%}"
        lines.append(f"| {name} | {figure.right} | {figure.total} | {share} |")
    return "\n".join(lines)


def as_json(found: dict[str, Figure]) -> dict[str, dict[str, Any]]:
    """The figures as plain values."""
    return {
        name: {"right": figure.right, "total": figure.total, "share": figure.share}
        for name, figure in found.items()
    }
