"""The assistant answers from its verdict, its regions, and its language model's likelihoods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from anomalygpt import AnomalyGPT, Inspection, MissingPartError
from anomalygpt.data import Question
from anomalygpt.evaluation.questions.answering import likeliest
from anomalygpt.evaluation.questions.embedded import EmbeddedAnswerer, EmbeddedSession
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.results.regions import find_regions

GEOMETRY = ImageGeometry((120, 120), 12, (0, 0, 12, 12))
PLACES = {"A": "Top left.", "B": "Right.", "C": "Bottom right.", "D": "Center."}


def inspected(probability: float, *spots: tuple[slice, slice]) -> Inspection:
    """A photo with regions at some spots of a 12×12 map."""
    small = np.full((12, 12), 0.1, np.float32)
    for spot in spots:
        small[spot] = 0.9
    return Inspection(
        geometry=GEOMETRY,
        anomaly_score=0.5,
        small_map=small,
        is_anomalous=probability > 0.5,
        anomaly_probability=probability,
        regions=find_regions(small, GEOMETRY),
    )


def session(found: Inspection, likelihoods: Mapping[str, float] | None = None) -> EmbeddedSession:
    """`likelihoods` by text; without them nobody may ask for any."""

    def told(question: str, options: Sequence[str]) -> list[float]:
        assert likelihoods is not None, f"the language model was asked {question}"
        return [likelihoods[option] for option in options]

    return EmbeddedSession(found, found, told)


@pytest.mark.parametrize(
    ("probability", "options", "letter"),
    [
        (0.8, {"A": "No.", "B": "Yes."}, "B"),
        (0.8, {"A": "Yes.", "B": "No."}, "A"),
        (0.2, {"A": "Yes.", "B": "No."}, "B"),
        (0.5, {"A": "Yes.", "B": "No."}, "B"),  # even odds are no verdict
        (0.5, {"A": "No.", "B": "Yes."}, "A"),
        (0.8, {"A": "No.", "B": "Nobody knows.", "C": "Yes."}, "C"),
    ],
)
def test_mmad_detection_is_the_verdict(
    probability: float, options: dict[str, str], letter: str
) -> None:
    about = session(inspected(probability))
    answer = about.answer(Question("Anomaly Detection", "Is it?", options, "A"), options)
    assert about.probability == probability
    assert likeliest(answer) == answer.text == letter
    assert answer.shares is not None
    yes = next(each for each in options if options[each] == "Yes.")
    assert answer.shares[yes] == pytest.approx(probability)
    assert sum(answer.shares.values()) == pytest.approx(1)


def test_mmad_localisation_is_matched_with_the_regions() -> None:
    about = session(inspected(0.9, np.s_[9:12, 8:12]))
    assert about.answer(Question("Defect Localization", "?", PLACES, "A"), PLACES).text == "C"


def test_mmad_counts_and_sizes_of_defects_come_from_the_map() -> None:
    about = session(inspected(0.9, np.s_[0:3, 0:3], np.s_[8:12, 8:12]))
    many = {"A": "One.", "B": "Two.", "C": "Three."}
    how_many = Question("Defect Analysis", "How many defects are there?", many, "A")
    assert about.answer(how_many, many).text == "B"
    sizes = {"A": "Tiny.", "B": "Small.", "C": "Large."}
    how_large = Question("Defect Description", "How large is the damage?", sizes, "A")
    assert about.answer(how_large, sizes).text == "C"


def test_other_mmad_questions_are_for_the_language_model() -> None:
    told = {"A nut.": -3.0, "A pill.": -1.0}
    about = session(inspected(0.9, np.s_[0:3, 0:3]), told)
    options = {"A": "A nut.", "B": "A pill."}
    answer = about.answer(Question("Object Classification", "What is it?", options, "A"), options)
    assert answer.text == "B"
    assert answer.shares is not None
    assert answer.shares["B"] / answer.shares["A"] == pytest.approx(np.exp(2.0))
    # Pins of a part are no defects, and its number of regions says nothing about them.
    pins = {"A": "A nut.", "B": "A pill."}
    assert about.answer(Question("Object Analysis", "How many pins?", pins, "A"), pins).text == "B"
    # Options without a place, too.
    where = Question("Defect Localization", "Where?", options, "A")
    assert about.answer(where, options).text == "B"


# --- with a model --------------------------------------------------------------------------------


def test_an_assistant_answers_mmad_questions(assistant: AnomalyGPT, parts: Path) -> None:
    answerer = EmbeddedAnswerer(assistant)
    assert answerer.name == "tiny"
    assert answerer.reads_knowledge
    about = answerer.open(parts / "stained.png", [parts / "good.png"], None)
    found = assistant.inspect(parts / "stained.png", [parts / "good.png"])
    assert about.probability == pytest.approx(found.anomaly_probability, abs=1e-6)
    yes_no = {"A": "Yes.", "B": "No."}
    said = about.answer(Question("Anomaly Detection", "Is it?", yes_no, "A"), yes_no).text
    assert said == ("A" if found.is_anomalous else "B")
    # It points to a place whatever the verdict is, for the question takes a defect for granted.
    where = about.answer(Question("Defect Localization", "?", PLACES, "A"), PLACES)
    assert where.text in PLACES
    what = {"A": "a ring", "B": "a disc", "C": "a much longer answer than the others"}
    told = about.answer(Question("Object Analysis", "What is it?", what, "A"), what)
    assert told.shares is not None
    assert sum(told.shares.values()) == pytest.approx(1)
    assert len({round(share, 9) for share in told.shares.values()}) == 3


def test_knowledge_changes_what_an_assistant_says_to_mmad(
    assistant: AnomalyGPT, parts: Path
) -> None:
    answerer = EmbeddedAnswerer(assistant)
    what = {"A": "a ring", "B": "a disc"}
    question = Question("Object Analysis", "What is it?", what, "A")
    given = [
        answerer.open(parts / "good.png", [parts / "other.png"], knowledge).answer(question, what)
        for knowledge in (None, "It is round.", None)
    ]
    assert given[0].shares == given[2].shares != given[1].shares


def test_the_mark_of_an_mmad_run_holds_weights_and_turns(build_assistant) -> None:
    first, other = build_assistant(), build_assistant(lora=True)
    assert EmbeddedAnswerer(first).mark == EmbeddedAnswerer(first).mark
    assert EmbeddedAnswerer(first).mark != EmbeddedAnswerer(first, rotations=1).mark
    assert EmbeddedAnswerer(first).mark != EmbeddedAnswerer(other).mark


def test_an_encoder_alone_answers_nothing_of_mmad(encoder_alone: AnomalyGPT) -> None:
    with pytest.raises(MissingPartError, match="no language model to answer questions"):
        EmbeddedAnswerer(encoder_alone)


def test_templates_of_mmad_are_read_once_for_photos_that_share_them(
    assistant: AnomalyGPT, parts: Path, encoded: list[int]
) -> None:
    answerer = EmbeddedAnswerer(assistant, rotations=1)
    answerer.open(parts / "stained.png", [parts / "good.png"], None)
    before = len(encoded)
    answerer.open(parts / "other.png", [parts / "good.png"], None)
    assert len(encoded) == before + 1
    assert answerer.inspect(parts / "other.png", [parts / "good.png"]).references == (
        str(parts / "good.png"),
    )


def test_a_whole_mmad_run_of_an_assistant(mmad: Path, ask, assistant: AnomalyGPT) -> None:
    results = ask(mmad, EmbeddedAnswerer(assistant))
    figures = results["trials"][0]["figures"]["mean"]
    assert figures["auroc"]["questions"] == 8
    assert figures["average"]["unparsed"] == 0
    assert results["answerer"]["mark"]["weights"]
    # It brings no hashes of what it was trained on, which is not to say that it saw nothing.
    assert results["products_seen"]["is_known"] is False
