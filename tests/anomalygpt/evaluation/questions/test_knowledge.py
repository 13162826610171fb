"""What is told about a product, and retrieval leakage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anomalygpt.data.questionnaires import QuestionedPhoto
from anomalygpt.errors import DataError
from anomalygpt.evaluation.questions.knowledge import Knowledge

TEXTS = {"good": " Round.", "crack": "A line.", "dent": "A hollow.", "hole": "A gap."}


def photo(kind: str, number: int = 0, data_set: str = "DS-MVTec") -> QuestionedPhoto:
    key = f"{data_set}/bottle/image/{kind}/{number:03}.png"
    return QuestionedPhoto(key, Path(key), data_set, "bottle", kind, kind != "good")


@pytest.fixture
def knowledge(tmp_path: Path) -> Knowledge:
    file = tmp_path / "domain_knowledge.json"
    file.write_text(json.dumps({"MVTec": {"bottle": TEXTS}}))
    return Knowledge.read(file)


def test_all_texts_of_an_mmad_product_are_joined(knowledge: Knowledge) -> None:
    assert knowledge.told(photo("crack"), "all") == " Round.\nA line.\nA hollow.\nA gap."
    assert knowledge.told(photo("good"), "all") == knowledge.told(photo("hole"), "all")
    assert knowledge.told(photo("crack"), "none") is None
    assert knowledge.told(photo("crack", data_set="VisA"), "all") is None


def test_mmad_knowledge_of_the_own_defect_leaks(knowledge: Knowledge) -> None:
    assert knowledge.leaks(photo("crack"))
    assert not knowledge.leaks(photo("scratch"))
    assert not knowledge.leaks(photo("good"))  # said of every photo of the product
    told = knowledge.summary([photo("crack"), photo("good"), photo("dent", data_set="VisA")])
    assert (told["leaking_photos"], told["retrieval_leakage"], told["photos_without"]) == (
        *(1, True),
        1,
    )


def test_without_its_own_class_nothing_says_whether_an_mmad_part_is_good(
    knowledge: Knowledge,
) -> None:
    told = knowledge.told(photo("crack"), "without own class")
    assert told == " Round.\nA hollow.\nA gap."
    lengths = set()
    left_out = set()
    for number in range(40):
        text = knowledge.told(photo("good", number), "without own class")
        assert text is not None
        lengths.add(len(text.splitlines()))
        left_out |= {name for name, each in TEXTS.items() if each.strip() not in text}
        assert text == knowledge.told(photo("good", number), "without own class")
    assert lengths == {3}
    assert left_out == {"crack", "dent", "hole"}


@pytest.mark.parametrize("text", ["[]", '{"a": {"b": "c"}}', '{"a": {"b": {"c": 1}}}', "{"])
def test_files_that_are_no_mmad_knowledge(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=r"x\.json (has another shape|is no JSON)"):
        Knowledge.read(tmp_path / "x.json")
    with pytest.raises(DataError, match="cannot be read"):
        Knowledge.read(tmp_path / "gone.json")
