"""How an answer is sampled, streamed and stopped."""

from __future__ import annotations

import pytest
import torch

from anomalygpt.errors import ConfigError
from anomalygpt.language.generation import AnswerText, GenerationOptions
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.speaking import open_dialogue
from tests.tiny_llama import QUESTION, SHORT, Scripted, picture


def test_stream_is_the_answer_in_pieces_and_greedy_repeats(lm: LanguageModel) -> None:
    texts = []
    for _ in range(2):
        dialogue = open_dialogue(lm, *picture())
        dialogue.ask(QUESTION)
        texts.append(list(dialogue.stream(SHORT)))
    dialogue = open_dialogue(lm, *picture())
    dialogue.ask(QUESTION)
    assert texts[0] == texts[1]
    assert len(texts[0]) > 2
    assert "".join(texts[0]) == dialogue.answer(SHORT)


def test_samples_follow_their_seed(lm: LanguageModel) -> None:
    def sample(seed: int | None) -> str:
        dialogue = open_dialogue(lm, *picture())
        dialogue.ask(QUESTION)
        options = GenerationOptions(max_new_tokens=8, temperature=2.0, top_p=0.95, seed=seed)
        return dialogue.answer(options)

    assert sample(7) == sample(7)
    assert len({sample(seed) for seed in range(4)}) > 1
    assert len({sample(None) for _ in range(4)}) > 1


@pytest.mark.parametrize(
    "settings",
    [
        {"max_new_tokens": 0},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"seed": -1},
    ],
)
def test_options_outside_their_range(settings: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        GenerationOptions(**settings)


def test_stop_string_split_over_tokens_is_never_shown(scripted: Scripted) -> None:
    spelled = scripted.encode("It is fine. #")
    hashes = [scripted.encode("a##")[-1]]
    ids = spelled + hashes + scripted.encode("more")
    assert scripted.decode(ids).startswith("It is fine. ###")
    scripted.say(ids)
    dialogue = open_dialogue(scripted, *picture())
    dialogue.ask(QUESTION)
    assert list(dialogue.stream())[-1][-1] == "."
    scripted.say(ids)
    again = open_dialogue(scripted, *picture())
    again.ask(QUESTION)
    assert again.answer() == "It is fine."


@pytest.mark.parametrize("seed", range(5))
def test_any_text_in_any_tokens_comes_out_whole(lm: LanguageModel, seed: int) -> None:
    """Random ids, with broken bytes among them: no piece shows a part of the stop string."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 400, (60,), generator=generator).tolist()
    ids += [*lm.encode("ends é☃"), lm.tokenizer.eos_token_id]
    text = AnswerText(lm.decode, ("ends é",), lm.stop_ids)
    shown = "".join(text.push(token) for token in ids)
    assert text.done
    assert text.wrote_end
    assert "ends" not in shown
    assert shown == shown.strip()


def test_characters_of_several_tokens_arrive_whole(lm: LanguageModel) -> None:
    text = AnswerText(lm.decode, ("###",), lm.stop_ids)
    pieces = [text.push(token) for token in [*lm.encode("it ☃ é #1"), lm.tokenizer.eos_token_id]]
    assert "".join(pieces) == "it ☃ é #1"
    assert not any("\ufffd" in piece for piece in pieces)
