"""Dialogues about nine words, and the training of a language model on them."""

from __future__ import annotations

import argparse
import gzip
import json
import re
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaForCausalLM

from anomalygpt.language.language_model import LanguageModel
from embedded import corpus, language_checks
from embedded.corpus import Corpus
from embedded.language import add_arguments, run
from embedded.language_batches import MICRO_TOKENS, Batches, drawn_words
from embedded.language_checks import check
from embedded.language_trainer import Trainer, rate
from embedded.notation import (
    CLEAN,
    EXTRA_ROWS,
    facts_of_words,
    is_placed,
    placed_word,
    random_words,
    settled,
)
from embedded.speech import dialogue, is_chatter
from simulation.dialogues.english.questions import QUESTIONS
from simulation.dialogues.english.reading import count_in, places_in

PIECES, STEPS = 700, 6
CHATTER = ("I love the ocean and its whales.", "Did you watch the new movie with her?")
WRONG_START = re.compile(r"(yes|no|not|nothing)\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    lines = [{"topic": "sea", "turns": [*CHATTER, f"It was number {n}."]} for n in range(60)]
    with gzip.open(folder / "dialogues.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    with gzip.open(folder / "books.txt.gz", "wt") as file:
        file.write("Once upon a time there was a ship that sailed the sea.\n\n" * 300)
    return folder


def options_for(texts: Path, output: Path, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    small = ["--pieces", str(PIECES), "--width", "32", "--layers", "1", "--heads", "2"]
    size = ["--steps", str(STEPS), "--batch-tokens", "1024", "--precision", "float32"]
    return parser.parse_args(["--text", str(texts), "--output", str(output), *small, *size, *more])


@pytest.fixture(scope="module")
def trained(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    before, output = torch.get_num_threads(), tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(language_checks, "CHECKED", 4)
        patch.setattr(corpus, "TOKENIZER_DIALOGUES", 300)
        assert run(options_for(texts, output)) == 0
    torch.set_num_threads(before)
    return output


@pytest.fixture(scope="module")
def reader(trained: Path) -> LanguageModel:
    return LanguageModel.from_pretrained(trained / "language_model", device="cpu")


def batches_of(reader: LanguageModel, seed: int = 0) -> Batches:
    read = Corpus(np.arange(3, 600, dtype=np.uint16), CHATTER)
    return Batches(reader, read, pieces=PIECES, tokens=3000, steps=20, seed=seed)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_dialogues_agree_with_the_words(seed: int) -> None:
    generator = np.random.default_rng(seed)
    words = random_words(generator)
    facts = facts_of_words(words)

    turns = dialogue(words, generator, CHATTER)

    assert 1 <= len(turns) <= 20
    for question, answer in turns:
        assert not re.search(r"[\[\]{}|]", question + answer)
        if answer.startswith(("Yes", "No")):
            assert answer.startswith("Yes" if facts.defects else "No")
            assert places_in(answer) in (set(facts.places), set())
            assert count_in(answer) == facts.count
        else:
            assert not WRONG_START.match(answer)


def test_dialogues_decline_and_do_not_guess() -> None:
    generator = np.random.default_rng(0)
    words = (placed_word(1, 3), *(CLEAN,) * 8)
    talks = [dialogue(words, generator, CHATTER) for _ in range(400)]
    turns = [turn for talk in talks for turn in talk]

    said = [answer for question, answer in turns if question in CHATTER]
    assert len(set(said)) > 5
    assert not any(answer.startswith("Yes") for answer in said)
    shape = {answer for question, answer in turns if question in QUESTIONS["shape"]}
    assert shape
    assert not any(re.search("elongated|compact|roundish", answer) for answer in shape)
    assert not any("reference" in answer for _, answer in turns)
    assert 0.03 < sum(len(talk) > 8 for talk in talks) / len(talks) < 0.08


@pytest.mark.parametrize(
    ("line", "is_off"),
    [(CHATTER[0], True), ("Is it broken there?", False), ("Oh yes.", False), ("a " * 26, False)],
)
def test_chatter_is_what_cannot_be_meant(line: str, is_off: bool) -> None:
    assert is_chatter(line) is is_off


def test_a_mixture_is_true_with_its_odds() -> None:
    generator = np.random.default_rng(0)
    drawn = [drawn_words(generator) for _ in range(4000)]
    mixed = [(true, read, blend) for true, read, blend in drawn if blend is not None]

    assert 0.15 < len(mixed) / len(drawn) < 0.3
    assert all(settled(true) == true for true, _, _ in drawn)
    soft = [
        (blend.share, is_placed(true[blend.cell]))
        for true, read, blend in mixed
        if not is_placed(blend.other)
    ]
    low = [placed for share, placed in soft if share < 0.3]
    high = [placed for share, placed in soft if share > 0.7]
    assert np.mean(low) < 0.25
    assert np.mean(high) > 0.75


def test_rows_are_written_as_the_product_reads_them(reader: LanguageModel) -> None:
    batches = batches_of(reader)
    words = random_words(np.random.default_rng(3))
    turns = [("Is there any anomaly in the image?", "No."), ("Sure?", "I am.")]

    row = batches.row(words, turns)

    at = batches.prompt_positions
    assert [row.ids[place] - PIECES for place in at] == [0, *[1] * 9, *(2 + w for w in words)]
    whole = reader.embed([row.ids])
    start = reader.prompt_embeddings(whole[:, at[:1]], whole[:, at[1:]])
    torch.testing.assert_close(whole[:, : at[-1] + 1], start)
    segments = reader.template.training_segments(turns)
    assert row.ids[at[-1] + 1 :] == [i for text, _ in segments for i in reader.encode(text)]
    written = [token for token, said in zip(row.ids, row.targets, strict=True) if said]
    assert written == [i for text, said in segments if said for i in reader.encode(text)]


def test_batches_depend_on_seed_and_step_alone(reader: LanguageModel) -> None:
    first, second = batches_of(reader), batches_of(reader)
    straight = [first(step) for step in range(10)]

    for micro, again in zip(straight[9], second(9), strict=True):
        torch.testing.assert_close(micro.ids, again.ids)
        if micro.prompts is not None and again.prompts is not None:
            torch.testing.assert_close(micro.prompts.noise, again.prompts.noise)
    assert not torch.equal(straight[9][0].ids, batches_of(reader, seed=1)(9)[0].ids)
    sizes = [sum(micro.ids.numel() for micro in step) for step in straight[:8]]
    assert 0.8 * 3000 < np.mean(sizes) < 1.5 * 3000
    assert all(micro.ids.numel() <= MICRO_TOKENS for step in straight for micro in step)


def test_the_loss_covers_targets_alone(reader: LanguageModel) -> None:
    batches = batches_of(reader)
    micro = next(micro for micro in batches(0) if micro.prompts is not None)
    model = LlamaForCausalLM(reader.model.config)
    trainer = Trainer(LanguageModel(model, reader.tokenizer, reader.template), batches, "float32")

    plain = replace(micro, prompts=None)
    with torch.no_grad():
        labels = micro.ids.masked_fill(~micro.targets, -100)
        expected = model(input_ids=micro.ids, labels=labels).loss * micro.targets.sum()
        torch.testing.assert_close(trainer.loss(plain), expected, rtol=1e-4, atol=1e-3)
        assert trainer.loss(micro) != trainer.loss(plain)


def test_a_run_leaves_a_model_a_log_and_checks(trained: Path, reader: LanguageModel) -> None:
    assert reader.model.get_input_embeddings().num_embeddings == PIECES + EXTRA_ROWS
    assert (trained / "language_model" / "tokenizer.model").is_file()
    log = (trained / "log.csv").read_text().splitlines()
    assert log[0] == "step,loss_text,loss_speech,tokens,seconds"
    assert [line.split(",")[0] for line in log[1:]] == [str(n + 1) for n in range(STEPS)]
    checks = (trained / "checks.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in checks[1:]] == [str(n + 1) for n in range(STEPS)]
    assert set(check(reader, PIECES, 0, 1)) == {"verdict", "places", "count", "where", "brier"}


def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    texts: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language_checks, "CHECKED", 2)
    monkeypatch.setattr(corpus, "TOKENIZER_DIALOGUES", 300)
    threads, advance = torch.get_num_threads(), Trainer.advance

    def stopped_at_two(trainer: Trainer) -> dict[str, float]:
        if trainer.step == 1:
            signal.raise_signal(signal.SIGINT)
        return advance(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "advance", stopped_at_two)
        assert run(options_for(texts, tmp_path)) == 130
    assert run(options_for(texts, tmp_path)) == 0
    torch.set_num_threads(threads)

    whole, resumed = (
        torch.load(path / "state.pt", weights_only=True)["model"] for path in (trained, tmp_path)
    )
    for name, weight in whole.items():
        torch.testing.assert_close(weight, resumed[name])
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + STEPS


def test_the_rate_rises_and_falls() -> None:
    rates = [rate(step, 100) for step in range(100)]

    assert max(rates) == rates[3] == 1
    assert rates[0] < 0.5
    assert 0.04 < rates[-1] < 0.06


@pytest.mark.parametrize(
    ("answer", "count", "places"),
    [
        ("No, I see nothing wrong.", 0, set()),
        ("Yes, a flaw at the upper left. It covers about 3 percent.", 1, {"top left"}),
        ("Yes, I see two faults, at the centre and left.", 2, {"center", "left"}),
        ("Yes, there are 12 anomalies at the top and lower middle.", 12, {"top", "bottom"}),
    ],
)
def test_answers_are_read_for_count_and_places(answer: str, count: int, places: set[str]) -> None:
    assert count_in(answer) == count
    assert places_in(answer) == places
