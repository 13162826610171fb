"""The stage that teaches an installed language model: its rows, its loss, and that it resumes."""

from __future__ import annotations

import argparse
import gzip
import json
import re
import signal
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from anomalygpt.errors import DataError
from anomalygpt.language.language_model import LanguageModel
from embedded import talk_checks
from embedded.language_batches import BASE_PROMPTS
from embedded.notation import EXTRA_ROWS
from embedded.open_questions import TOPICS
from embedded.open_talk import conversation
from embedded.talk import ADAPTER, STATE, TABLE, add_arguments, run
from embedded.talk_batches import LONGEST_ROW, MICRO_TOKENS, TalkBatches, read_dialogues
from embedded.talk_checks import invented
from embedded.talk_trainer import TalkTrainer, first_table
from simulation.dialogues.english.questions import QUESTIONS
from simulation.dialogues.english.reading import count_in, places_in
from tests.gguf_files import CONTEXT, WIDTH, tiny_model, write_gguf

STEPS, TOKENS = 4, 3000
WRONG_START = re.compile(r"(yes|no|not|nothing)\b", re.IGNORECASE)
_CHOICE = re.compile(r"\[([^\[\]]*)\]")


def expansions(template: str) -> set[str]:
    """All that a template can say, braces left as they are."""
    whole = [template]
    while any(_CHOICE.search(text) for text in whole):
        spread: list[str] = []
        for text in whole:
            found = _CHOICE.search(text)
            if found is None:
                spread.append(text)
            else:
                start, end = text[: found.start()], text[found.end() :]
                spread += [start + option + end for option in found[1].split("|")]
        whole = spread
    return {" ".join(re.findall(r"[a-z_{}]+", text.lower())) for text in whole}


@pytest.mark.parametrize("name", TOPICS)
def test_held_out_phrasings_are_never_trained_on(name: str) -> None:
    asked = [text for topic in TOPICS.values() for text in topic.asked]
    asked += [text for texts in QUESTIONS.values() for text in texts]
    trained = set().union(*map(expansions, asked))
    held_out = set().union(*(expansions(text) for text in TOPICS[name].held_out))
    assert len(held_out) >= 2
    assert not held_out & trained
    # Nor by a few words less or more.
    for one, other in product(held_out, set().union(*map(expansions, TOPICS[name].asked))):
        words, more = set(one.split()), set(other.split())
        assert len(words & more) / len(words | more) < 0.75, (one, other)


@pytest.mark.parametrize("held_out", [False, True])
def test_conversations_say_what_is_true(held_out: bool) -> None:
    generator = np.random.default_rng(5)
    topics = set()
    for _ in range(400):
        talk = conversation(generator, held_out=held_out)
        own = [turn for turn in talk.turns if turn.is_own]
        assert own
        assert len(talk.words) == 9
        for turn in talk.turns:
            assert not re.search(r"[\[\]{}|]", turn.question + turn.answer)
        for turn in own:
            topics.add(turn.answer)
            if turn.question == talk.turns[0].question and turn.answer.startswith(("Yes", "No,")):
                assert count_in(turn.answer) == talk.facts.count
                assert places_in(turn.answer) == set(talk.facts.places)
            else:
                assert not WRONG_START.match(turn.answer)
        # The last answer takes places, numbers and kinds from the photo and what was said alone.
        assert not invented(talk.turns[-1].answer, talk)
    assert len(topics) > 300


def test_inventions_are_found() -> None:
    generator = np.random.default_rng(0)
    talk = next(t for t in (conversation(generator) for _ in range(99)) if not t.facts.defects)
    talk = replace(talk, turns=(replace(talk.turns[-1], question="What do I write?"),))
    assert invented("It weighs 12.5 grams.", talk) == ["12.5"]
    assert invented("Look at the top left.", talk) == ["top left"]
    assert invented("There is a deep scratch.", talk) == ["scratch"]
    assert invented("I see nothing that stands out.", talk) == []
    assert invented("The part is damaged.", talk) == ["is damaged"]
    bad = next(t for t in (conversation(generator) for _ in range(99)) if t.facts.defects)
    assert invented("I can tell you that the part is fine.", bad) == ["part is fine"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("gguf", reason="the package gguf writes the file of these tests")
    model = tiny_model()
    model.config.max_position_embeddings = 4 * CONTEXT  # its words are letters
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", model)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    with gzip.open(folder / "dialogues.jsonl.gz", "wt") as file:
        for number in range(30):
            turns = ["Do you like whales?", "They are large.", f"I saw {number} of them."]
            file.write(json.dumps({"topic": "sea", "turns": turns}) + "\n")
    return folder


@pytest.fixture
def batches(base: Path, texts: Path) -> TalkBatches:
    language_model = LanguageModel.from_pretrained(base, template="chat", device="cpu")
    return TalkBatches(language_model, read_dialogues(texts), tokens=TOKENS, steps=STEPS, seed=0)


def run_stage(base: Path, texts: Path, output: Path, *more: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = ["--gguf", base, "--text", texts, "--output", output, "--answers", 2]
    size = ["--steps", STEPS, "--batch-tokens", TOKENS, "--precision", "float32"]
    return run(parser.parse_args([*map(str, [*given, *size]), *more]))


def test_rows_are_written_as_the_product_reads_them(batches: TalkBatches) -> None:
    talk = conversation(np.random.default_rng(3))
    row = batches.row(talk.words, talk.turns[:1])
    at, lm = batches.prompt_positions, batches.language_model
    assert [row.ids[place] - batches.pieces for place in at] == [
        0, *[1] * BASE_PROMPTS, *(2 + word for word in talk.words),
    ]  # fmt: skip
    marks = torch.randn(1, len(at), WIDTH)
    written = lm.embed([[0 if token >= batches.pieces else token for token in row.ids]])
    written[:, at] = marks
    start = lm.prompt_embeddings(marks[:, :1], marks[:, 1:])
    torch.testing.assert_close(written[:, : at[-1] + 1], start)
    segments = lm.template.training_segments([(talk.turns[0].question, talk.turns[0].answer)])
    assert row.ids[at[-1] + 1 :] == [i for text, _ in segments for i in lm.encode(text)]


def test_what_the_result_answers_is_read_and_not_learned(batches: TalkBatches) -> None:
    generator = np.random.default_rng(0)
    talk = next(t for t in (conversation(generator) for _ in range(99)) if not t.turns[0].is_own)
    row = batches.row(talk.words, talk.turns[:1])
    assert not any(row.targets)
    assert len(row.ids) <= LONGEST_ROW


def test_batches_depend_on_seed_and_step_alone(batches: TalkBatches) -> None:
    first = [batches(step) for step in range(6)]
    again = batches(5)
    for one, other in zip(first[5].spoken, again.spoken, strict=True):
        assert torch.equal(one.ids, other.ids)
        assert one.prompts is not None
        assert other.prompts is not None
        assert torch.equal(one.prompts.noise, other.prompts.noise)
    assert torch.equal(first[5].general[0].ids, again.general[0].ids)
    for step in first:
        assert step.spoken
        assert step.general
        assert all(micro.ids.numel() <= MICRO_TOKENS for micro in (*step.spoken, *step.general))


def test_losses_are_what_they_are_called(batches: TalkBatches) -> None:
    trainer = TalkTrainer(batches.language_model, batches, precision="float32", peak=1e-3, seed=0)
    step = batches(0)
    assert trainer.table.shape == (EXTRA_ROWS, WIDTH)
    assert torch.equal(trainer.table, first_table(batches.language_model))
    # A new LoRA changes nothing.
    assert abs(trainer.kept_loss(step.general[0]).item()) < 1e-3
    micro = step.spoken[0]
    with torch.no_grad():
        for weight in trainer.lora.values():
            weight.normal_(std=0.2)
    assert trainer.kept_loss(step.general[0]).item() > 1
    trainer.spoken_loss(micro).backward()
    assert trainer.table.grad is not None
    assert trainer.table.grad.abs().sum() > 0
    frozen = [w for n, w in batches.language_model.model.named_parameters() if "lora_" not in n]
    assert all(weight.grad is None for weight in frozen)


@pytest.fixture(scope="module")
def trained(base: Path, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("talk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(talk_checks, "PHOTOS", 4)
        patch.setattr(talk_checks, "ROWS", 2)
        assert run_stage(base, texts, output) == 0
    return output


def test_a_run_leaves_an_adapter_and_a_log(trained: Path, base: Path) -> None:
    log = (trained / "log.csv").read_text().splitlines()
    assert log[0] == "step,loss_spoken,loss_kept,tokens,tokens_per_second,seconds"
    assert [line.split(",")[0] for line in log[1:]] == [str(n + 1) for n in range(STEPS)]
    checks = (trained / "checks.csv").read_text().splitlines()
    assert checks[0] == "step,held_loss,verdict,brier,nothing_invented"
    read = LanguageModel.from_pretrained(
        base, template="chat", device="cpu", adapter=trained / ADAPTER
    )
    assert read.has_adapter
    assert load_file(trained / TABLE)["table"].shape == (EXTRA_ROWS, WIDTH)


def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    base: Path, texts: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk_checks, "PHOTOS", 4)
    monkeypatch.setattr(talk_checks, "ROWS", 2)
    advance = TalkTrainer.advance

    def stopped_at_two(trainer: TalkTrainer) -> dict[str, float]:
        if trainer.step == 1:
            signal.raise_signal(signal.SIGINT)
        return advance(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(TalkTrainer, "advance", stopped_at_two)
        assert run_stage(base, texts, tmp_path) == 130
    assert run_stage(base, texts, tmp_path) == 0

    whole, resumed = (torch.load(path / STATE, weights_only=True) for path in (trained, tmp_path))
    assert whole["step"] == resumed["step"] == STEPS
    assert torch.equal(whole["table"], resumed["table"])
    for name, weight in whole["lora"].items():
        assert torch.equal(weight, resumed["lora"][name]), name
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + STEPS


def test_a_run_with_other_settings_is_refused(base: Path, texts: Path, trained: Path) -> None:
    with pytest.raises(DataError, match="begun with another seed"):
        run_stage(base, texts, trained, "--seed", "1")


def test_missing_dialogues_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no dialogues\.jsonl\.gz"):
        read_dialogues(tmp_path)
