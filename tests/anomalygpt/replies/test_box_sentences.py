"""Numbers, places and sizes of boxes are those of the regions, over many made results."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from anomalygpt.constants import LOCATIONS
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.replies import reply_to, understand
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import Region

HEIGHT, WIDTH = 480, 640
SEEDS = range(25)

_NUMBERS = ("zero", "one", "two")
_COUNT = re.compile(
    r"\b(\d+|one|two) (?:region|box)(?:s|es)?\b(?! \d)|\b(\d+) anomalies\b", re.IGNORECASE
)
_NAMES = "|".join(sorted(LOCATIONS, key=len, reverse=True))
_BOX_AT = re.compile(rf"\bbox (\d+)(?:,| lies) at the ({_NAMES})\b", re.IGNORECASE)
_BOX_SHARE = re.compile(
    r"\bbox (\d+)(?:,| lies) at the [a-z ]+?(?: and covers |, | \()(?=[\du])"
    r"((?:\d+\.\d|under 0\.1) %)",
    re.IGNORECASE,
)

ALL = (
    "how many boxes?",
    "where are they",
    "list all marks",
    "which is the gravest",
    "the tiniest?",
)
OF_ONE = ("what is box {n}?", "is #{n} serious", "where does box {n} sit", "how wide is box {n}")


def random_region(generator: np.random.Generator) -> Region:
    x0, y0 = int(generator.integers(0, WIDTH - 8)), int(generator.integers(0, HEIGHT - 8))
    x1 = int(generator.integers(x0 + 4, min(WIDTH, x0 + 300) + 1))
    y1 = int(generator.integers(y0 + 4, min(HEIGHT, y0 + 200) + 1))
    row, column = 3 * ((y0 + y1) // 2) // HEIGHT, 3 * ((x0 + x1) // 2) // WIDTH
    share = (x1 - x0) * (y1 - y0) / (HEIGHT * WIDTH) * float(generator.uniform(0.2, 1))
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    score = float(generator.uniform(0.44, 1))
    return Region((x0, y0, x1, y1), LOCATIONS[3 * row + column], share, score, corners)


def random_result(seed: int) -> Inspection:
    generator = np.random.default_rng(seed)
    count = seed % 13
    regions = sorted(
        (random_region(generator) for _ in range(count)), key=lambda region: -region.score
    )
    return Inspection(
        geometry=ImageGeometry.fit((HEIGHT, WIDTH), 96, "square"),
        anomaly_score=0.8,
        small_map=None,
        is_anomalous=bool(count),
        anomaly_probability=0.96 if count else 0.02,
        regions=regions,
        level=0.43,
        references=["good.jpg"],
    )


def answer(found: Inspection, question: str) -> str:
    reply = reply_to(understand(question), found, declining=True)
    assert reply is not None, question
    return reply.text


def percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "under 0.1 %"


def check(found: Inspection, said: str) -> None:
    """Whatever it says of a number, a place or a size is so."""
    for groups in _COUNT.findall(said):
        number = next(text.lower() for text in groups if text)
        value = int(number) if number.isdigit() else _NUMBERS.index(number)
        assert value == len(found.regions), said
    for number, place in _BOX_AT.findall(said):
        assert found.regions[int(number) - 1].location == place, said
    for number, share in _BOX_SHARE.findall(said):
        assert percent(found.regions[int(number) - 1].area_fraction) == share, said


@pytest.mark.parametrize("seed", SEEDS)
def test_every_number_place_and_size_is_that_of_the_regions(seed: int) -> None:
    found = random_result(seed)
    numbers = range(len(found.regions) + 2)
    questions = [*ALL, *(text.format(n=n) for n in numbers for text in OF_ONE)]
    questions += [f"compare box {first} and box {second}" for first, second in pairwise(numbers)]
    for question in questions:
        check(found, answer(found, question))


@pytest.mark.parametrize("seed", SEEDS)
def test_one_box_is_told_as_it_is(seed: int) -> None:
    found = random_result(seed)
    for number, region in enumerate(found.regions, start=1):
        x0, y0, x1, y1 = region.bbox
        sides, share = f"{x1 - x0} × {y1 - y0} pixels", percent(region.area_fraction)
        whole = answer(found, f"what is box {number}?")
        assert f"Box {number} lies at the {region.location} and covers {share}" in whole
        assert sides in whole
        assert f"score {region.score:.2f}" in whole
        assert "good parts" in whole
        assert "What kind of damage it is, the result does not say." in whole
        where = answer(found, f"where does box {number} sit")
        assert f"at the {region.location}, from ({x0}, {y0}) to ({x1}, {y1})" in where
        assert sides in answer(found, f"how wide is box {number}")
        assert share in answer(found, f"how wide is box {number}")
        others = {each.location for each in found.regions} - {region.location}
        for said in (whole, where):
            assert not others & set(re.findall(rf"\b({_NAMES})\b", said))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_list_has_each_box_once(seed: int) -> None:
    found = random_result(seed)
    told = [int(number) for number, _ in _BOX_AT.findall(answer(found, "list all marks"))]
    assert told == list(range(1, len(found.regions) + 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_box_that_does_not_exist(seed: int) -> None:
    found = random_result(seed)
    count = len(found.regions)
    for number in (0, count + 1, 99, -2):
        said = answer(found, f"what is box {number}?")
        assert said.startswith(f"There is no box {number}")
        if count == 2:
            assert said == f"There is no box {number}. There are two boxes, 1 and 2."
        if count > 2:
            assert said.endswith(f"There are {count} boxes, 1 to {count}.")
        if not count:
            assert "nothing that stands out" in said


@pytest.mark.parametrize("seed", SEEDS)
def test_the_one_that_is_chosen(seed: int) -> None:
    found = random_result(seed)
    if not found.regions:
        assert "no box to choose" in answer(found, "the tiniest mark?")
        return
    shares = [region.area_fraction for region in found.regions]
    for question, number in (
        ("which is the gravest", 1),
        ("the hugest mark?", int(np.argmax(shares)) + 1),
        ("the tiniest mark?", int(np.argmin(shares)) + 1),
        ("the weakest box?", len(shares)),
    ):
        said = answer(found, question)
        assert re.search(r"\bbox (\d+)", said, re.IGNORECASE)[1] == str(number), question
    last = answer(found, "the last box?")
    assert last.startswith(f"Box {len(shares)} lies")


@pytest.mark.parametrize("seed", SEEDS)
def test_two_side_by_side(seed: int) -> None:
    found = random_result(seed)
    if len(found.regions) < 2:
        return
    first, second = found.regions[:2]
    said = answer(found, "box 2 or box 1: which is worse?")
    assert "Box 1 stands out more" in said
    larger = 1 if first.area_fraction > second.area_fraction else 2
    assert (", and is the larger" in said) is (larger == 1)
    assert (f"box {larger} is the larger" in said) is (larger == 2)
    # What exists of two is told beside what does not.
    mixed = answer(found, "compare box 1 and box 77")
    assert mixed.startswith("There is no box 77.")
    assert f"Box 1 lies at the {first.location}" in mixed


def test_without_a_verdict_of_a_place_there_is_no_box(made) -> None:
    said = answer(made("left", regions=()), "what is box 1?")
    assert said.startswith("There is no box 1: the photo as a whole looks unusual")
