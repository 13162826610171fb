"""The published wording, letter for letter."""

import numpy as np
import pytest

from simulation.anomaly import PLACES, Defect
from simulation.dialogues import (
    Facts,
    facts_of,
    published_answer,
    published_description,
    published_dialogue,
)

QUESTION = "Is there any anomaly in the image?"
DAMAGE = "any damage, flaw, defect, scratch, hole or broken part."

DESCRIPTIONS = {
    "bottle": "a bottle for anomaly detection, which should be round, without " + DAMAGE,
    "cable": "three cables for anomaly detection, they are green, blue and grey, which cannot be "
    "missed or swapped and should be without " + DAMAGE,
    "capsule": "a capsule for anomaly detection, which should be black and orange, with print "
    "'500', without " + DAMAGE,
    "carpet": "carpet for anomaly detection, which should be without " + DAMAGE,
    "grid": "grid for anomaly detection, which should be without " + DAMAGE,
    "hazelnut": "a hazelnut for anomaly detection, which should be without " + DAMAGE,
    "leather": "leather for anomaly detection, which should be brown and without " + DAMAGE,
    "metal_nut": "a metal nut for anomaly detection, which should be without any damage, flaw, "
    "defect, scratch, hole or broken part, and shouldn't be fliped.",
    "pill": "a pill for anomaly detection, which should be white, with print 'FF' and red "
    "patterns, without " + DAMAGE,
    "screw": "a screw for anomaly detection, which tail should be sharp, and without " + DAMAGE,
    "tile": "tile for anomaly detection, which should be without " + DAMAGE,
    "toothbrush": "a toothbrush for anomaly detection, which should be without " + DAMAGE,
    "transistor": "a transistor for anomaly detection, which should be without " + DAMAGE,
    "wood": "wood for anomaly detection, which should be brown with patterns, without " + DAMAGE,
    "zipper": "a zipper for anomaly detection, which should be without " + DAMAGE,
    "candle": "4 candles for anomaly detection, every candle should be round, without " + DAMAGE,
    "capsules": "many small capsules for anomaly detection, every capsule is green, should be "
    "without " + DAMAGE,
    "cashew": "a cashew for anomaly detection, which should be without " + DAMAGE,
    "chewinggum": "a chewinggom for anomaly detection, which should be white, without " + DAMAGE,
    "fryum": "a fryum for anomaly detection on green background, which should be without " + DAMAGE,
    "macaroni1": "4 macaronis for anomaly detection, which should be without " + DAMAGE,
    "macaroni2": "4 macaronis for anomaly detection, which should be without " + DAMAGE,
    "pcb1": "pcb for anomaly detection, which should be without " + DAMAGE,
    "pcb2": "pcb for anomaly detection, which should be without " + DAMAGE,
    "pcb3": "pcb for anomaly detection, which should be without " + DAMAGE,
    "pcb4": "pcb for anomaly detection, which should be without " + DAMAGE,
    "pipe_fryum": "a pipe fryum for anomaly detection, which should be without " + DAMAGE,
}


def facts_at(*places: str) -> Facts:
    defects = []
    for place in places:
        row, column = divmod(PLACES.index(place), 3)
        mask = np.zeros((90, 90), bool)
        mask[30 * row + 10 : 30 * row + 20, 30 * column + 10 : 30 * column + 20] = True
        defects.append(Defect.from_mask(mask))
    return facts_of(defects, (90, 90))


@pytest.mark.parametrize("category", DESCRIPTIONS)
def test_descriptions(category: str) -> None:
    assert published_description(category) == "This is a photo of " + DESCRIPTIONS[category]


def test_names_are_tolerant_and_others_have_none() -> None:
    exact = published_description("metal_nut")
    for name in ("Metal Nut", "METAL_NUT", " metalnut", "metal-nut"):
        assert published_description(name) == exact
    assert published_description("PCB 1") == published_description("pcb1")
    for name in (None, "", "bearing", "pcb", "bottles"):
        assert published_description(name) is None


@pytest.mark.parametrize(
    ("places", "answer"),
    [
        ((), "No, there is no anomaly in the image."),
        (
            ("top left",),
            "Yes, there is an anomaly in the image, at the top left of the image.",
        ),
        (
            ("top left", "center"),
            "Yes, there are 2 anomalies in the image, they are at the top left and center of the "
            "image.",
        ),
        (
            ("right", "right"),
            "Yes, there are 2 anomalies in the image, they are at the right of the image.",
        ),
        (
            ("bottom", "top", "left"),
            "Yes, there are 3 anomalies in the image, they are at the top, left and bottom of the "
            "image.",
        ),
        (
            ("top", "left", "top", "center"),
            "Yes, there are 4 anomalies in the image, they are at the top, left and center of the "
            "image.",
        ),
    ],
)
def test_answers(places: tuple[str, ...], answer: str) -> None:
    assert published_answer(facts_at(*places)) == answer
    assert published_dialogue(facts_at(*places)) == [(QUESTION, answer)]


def test_the_supervised_variant() -> None:
    assert published_answer(facts_at("top"), noun="a defect") == (
        "Yes, there is a defect in the image, at the top of the image."
    )
    with pytest.raises(ValueError, match="'a crack'"):
        published_answer(facts_at("top"), noun="a crack")


def test_the_description_precedes_the_question() -> None:
    ((tile, _),) = published_dialogue(facts_at(), "Tile")
    assert tile == f"This is a photo of {DESCRIPTIONS['tile']} {QUESTION}"
    ((own, _),) = published_dialogue(facts_at(), "tile", "A grey tile.")
    assert own == f"A grey tile. {QUESTION}"
    ((alone, _),) = published_dialogue(facts_at(), "tile", "")
    assert alone == QUESTION == published_dialogue(facts_at(), "bearing")[0][0]
