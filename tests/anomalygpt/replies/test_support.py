"""What a model says freely is shown only where the result bears it out."""

from __future__ import annotations

import pytest

from anomalygpt.constants import LOCATIONS
from anomalygpt.replies import supports
from anomalygpt.replies.facts import facts_of_inspection


@pytest.mark.parametrize(
    ("text", "is_true"),
    [
        ("The damage is at the left and right.", True),
        ("I see 2 defects, at the left and right.", True),
        ("I see two defects.", True),
        ("I see one defect.", False),
        ("I see a defect at the left.", False),
        ("I see 3 defects.", False),
        ("The damage is at the left and top.", False),
        ("The left looks fine.", False),
        ("The damage is at the left, but the right looks fine.", False),
        ("The center looks fine.", True),
        ("There is no damage at the center.", True),
        ("There is no damage at the left.", False),
        ("There is damage at the left; the rest is fine.", True),
        ("There is damage everywhere.", False),
        ("The damage covers 2 percent.", False),
        ("The damage at the left is very large.", False),
        ("The damage is severe.", False),
        ("Hello! Ask me whether something is wrong.", True),
        ("Report: three flaws.", False),
        ("There is a defect at the bottom left.", False),
        ("The part looks fine.", False),
        ("I see no defect.", False),
        ("No, there is no anomaly in the image.", False),
        ("The frobnicator of step D4 was calibrated.", False),
        ("", False),
    ],
)
def test_what_the_result_bears_out(made, text: str, is_true: bool) -> None:
    assert supports(made("left", "right"), text) is is_true


@pytest.mark.parametrize(
    ("text", "is_true"),
    [
        ("The part looks fine.", True),
        ("I see no defect.", True),
        ("There is damage at the top.", False),
        ("I would reject it.", False),
        ("Yes, there is an anomaly in the image.", False),
    ],
)
def test_what_a_good_result_bears_out(made, text: str, is_true: bool) -> None:
    assert supports(made(), text) is is_true


@pytest.mark.parametrize("seed", range(6))
def test_every_place_is_held_against_the_regions(made, seed: int) -> None:
    """Damage only where a region lies, fine only where none reaches, and nothing between."""
    cells = LOCATIONS[seed], LOCATIONS[(seed + 4) % 9]
    found = made(*cells, seed=seed)
    facts = facts_of_inspection(found)
    for place in LOCATIONS:
        assert supports(found, f"There is damage at the {place}.") is (place in facts.places)
        assert supports(found, f"The {place} is undamaged.") is (place not in facts.cells)


@pytest.mark.parametrize("count", range(6))
def test_every_number_is_held_against_the_regions(made, count: int) -> None:
    found = made(*LOCATIONS[:count])
    for number, word in enumerate(("zero", "one", "two", "three", "four", "five", "six")):
        things = "defect" if number == 1 else "defects"
        for said in (str(number), word):
            is_true = number == count and number > 0
            assert supports(found, f"I see {said} {things}.") is is_true, said


def test_sizes_are_held_against_the_regions(made) -> None:
    found = made("left", "bottom right", seed=3)
    facts = facts_of_inspection(found)
    for defect in facts.defects:
        for size in ("tiny", "small", "medium-sized", "large", "very large"):
            said = f"The damage at the {defect.place} is {size}."
            assert supports(found, said) is (size == defect.size), said
    for share in (facts.total_fraction, facts.defects[0].area_fraction):
        assert supports(found, f"The damage covers {100 * share:.1f} percent.")
        assert not supports(found, f"The damage covers {100 * share + 20:.1f} percent.")
    for severity in ("minor", "moderate", "severe"):
        is_true = severity == facts.severity
        assert supports(found, f"The damage is {severity}.") is is_true


@pytest.mark.parametrize(
    "words",
    [
        "The bottom right is damaged and the rest is fine.",
        "There are 7 damaged areas and the rest is fine.",
        "Accept it, the rest is fine.",
        "The part is fine and so is the rest.",
        "The top left is fine and the bottom right is damaged.",
    ],
)
def test_what_is_fine_beside_it_hides_no_false_claim(made, words) -> None:
    for inspection in (made("top left"), made("top left", "center")):
        assert not supports(inspection, words)


def test_a_good_part_is_not_called_not_fine(made) -> None:
    for words in ("The part is not fine.", "It is not good."):
        assert not supports(made(), words)
