"""Which products a question names."""

from __future__ import annotations

import pytest

from anomalygpt.knowledge.names import LAST_WORD, NAME, OTHER_NUMBER, named_in, same_name
from anomalygpt.knowledge.words import words_of

PRODUCTS = ["bottle", "juice_bottle", "Metal Nut", "pcb2", "capsule", "capsules", "screw-bag"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Is the bottle clean?", {"bottle": NAME}),
        ("Are bottles clean?", {"bottle": OTHER_NUMBER}),
        ("Is the juice bottle clean?", {"juice_bottle": NAME}),
        ("Is the juicebottle clean?", {"juice_bottle": NAME}),
        ("a METAL-NUT", {"Metal Nut": NAME}),
        ("two metal_nuts", {"Metal Nut": OTHER_NUMBER}),
        ("my PCB 2 is hot", {"pcb2": NAME}),
        ("Is a capsule round?", {"capsule": NAME, "capsules": OTHER_NUMBER}),
        ("Are capsules round?", {"capsule": OTHER_NUMBER, "capsules": NAME}),
        ("this nut is brown", {"Metal Nut": LAST_WORD}),
        ("the bag and the bottle", {"bottle": NAME}),
        ("the bottle and the screw bag", {"bottle": NAME, "screw-bag": NAME}),
        ("the weather", {}),
        ("", {}),
    ],
)
def test_named_products(question: str, expected: dict[str, float]) -> None:
    words = words_of(question)
    found = named_in(words, PRODUCTS)
    assert found.weights == expected
    assert bool(found.words) == bool(expected)
    assert "clean" not in {words[place] for place in found.words}


def test_same_names() -> None:
    assert same_name("metal_nut", "Metal nuts")
    assert not same_name("metal nut", "nut")
    assert not same_name("?", "!")
