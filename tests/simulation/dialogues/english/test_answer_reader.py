"""The reader of answers knows every intent and objects to each wrong fact."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from simulation.anomaly import PLACES, Defect
from simulation.dialogues import INTENTS, Facts, facts_of, inspection_dialogue
from tests.answer_reader import NO_FACTS, READERS, Truth, areas, objections


def test_every_intent_has_a_reader() -> None:
    assert set(READERS) | NO_FACTS == set(INTENTS)
    assert not set(READERS) & NO_FACTS


def one_defect(**changes: object) -> Callable[[Facts], Facts]:
    def mutate(facts: Facts) -> Facts:
        changed = dataclasses.replace(facts.defects[0], **changes)  # type: ignore[arg-type]
        return dataclasses.replace(facts, defects=(changed, *facts.defects[1:]))

    return mutate


def doubled(facts: Facts) -> Facts:
    return dataclasses.replace(facts, defects=facts.defects * 2)


MUTATIONS: dict[str, tuple[Callable[[Facts], Facts], tuple[str, ...]]] = {
    "place": (
        one_defect(place="right", cells=("right",)),
        ("anomaly", "ok", "where", "describe", "doubt", "why", "clean", "confirm"),
    ),
    "count": (doubled, ("count", "describe", "summary")),
    "size": (one_defect(size="large", area_fraction=0.15), ("size",)),
    "severity": (
        lambda facts: dataclasses.replace(facts, total_fraction=0.3),
        ("severity", "coverage", "advice"),
    ),
    "shape": (one_defect(elongated=True), ("shape",)),
    "kind": (one_defect(kind="hole"), ("kind",)),
    "unknown kind": (one_defect(kind=None), ("kind",)),
    "cells": (one_defect(cells=PLACES), ("clean",)),
    "certainty": (one_defect(size="very large", area_fraction=0.3), ("sure",)),
    "largest": (one_defect(place="bottom"), ("largest",)),
    "nothing": (lambda facts: Facts(facts.image_size), tuple(READERS)),
}


@pytest.mark.usefixtures("_typed_cleanly")
@pytest.mark.parametrize("name", MUTATIONS)
def test_the_reader_objects_to_a_wrong_fact(name: str) -> None:
    """Without this the test above could not fail."""
    mutate, intents = MUTATIONS[name]
    mask = np.zeros((60, 60), bool)
    mask[2:8, 3:9] = True
    truth = Truth.of([mask], ["scratch"])
    facts = facts_of([Defect.from_mask(mask, "scratch")], (60, 60))
    generator = np.random.default_rng(0)
    for intent in set(intents) - {"reference"}:
        passed = []
        for _ in range(150):
            ((question, answer),) = inspection_dialogue(mutate(facts), generator, intents=[intent])
            if not objections(intent, question, answer, truth):
                passed.append((question, answer))
        # A wrong fact about one place leaves answers about other places true.
        allowed = 150 if (name, intent) == ("nothing", "cell") else 0
        assert len(passed) <= allowed, (intent, passed[:5])


@pytest.mark.usefixtures("_typed_cleanly")
@pytest.mark.parametrize("fine", [True, False])
def test_the_reader_objects_to_a_wrong_cell(fine: bool) -> None:
    mask = np.zeros((60, 60), bool)
    mask[2:8, 3:9] = True
    facts = facts_of([Defect.from_mask(mask, "scratch")], (60, 60))
    truth, wrong = Truth.of([mask], ["scratch"]), Facts((60, 60))
    if not fine:
        truth, wrong = Truth.of([], []), facts
    generator = np.random.default_rng(0)
    read = 0
    for _ in range(400):
        ((question, answer),) = inspection_dialogue(wrong, generator, intents=["cell"])
        if "top left" in next(iter(areas(question, alone_is_a_third=True))):
            assert objections("cell", question, answer, truth), (question, answer)
            read += 1
    assert read > 30


@pytest.mark.parametrize("answer", ["It is there.", "Perhaps.", "See the map.", "Something."])
def test_an_answer_without_a_fact_does_not_pass(answer: str) -> None:
    mask = np.zeros((60, 60), bool)
    mask[2:8, 3:9] = True
    truth = Truth.of([mask], ["scratch"])
    for intent in set(READERS) - {"sure"}:
        question = {"cell": "And the top left?", "confirm": "Is it at the top left?"}
        assert objections(intent, question.get(intent, "?"), answer, truth), intent
