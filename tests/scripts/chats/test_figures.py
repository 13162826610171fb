"""Figures over chats whose answers are known to be true, or known to be wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from chats.figures import Figure, Turn, contradictions, figures, table
from chats.judging import read
from chats.questions import PLACE_KINDS, Question
from chats.talks import Record, is_right, judged, truth_of
from simulation import find_defects
from simulation.dialogues import Facts, facts_of, inspection_dialogue

# As `plan` orders them, each kind once.
KINDS = ("anomaly", "where", "cell", "count", "confirm", "unknown", "ok", "doubt")


def random_facts(generator: np.random.Generator) -> Facts:
    mask = np.zeros((96, 96), bool)
    for _ in range(int(generator.choice([0, 0, 1, 2, 3]))):
        top, left = (int(edge) for edge in generator.integers(0, 70, size=2))
        mask[top : top + 20, left : left + 12] = True
    return facts_of(find_defects(mask), mask.shape)


def true_chat(seed: int) -> Record:
    """The simulation's own answers; questions about a place that is not one cell are left out."""
    generator = np.random.default_rng(seed)
    facts = random_facts(generator)
    truth = truth_of(facts)
    turns = []
    dialogue = inspection_dialogue(facts, generator, intents=KINDS)
    for kind, (question, answer) in zip(KINDS, dialogue, strict=True):
        place = None
        if kind in PLACE_KINDS:
            # Read as if it were an answer; "the top" may mean the whole upper third.
            asked = question[question.lower().find("the ") :].rstrip("?.")
            named = read(f"At {asked}").places
            if len(named) != 1 or named & {"top", "bottom"}:
                continue
            (place,) = named
        kind = "unanswerable" if kind == "unknown" else kind
        turns.append(judged(Question(kind, question, place), answer, truth))
    mapped = {"damaged": truth["damaged"], "meets_mask": truth["damaged"], "score": 0.5}
    # The picture shows just what is there.
    regions = [
        {"place": each.place, "share": each.area_fraction, "box": list(each.box), "score": 0.5}
        for each in facts.defects
    ]
    drawn = {"damaged": truth["damaged"], "cells": truth["cells"], "regions": regions}
    return {
        "chat": seed,
        "truth": truth,
        "map": mapped,
        "drawn": drawn,
        "turns": turns,
        "ended": None,
    }


def test_true_chats_have_full_marks() -> None:
    """Also where the damage of one place reaches into another."""
    found = figures(true_chat(seed) for seed in range(300))
    for name, figure in found.items():
        assert figure.total > 50, name
        assert figure.share is not None
        is_fault = any(word in name for word in ("missed", "contra", "cannot", "answerable decl"))
        if name == "unanswerable declined":
            is_fault = False
        if is_fault:
            assert figure.share <= 0.01, (name, figure)
        else:
            assert figure.share >= 0.99, (name, figure)


def turns_of(*said: tuple[str, str | None, str]) -> list[Turn]:
    return [Turn(kind, place, answer, read(answer)) for kind, place, answer in said]


@pytest.mark.parametrize(
    ("first", "later", "kinds"),
    [
        ("No, it looks fine.", ("where", None, "It is at the top."), ["verdict"]),
        ("Yes, there is a flaw.", ("ok", None, "It looks fine."), ["verdict"]),
        ("Yes, there are two flaws.", ("count", None, "Only one."), ["count"]),
        ("Yes, I see a flaw at the top.", ("where", None, "At the left."), ["place"]),
        ("Yes, I see a flaw at the top.", ("cell", "top", "The top center is fine."), ["place"]),
        ("Yes, I see a flaw at the top.", ("confirm", "left", "Exactly."), ["place"]),
        ("Yes, I see a flaw at the top.", ("confirm", "top", "Exactly."), []),
        (
            "Yes, I see a flaw at the top.",
            ("cell", "left", "It is affected: the damage at the top reaches into it."),
            [],
        ),
        ("Yes, there are two flaws.", ("where", None, "At the top and left."), []),
        ("No, it looks fine.", ("cell", "top", "It is clean there."), []),
        ("Yes, the part looks fine.", ("unanswerable", None, "No."), ["itself"]),
    ],
)
def test_contradictions(first: str, later: tuple[str, str | None, str], kinds: list[str]) -> None:
    turns = turns_of(("anomaly", None, first), later)
    assert [kind for kind in contradictions(turns) if kind != "itself"] == [
        kind for kind in kinds if kind != "itself"
    ]
    assert ("itself" in list(contradictions(turns))) == ("itself" in kinds)


TRUTH = {"damaged": True, "count": 2, "places": ["top"], "cells": ["top", "top left"]}
GOOD = {"damaged": False, "count": 0, "places": [], "cells": []}


@pytest.mark.parametrize(
    ("kind", "place", "answer", "truth", "right"),
    [
        ("anomaly", None, "Yes.", TRUTH, True),
        ("doubt", None, "I see no defect.", TRUTH, False),
        ("ok", None, "Hm.", GOOD, False),
        ("where", None, "At the top left.", TRUTH, True),
        ("where", None, "At the top and right.", TRUTH, False),
        ("where", None, "I see no defect.", GOOD, True),
        ("count", None, "Two.", TRUTH, True),
        ("count", None, "It looks fine.", GOOD, True),
        ("cell", "center", "It is fine there.", TRUTH, True),
        ("confirm", "center", "Exactly.", TRUTH, False),
        ("unanswerable", None, "I cannot tell that from the photo.", GOOD, True),
        ("unanswerable", None, "Three kilograms.", GOOD, False),
    ],
)
def test_what_is_right(
    kind: str, place: str | None, answer: str, truth: Record, right: bool
) -> None:
    assert is_right(kind, place, answer, truth) is right


def record(truth: Record, said: Sequence[tuple[str, str]]) -> Record:
    turns = [judged(Question(kind, "?"), answer, truth) for kind, answer in said]
    return {"truth": truth, "map": None, "turns": turns, "ended": None}


def test_places_and_counts_with_and_without_good_photos() -> None:
    """Strict figures also count what was said about damage that is not there or was denied."""
    found = figures(
        [
            record(TRUTH, [("anomaly", "Yes, at the top and right."), ("count", "Two.")]),
            record(TRUTH, [("anomaly", "No."), ("count", "None.")]),
            record(GOOD, [("anomaly", "Yes, at the left."), ("count", "One.")]),
        ]
    )
    assert found["named places true, damage found"] == Figure(1, 2)
    assert found["named places true, all"] == Figure(1, 3)
    assert found["damaged places missed, damage found"] == Figure(0, 1)
    assert found["damaged places missed, all"] == Figure(1, 2)
    assert found["counts true, damage found"] == Figure(1, 1)
    assert found["counts true, all"] == Figure(1, 3)
    assert found["yes/no true"] == Figure(1, 3)
    assert found["map's verdict true"] == Figure(0, 0)
    assert "| map's verdict true | 0 | 0 | – |" in table(found)
