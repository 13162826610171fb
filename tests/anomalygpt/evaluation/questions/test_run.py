"""A benchmark from the first question to the reports, and going on with it."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from anomalygpt.data import Question
from anomalygpt.data.mmad import DETECTION
from anomalygpt.errors import ConfigError, DataError, ExpertError, OutputError
from anomalygpt.evaluation.questions.answering import Answer
from anomalygpt.evaluation.questions.settings import QuestionSettings

BAD = "DS-MVTec/bottle/image/stain/000.png"
GOOD = "DS-MVTec/bottle/image/good/000.png"


def always(letter: str, shares: dict[str, float] | None = None):
    def saying(question: Question, options: Any) -> Answer:
        return Answer(letter, shares)

    return saying


def value(results: dict[str, Any], name: str, trial: int = 0) -> float:
    return results["trials"][trial]["figures"]["mean"][name]["value"]


def test_who_is_right_has_all_of_mmad_right(mmad: Path, ask, teller, tmp_path: Path) -> None:
    answerer = teller()
    results = ask(mmad, answerer)
    assert len(answerer.shown) == 8
    for name in (DETECTION, "Defect Localization", "Object Analysis", "average"):
        assert value(results, name) == 1.0
    assert value(results, "overkill") == value(results, "miss") == 0.0
    assert results["data"]["questions"] == 4 * 2 + 4 * 3
    assert results["data"]["is_whole"] is False
    assert results["trials"][0]["figures"]["mean"]["auroc"]["value"] is None
    # The first template of the random ones.
    assert {shown[1][0].name for shown in answerer.shown} == {"000.png"}
    assert {shown[2] for shown in answerer.shown} == {None}
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        *("answers.jsonl", "run.json", "results.json", "results.csv", "results.md", "report.html"),
        *("answers_1_shot_teller.json", "answers_1_shot_teller_accuracy.csv"),
    }


def test_the_same_letter_for_all_of_mmad_is_guessing(mmad: Path, ask, teller) -> None:
    results = ask(mmad, teller(always("A")))
    assert value(results, DETECTION) == 0.5
    assert value(results, "Object Analysis") == 0.0
    assert results["trials"][0]["favourites"]["Object Analysis"] == {"answer": "a ring", "share": 1}


def test_mmad_options_are_shuffled_and_still_right(mmad: Path, ask, teller) -> None:
    kept = ask(mmad, teller(always("A")), "kept")
    shuffled = ask(mmad, teller(always("A")), "shuffled", shuffle=1)
    assert value(ask(mmad, teller(), "right", shuffle=1), "average") == 1.0
    assert value(kept, "Object Analysis") != value(shuffled, "Object Analysis")


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"shots": (0,)}, []),
        ({"shots": (2,)}, ["000.png", "001.png"]),
        ({"shots": (2,), "templates": "similar"}, ["002.png", "001.png"]),
    ],
)
def test_templates_of_mmad(mmad: Path, ask, teller, settings, names: list[str]) -> None:
    answerer = teller()
    ask(mmad, answerer, **settings)
    assert {tuple(path.name for path in shown[1]) for shown in answerer.shown} == {tuple(names)}


def test_mmad_photos_with_the_same_templates_follow_each_other(
    mmad: Path, ask, teller, asking
) -> None:
    names = [f"MVTec-AD/bottle/train/good/{number:03}.png" for number in range(3)]
    asking.change(mmad, GOOD, similar_templates=names)
    for templates in ("random", "similar"):
        answerer = teller()
        ask(mmad, answerer, templates, templates=templates)
        order = [shown[1] for shown in answerer.shown]
        assert order == sorted(order)


def test_missing_templates_of_mmad_give_way_to_the_next(mmad: Path, ask, teller) -> None:
    folder = mmad / "MVTec-AD" / "bottle" / "train" / "good"
    (folder / "000.png").unlink()
    results = ask(mmad, teller(), "one")
    assert results["skipped"] == []
    results = ask(mmad, teller(), "many", shots=(3,))
    assert results["trials"][0]["fewer_templates"] == 4
    for path in folder.iterdir():
        path.unlink()
    results = ask(mmad, teller(), "none")
    assert len(results["skipped"]) == 4
    assert "none of its templates is there" in results["skipped"][0]["reason"]
    assert results["data"]["photos"] == 4


def test_missing_photos_of_mmad_are_left_out_and_asked_later(mmad: Path, ask, teller) -> None:
    kept = (mmad / BAD).read_bytes()
    (mmad / BAD).unlink()
    first, second = teller(), teller()
    results = ask(mmad, first)
    assert [each["photo"] for each in results["skipped"]] == [BAD]
    assert results["trials"][0]["photos"] == 7
    (mmad / BAD).write_bytes(kept)
    assert ask(mmad, second)["skipped"] == []
    assert [shown[0] for shown in second.shown] == [mmad / BAD]


def test_nothing_of_mmad_is_asked_twice(mmad: Path, ask, teller, tmp_path: Path) -> None:
    first = ask(mmad, teller())
    again = teller()
    assert ask(mmad, again) == first
    assert again.shown == []
    lines = (tmp_path / "out" / "answers.jsonl").read_text().splitlines()
    assert len(lines) == len({json.loads(line)["photo"] for line in lines}) == 8


def test_an_mmad_run_that_was_killed_goes_on(mmad: Path, ask, teller, tmp_path: Path) -> None:
    whole = ask(mmad, teller(), "whole")
    ask(mmad, teller())
    file = tmp_path / "out" / "answers.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:3]) + lines[3][:20])  # a line half written
    later = teller()
    results = ask(mmad, later)
    assert len(later.shown) == 5
    assert results["trials"] == whole["trials"]
    file.write_bytes(b"{\n" + b"".join(lines[1:]))
    with pytest.raises(OutputError, match="line 1 is damaged"):
        ask(mmad, teller())


def test_ctrl_c_keeps_what_mmad_was_answered(mmad: Path, ask, teller, tmp_path: Path) -> None:
    answered: list[str] = []

    def stopping(question: Question, options: Any) -> Answer:
        answered.append(question.text)
        if len(answered) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return Answer("A")

    with pytest.raises(KeyboardInterrupt):
        ask(mmad, teller(stopping))
    kept = (tmp_path / "out" / "answers.jsonl").read_text().splitlines()
    assert 1 <= len(kept) < 8
    assert not (tmp_path / "out" / "results.json").exists()
    later = teller(always("A"))
    results = ask(mmad, later)
    assert len(later.shown) == 8 - len(kept)
    assert results["trials"][0]["photos"] == 8


def test_an_expert_that_breaks_off_leaves_whole_mmad_photos(
    mmad: Path, ask, teller, tmp_path: Path
) -> None:
    def failing(question: Question, options: Any) -> Answer:
        if question.kind == "Defect Localization":
            raise ExpertError("the server is gone; start it")
        return Answer("A")

    with pytest.raises(ExpertError, match="gone"):
        ask(mmad, teller(failing))
    lines = (tmp_path / "out" / "answers.jsonl").read_text().splitlines()
    assert all("/good/" in json.loads(line)["photo"] for line in lines)


@pytest.mark.parametrize(
    ("settings", "changed", "told"),
    [
        ({"shuffle": 3}, {}, "other shuffle"),
        ({"parser": "strict"}, {}, "other parser"),
        ({}, {"mark": 2}, "other answerer"),
    ],
)
def test_two_mmad_runs_are_not_mixed(mmad: Path, ask, teller, settings, changed, told: str) -> None:
    ask(mmad, teller())
    with pytest.raises(OutputError, match=told):
        ask(mmad, teller(**changed), **settings)


def test_an_mmad_run_takes_no_foreign_folder(
    mmad: Path, ask, teller, tmp_path: Path, asking
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(OutputError, match=r"not empty \(it holds mine\.txt\)"):
        ask(mmad, teller())
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        ask(mmad, teller(), "file")
    ask(mmad, teller(), "asked")
    asking.change(mmad, GOOD, mask_path="other")
    with pytest.raises(OutputError, match="other questions"):
        ask(mmad, teller(), "asked")


def test_mmad_probabilities_are_read_off_the_answers(mmad: Path, ask, teller) -> None:
    def surely(question: Question, options: Any) -> Answer:
        letters = list(options)
        right = next(k for k in letters if options[k] == question.options[question.answer])
        others = 0.1 / (len(letters) - 1)
        return Answer("?", {letter: 0.9 if letter == right else others for letter in letters})

    results = ask(mmad, teller(surely))
    assert value(results, "auroc") == 1.0
    assert value(results, "ece") == pytest.approx(0.1)
    # The words alone say nothing, which the other rules tell.
    by_rule = results["trials"][0]["parsers"]
    assert by_rule["probability"]["value"] == 1.0
    assert (by_rule["strict"]["value"], by_rule["strict"]["unparsed"]) == (0.0, 20)
    told = ask(mmad, teller(surely, probability=0.5), "told")
    assert value(told, "auroc") == 0.5


def test_unparsed_mmad_answers_are_wrong_here_and_left_out_there(
    mmad: Path, ask, teller, tmp_path: Path
) -> None:
    def shy(question: Question, options: Any) -> Answer:
        is_shy = question.kind == "Object Structure"
        return Answer("I do not know" if is_shy else question.answer)

    results = ask(mmad, teller(shy), parser="strict")
    figure = results["trials"][0]["figures"]["mean"]["Object Analysis"]
    assert (figure["value"], figure["unparsed"]) == (0.0, 8)
    entries = json.loads((tmp_path / "out" / "answers_1_shot_teller.json").read_text())
    assert {each["gpt_answer"] for each in entries if "Structure" in each["question_type"]} == {""}
    assert entries[0]["question"]["text"] == "Question 1: Is anything wrong? \nA. Yes.\nB. No.\n"
    assert set(entries[0]) == {
        *("image", "question", "question_type", "correct_answer", "gpt_answer"),
    }


def test_mmad_knowledge_is_measured_with_and_without_what_it_gives_away(
    mmad: Path, ask, teller, tmp_path: Path
) -> None:
    file = tmp_path / "domain_knowledge.json"
    texts = {"good": "Round.", "stain": "Red.", "dent": "Hollow."}
    file.write_text(json.dumps({"MVTec": {"bottle": texts}}))
    answerer = teller()
    results = ask(mmad, answerer, knowledge=str(file))
    assert [trial["knowledge"] for trial in results["trials"]] == ["all", "without own class"]
    assert results["knowledge"]["leaking_photos"] == 2
    assert results["knowledge"]["retrieval_leakage"] is True
    told = [knowledge for photo, _, knowledge in answerer.shown if photo == mmad / BAD]
    assert told == ["Round.\nRed.\nHollow.", "Round.\nHollow."]
    names = {path.name for path in (tmp_path / "out").glob("answers_*.json")}
    assert names == {
        "answers_1_shot_teller_Domain_knowledge.json",
        "answers_1_shot_teller_Domain_knowledge_without_own_class.json",
    }
    assert "Retrieval leakage: of 2 photos" in (tmp_path / "out" / "results.md").read_text()
    file.write_text(json.dumps({"MVTec": {"bottle": {"good": "Round."}}}))
    results = ask(mmad, teller(), "harmless", knowledge=str(file))
    assert [trial["knowledge"] for trial in results["trials"]] == ["all"]
    with pytest.raises(ConfigError, match="does not read what is told"):
        ask(mmad, teller(reads_knowledge=False), "deaf", knowledge=str(file))


def test_whether_mmad_products_were_seen_is_stated(mmad: Path, ask, teller, hash_of) -> None:
    unknown = ask(mmad, teller(), "unknown")["products_seen"]
    assert unknown["is_known"] is False
    template = mmad / "MVTec-AD/bottle/train/good/000.png"
    known = frozenset((hash_of(mmad / BAD), hash_of(template)))
    seen = ask(mmad, teller(known_photos=known), "known")["products_seen"]
    assert (seen["photos"], seen["templates"], seen["products"]) == (1, 1, ["DS-MVTec/bottle"])
    none = ask(mmad, teller(known_photos=frozenset()), "none")["products_seen"]
    assert none["sentence"].startswith("Of 8 photos and 2 templates, teller remembers 0 and 0")
    assert (none["photos"], none["products"]) == (0, [])


def test_published_figures_stand_beside_mmad_alone(
    mmad: Path, robustmad: Path, ask, teller, tmp_path: Path
) -> None:
    results = ask(mmad, teller())
    page = (tmp_path / "out" / "report.html").read_text()
    assert results["leaderboard"][0]["model"] == "AnomalyGPT (train_mvtec)"
    assert "Only a part of MMAD was measured here" in page
    assert "products seen in training" in page
    assert 'style="background:rgb(67,147,195)' in page  # all right, in the heat map
    made = tmp_path / "made"
    mmad.rename(made)
    text = (made / "mmad.json").read_text().replace("DS-MVTec/", "Mine/")
    (made / "mmad.json").write_text(text)
    (made / "DS-MVTec").rename(made / "Mine")
    assert ask(made, teller(), "mine")["leaderboard"] == []
    assert ask(robustmad, teller(), "robust")["leaderboard"] == []


def test_robustmad_has_groups_and_no_files_of_mmad(
    robustmad: Path, ask, teller, tmp_path: Path
) -> None:
    results = ask(robustmad, teller())
    groups = results["trials"][0]["figures"]["groups"]
    assert groups["unanswerable"]["value"] == 1.0
    assert groups["unanswerable"]["guessing"] == pytest.approx(0.2)
    assert value(results, DETECTION) == 1.0
    assert not list((tmp_path / "out").glob("answers_*.json"))


def test_the_table_of_an_mmad_run_for_programs(mmad: Path, ask, teller, tmp_path: Path) -> None:
    ask(mmad, teller(), shots=(0, 1))
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["shots"] for row in rows} == {"0", "1"}
    assert {row["of"] for row in rows} == {"data set", "mean", "pooled", "product"}
    (row,) = [
        row
        for row in rows
        if (row["shots"], row["of"], row["figure"]) == ("0", "mean", "Object Analysis")
    ]
    assert (row["value"], row["low"], row["questions"]) == ("1.0", "1.0", "8")


def test_a_part_of_mmad(mmad: Path, ask, teller) -> None:
    answerer = teller()
    ask(mmad, answerer, categories=("pushpins",), limit=2)
    names = sorted("/".join(shown[0].parts[-2:]) for shown in answerer.shown)
    assert names == ["good/000.png", "logical_anomalies/000.png"]


def test_an_mmad_run_that_cannot_ask_anything(mmad: Path, ask, teller, asking) -> None:
    for path in mmad.rglob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match=r"nothing could be asked .* the photo is not there"):
        ask(mmad, teller())


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"shots": (9,)}, "shots is 0 to 8"),
        ({"shots": ()}, "at least one number"),
        ({"parser": "luck"}, "parser is one of probability, published, strict"),
        ({"templates": "all"}, "templates is one of random, similar"),
        ({"dataset": "mvtec"}, "dataset is one of auto, mmad, robustmad"),
        ({"shuffle": -1}, "shuffle takes whole numbers from 0"),
        ({"limit": 0}, "limit takes whole numbers from 1"),
    ],
)
def test_mmad_settings_out_of_range(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        QuestionSettings("x", **changed)
