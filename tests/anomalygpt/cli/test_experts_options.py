"""`--expert` and `--knowledge` at the terminal, with a server on this machine."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from PIL import Image

from anomalygpt.experts.consultation import DISAGREE, OWN
from anomalygpt.experts.openai_voice import KEY_VARIABLE
from anomalygpt.knowledge.store import NOTHING
from anomalygpt.results.cautions import AMONG_PEERS
from tests.anomalygpt.conftest import part_pixels
from tests.chat_server import MODEL, Act, ChatServer, serving

SECRET = "sk-secret-0123456789"
YES = Act(("Yes, ", "a stain."))


def expert(server: ChatServer) -> tuple[str, str]:
    return "--expert", f"openai:{MODEL}@{server.url}"


@pytest.fixture
def known(tmp_path: Path) -> Path:
    folder = tmp_path / "known" / "disc"
    folder.mkdir(parents=True)
    text = "# disc\n\n## stain\nStains come from coolant that dried. Wash the disc in alcohol.\n"
    (folder / "disc.md").write_text(text, encoding="utf-8")
    return folder.parent


def test_each_photo_gets_an_opinion(anomalygpt, photos, assistant_folder) -> None:
    shown = (photos / "stained.png", photos / "good.png")
    with serving(YES) as server:
        ran = anomalygpt(
            *("inspect", *shown, "-r", photos / "good.png", "--model", assistant_folder),
            *expert(server),
            *("--expert-price", 1, 2, "--offline", "--json"),
        )
        assert len(server.heard) == 2
        assert [heard.pictures for heard in server.heard] == [3, 3]
    assert ran.status == 0
    for line in ran.out.splitlines():
        found = json.loads(line)
        assert found["opinion"]["model"] == MODEL
        assert found["opinion"]["answer"] == "Yes, a stain."
        assert found["opinion"]["agrees"] is found["is_anomalous"]
    cost = (14 * 1 + 4 * 2) / 1e6
    assert f"{MODEL}: 2 requests, 14 tokens read, 4 written, {cost:.4f}" in ran.err


def test_a_run_without_references_has_opinions_too(
    anomalygpt, tmp_path: Path, assistant_folder
) -> None:
    for seed in range(8):
        Image.fromarray(part_pixels(seed, seed == 5)).save(tmp_path / f"{seed}.png")
    with serving(YES) as server:
        ran = anomalygpt(
            *("inspect", tmp_path, "--mutual", "--model", assistant_folder, *expert(server)),
            "--json",
        )
        assert len(server.heard) == 8
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert [each["opinion"]["model"] for each in found] == [MODEL] * 8
    assert all(each["cautions"][0] == AMONG_PEERS for each in found)


def test_no_secret_is_printed_or_logged(
    anomalygpt, photos, assistant_folder, monkeypatch, caplog
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, SECRET)
    caplog.set_level(logging.DEBUG)
    given = ("inspect", photos / "good.png", "-r", photos / "good.png", "--model", assistant_folder)
    with serving(YES, Act((f"bad key {SECRET}",), 401)) as server:
        fine = anomalygpt(*given, *expert(server), "--json")
        refused = anomalygpt(*given, *expert(server))
        assert server.heard[0].headers["authorization"] == f"Bearer {SECRET}"
    assert (fine.status, refused.status) == (0, 2)
    assert KEY_VARIABLE in refused.err
    assert len(refused.err.splitlines()) == 1
    for text in (fine.out, fine.err, refused.out, refused.err, caplog.text):
        assert SECRET not in text


def test_a_server_that_is_not_there_ends_it_at_the_first_photo(
    anomalygpt, photos, assistant_folder
) -> None:
    with serving() as server:
        pass
    ran = anomalygpt(
        *("inspect", photos / "good.png", photos / "stained.png", "-r", photos / "good.png"),
        *("--model", assistant_folder, *expert(server)),
    )
    assert (ran.status, ran.out) == (2, "")
    assert "no server answers at http://127.0.0.1" in ran.err


def test_one_that_dies_on_the_way_costs_opinions_and_no_verdicts(
    anomalygpt, photos, assistant_folder
) -> None:
    with serving(YES, Act(("oh no",), 400)) as server:
        ran = anomalygpt(
            *("inspect", photos / "good.png", photos / "stained.png", "-r", photos / "good.png"),
            *("--model", assistant_folder, *expert(server)),
        )
    assert ran.status == 0
    first, second = ran.out.splitlines()
    assert f"{MODEL} says: Yes, a stain." in first
    assert f"{MODEL} was not heard" in second


def test_where_it_decides_a_photo_without_its_word_is_skipped(
    anomalygpt, photos, assistant_folder
) -> None:
    with serving(YES, YES, Act(("Hm.",))) as server:
        ran = anomalygpt(
            *("inspect", photos / "good.png", photos / "stained.png", "-r", photos / "good.png"),
            *("--model", assistant_folder, *expert(server), "--verdict", "expert", "--json"),
        )
    assert ran.status == 1
    (line,) = ran.out.splitlines()
    found = json.loads(line)
    assert found["is_anomalous"] is True
    assert found["model"]["verdict"] == MODEL
    assert "no yes or no" in ran.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--think",), "--think needs --expert"),
        (("--evidence", "bbox"), "--evidence needs --expert"),
        (("--offline",), "--offline needs --expert"),
        (("--expert", "nonsense"), "an expert is named as"),
        (("--expert", "openai:m@http://10.0.0.1/v1", "--offline"), "is not this machine"),
        (("--expert", "openai:m@http://127.0.0.1:9/v1", "--evidence", "circles"), "evidence is"),
        (("--expert", "openai:m@http://127.0.0.1:9/v1", "--map-only"), "--map-only asks nobody"),
        (("--knowledge", "nowhere"), "--knowledge is for the expert"),
        (("--product", "disc", "--data", "nowhere"), "there is no product disc: none is kept in"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_line(
    anomalygpt, photos, assistant_folder, options, words
) -> None:
    ran = anomalygpt("inspect", photos / "good.png", "--model", assistant_folder, *options)
    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_chat_says_who_spoke_and_what_was_read(talk, known, tmp_path) -> None:
    kept = tmp_path / "talk.json"
    with serving(YES, Act(("It ", "is round.")), Act(("Coolant.",))) as server:
        ran = talk(
            "Where is it?",
            "What causes stains?",
            "/thoughts",
            f"/save {kept}",
            options=(*expert(server), "--think", "--knowledge", known, "--product", "Disc"),
        )
        assert len(server.heard) == 3
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert f"{MODEL} says: Yes, a stain." in lines[0]
    assert "Coolant." in lines
    assert f"— {MODEL} (read: disc/disc.md, stain)" in lines
    assert "It is round." in lines
    turns = json.loads(kept.read_text())["conversation"]
    assert [turn["speaker"] for turn in turns] == [OWN, OWN, MODEL]
    assert turns[2]["thoughts"] == "It is round."
    assert turns[2]["sources"] == ["disc/disc.md, stain"]


def test_a_chat_quotes_what_is_known_without_any_expert(talk, known) -> None:
    ran = talk("What causes stains?", "Who won the cup?", options=("--knowledge", known))
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert (
        "“Stains come from coolant that dried. Wash the disc in alcohol.” (disc/disc.md, stain)"
        in (lines[2])
    )
    assert lines[-1].endswith(NOTHING)


def test_a_product_that_nobody_knows_is_named_with_those_that_are(talk, known) -> None:
    ran = talk(options=("--knowledge", known, "--product", "gear"))
    assert ran.status == 2
    assert "no product 'gear'; there is disc" in ran.err


def test_a_disagreement_is_seen_at_the_terminal(talk) -> None:
    for answer in ("Yes, a stain.", "No, it is fine."):
        with serving(Act((answer,))) as server:
            ran = talk(options=expert(server))
        is_bad = ran.out.splitlines()[0].split(": ", 1)[1].startswith("Yes")
        assert (DISAGREE in ran.out) is (answer.startswith("Yes") != is_bad)
