"""Answers agree with the table of regions, with the verdict and with each other."""

from __future__ import annotations

import re

import numpy as np
import pytest

from anomalygpt.constants import LOCATIONS
from anomalygpt.replies import reply_to, understand
from anomalygpt.replies.facts import facts_of_inspection
from anomalygpt.results.inspection import Inspection

PLAIN = (
    *("ok?", "pass or fail?", "any defect?", "how many?", "where?", "which box is the worst?"),
    *("what does box 1 mean?", "how large?", "total area", "severity?", "scrap it?", "how sure?"),
    *("percentage?", "compare with the good part", "what did you check?", "report", "8D report"),
    *("what color is it?", "what is it?", "why?", "is the rest fine?", "what kind of damage?"),
    *("I think it is fine", "is the top left fine?", "what do you see?", "score?"),
)
SEEDS = range(5)


def answer(inspection: Inspection, question: str) -> str:
    reply = reply_to(understand(question), inspection, declining=True)
    assert reply is not None, question
    return reply.text


def some(made, seed: int) -> Inspection:
    generator = np.random.default_rng(seed)
    cells = generator.choice(LOCATIONS, int(generator.integers(1, 6)), replace=False)
    return made(*cells.tolist(), seed=seed)


def places_in(text: str) -> set[str]:
    names = sorted(LOCATIONS, key=len, reverse=True)
    return set(re.findall(rf"\b(?:at|of|reach) the ({'|'.join(names)})\b", text))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_verdict_counts_and_names_the_regions(made, seed: int) -> None:
    found = some(made, seed)
    places = [place for place in LOCATIONS if place in {r.location for r in found.regions}]
    assert found.answer.startswith("Yes, ")
    number = re.search(r"there are (\d+) anomalies", found.answer)
    assert (int(number[1]) if number else 1) == len(found.regions)
    said = found.answer.split(" at the ")[1].removesuffix(" of the image.")
    assert re.split(r", | and ", said) == places


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("question", PLAIN)
def test_places_and_numbers_are_those_of_the_table(made, seed: int, question: str) -> None:
    found = some(made, seed)
    said = answer(found, question)
    named = {region.location for region in found.regions}
    reached = {cell for defect in facts_of_inspection(found).defects for cell in defect.cells}
    assert places_in(said) <= named | (reached if "rest" in question else set())
    for number in re.findall(r"(\d+) regions? stand", said):
        assert int(number) == len(found.regions)
    total = sum(region.area_fraction for region in found.regions)
    for share in re.findall(r"together cover ([\d.]+) %", said):
        assert share == f"{100 * total:.1f}"
    if found.regions and question == "where?":
        assert len(re.findall(r"box \d+", said.lower())) == len(found.regions)


@pytest.mark.parametrize("question", PLAIN)
@pytest.mark.parametrize("cells", [(), ("left",), ("top", "bottom right")])
def test_no_answer_goes_against_the_verdict(made, question: str, cells: tuple[str, ...]) -> None:
    said = answer(made(*cells), question).lower()
    fine = bool(re.search(r"looks fine|^pass:|^good:|can accept|see nothing that stands", said))
    wrong = bool(re.search(r"not fine:|^fail:|^bad:|stands? out, at the|would reject", said))
    if cells:
        assert not fine or "top left" in said  # the one place that was asked about
    else:
        assert not wrong
    # The first word of an answer is no second verdict.
    if question != "any defect?":
        assert not re.match(r"(?:yes|no)", said)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("place", LOCATIONS)
def test_a_place_is_fine_where_no_region_reaches(made, seed: int, place: str) -> None:
    found = some(made, seed)
    name = f"{place} center" if place in ("top", "bottom") else place
    name = f"center {place}" if place in ("left", "right") else name
    said = answer(found, f"Is the {name} fine?")
    reached = {cell for defect in facts_of_inspection(found).defects for cell in defect.cells}
    assert ("looks fine" in said) is (place not in reached)


@pytest.mark.parametrize("references", [0, 1, 4])
def test_reservations_go_with_what_is_decided_by_them(made, references: int) -> None:
    good = made(references=references)
    for question in ("accept?", "ok?", "any defect?"):
        said = answer(good, question)
        assert "fairly sure" in said or "this is a guess" in said
        assert ("this is a guess" in said) is (references == 0)
        assert "quite sure" not in said
    if references == 0:
        assert "Do not decide" in answer(good, "accept?")


def test_other_cautions_are_told(made) -> None:
    found = made("left", cautions=("The reference shows another product.",))
    for question in ("ok?", "scrap it?", "how sure?", "report"):
        assert "another product" in answer(found, question)


def test_regions_are_told_one_by_one(made) -> None:
    found = made("left", "bottom right", seed=3)
    first = found.regions[0]
    said = answer(found, "what does box 1 mean?")
    assert f"at the {first.location}" in said
    assert f"score {first.score:.2f}" in said
    assert str(first.bbox[0]) in said
    assert answer(found, "box 7?").startswith("There is no box 7")
    assert "Box 1" in answer(found, "which is the worst?")


def test_a_yes_without_a_region_says_so(made) -> None:
    found = made("left", regions=())
    assert found.answer.startswith("Yes, ")
    assert "no place" in found.answer
    assert "no single region stands out" in answer(found, "where?")


def test_the_description_is_told_back(made) -> None:
    told = made(description="a red gasket, 40 mm wide")
    for question in ("what is it?", "What color is the part?"):
        assert "a red gasket, 40 mm wide" in answer(told, question)
    assert "cannot tell" not in answer(made(), "what is it?")
    assert "colours" in answer(made(), "what color is it?")


@pytest.mark.parametrize("question", ["is there a short circuit?", "How heavy is it?"])
def test_what_no_result_tells_is_declined_in_a_sentence_that_fits(made, question: str) -> None:
    said = answer(made("left", "right"), question)
    assert "cannot tell" in said
    assert "2 regions stand out, at the left and right" in said
    assert ("a short circuit" in said) is ("short" in question)
    # A large language model may answer it freely.
    assert reply_to(understand(question), made("left")) is None


def test_without_a_verdict_nothing_is_said(made) -> None:
    found = made(is_anomalous=None, anomaly_probability=None)
    assert reply_to(understand("ok?"), found, declining=True) is None
