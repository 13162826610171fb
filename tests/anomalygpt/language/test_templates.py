"""The published prompt strings, and templates read out of a tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from anomalygpt.errors import ConfigError
from anomalygpt.language.templates import VICUNA_V0, DialogueTemplate, chat_template

PUBLISHED = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "conversation.json").read_text(encoding="utf-8")
)
MARKS = {"bos": "<s>", "image": "[1 image token]", "map_prompts": "[18 prompt tokens]"}

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA2 = (
    "{% for m in messages %}{% if m.role == 'user' %}<s>[INST] {{ m.content | trim }} [/INST]"
    "{% else %} {{ m.content | trim }} </s>{% endif %}{% endfor %}"
)
PLAIN = (
    "{% for m in messages %}{{ 'Q: ' if m.role == 'user' else 'A: ' }}{{ m.content }}\n---\n"
    "{% endfor %}"
)


@pytest.fixture
def tokenizer(tiny_llama_folder: Path):
    return AutoTokenizer.from_pretrained(tiny_llama_folder)


def test_reference_single_turn() -> None:
    assert VICUNA_V0.render([("{question}", None)], **MARKS) == PUBLISHED["single_turn"]


def test_reference_later_turns_and_history() -> None:
    first = VICUNA_V0.render([("q1", "a1")], **MARKS)
    both = VICUNA_V0.render([("q1", "a1"), ("q2", None)], **MARKS)
    later = PUBLISHED["later_human_turn"].format(question="q2")
    assert both == first + later
    assert first.endswith(PUBLISHED["assistant_turn"].format(answer="a1"))
    assert both.endswith(MARKS["map_prompts"] + PUBLISHED["history_example"])


def test_reference_pieces() -> None:
    assert VICUNA_V0.before_image == PUBLISHED["prompt_start"]
    assert VICUNA_V0.after_image == PUBLISHED["image_end"]
    assert VICUNA_V0.stop_strings == (PUBLISHED["stop_string"],)
    assert VICUNA_V0.add_bos


def test_targets_are_the_answers_with_their_end_and_nothing_else() -> None:
    turns = [("q1", "a1"), ("q2", "a2")]
    segments = VICUNA_V0.training_segments(turns)
    assert [text for text, is_target in segments if is_target] == [" a1\n###", " a2\n###"]
    start = VICUNA_V0.before_image + VICUNA_V0.after_image
    assert start + "".join(text for text, _ in segments) == VICUNA_V0.render(turns)


@pytest.mark.parametrize("turns", [[], [("q1", None)], [("q1", None), ("q2", "a2")]])
def test_training_refuses_open_questions(turns: list[tuple[str, str | None]]) -> None:
    with pytest.raises(ConfigError):
        VICUNA_V0.training_segments(turns)


def test_render_refuses_a_gap_in_the_middle() -> None:
    with pytest.raises(ConfigError, match="question 1 of 2"):
        VICUNA_V0.render([("q1", None), ("q2", None)])


def test_empty_stop_string_is_refused() -> None:
    with pytest.raises(ConfigError, match="stop_strings"):
        DialogueTemplate("a", "b", "c", "d", "e", stop_strings=("",), add_bos=True)


def content(question: str, image: str = "[I]", map_prompts: str = "[M]") -> str:
    return f"<Img>{image}</Img> {map_prompts}{question}"


@pytest.mark.parametrize("source", [CHATML, LLAMA2, PLAIN], ids=["chatml", "llama2", "plain"])
def test_chat_template_renders_what_the_tokenizer_renders(tokenizer, source: str) -> None:
    tokenizer.chat_template = source
    template = chat_template(tokenizer)
    messages = [
        {"role": "user", "content": content("Is it good?")},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": "Quite."},
    ]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False)
    ours = template.render(
        [("Is it good?", "Yes."), ("Sure?", "Quite.")], bos="<s>", image="[I]", map_prompts="[M]"
    )
    # What follows the very last answer is the next turn's business.
    assert rendered.startswith(ours)
    assert rendered[len(ours) :].strip() == ""


def test_chat_template_ends_at_a_special_token(tokenizer) -> None:
    tokenizer.add_special_tokens({"eos_token": "<|im_end|>"})
    tokenizer.chat_template = CHATML
    template = chat_template(tokenizer)
    assert template.answer_end == "<|im_end|>"
    assert template.next_turn == "\n<|im_start|>user\n"
    assert template.stop_strings == ("<|im_end|>",)
    assert not template.add_bos


def test_chat_template_takes_the_bos_out_of_the_text(tokenizer) -> None:
    tokenizer.chat_template = LLAMA2
    template = chat_template(tokenizer)
    assert template.add_bos
    assert template.before_image == "[INST] <Img>"
    assert (template.answer_end, template.next_turn) == (" </s>", "<s>[INST] ")
    assert template.answer_space == " "


def test_chat_template_without_special_tokens_stops_at_its_separator(tokenizer) -> None:
    tokenizer.chat_template = PLAIN
    template = chat_template(tokenizer)
    assert template.stop_strings == ("---", "</s>")
    assert template.answer_cue.endswith("A: ")


def test_tokenizer_without_chat_template(tokenizer) -> None:
    with pytest.raises(ConfigError, match="no chat template"):
        chat_template(tokenizer)


@pytest.mark.parametrize(
    "source",
    [
        "{% for m in messages %}{{ m.role }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
        "{% for m in messages | reverse %}{{ m.content }}\n{% endfor %}",
        "{% for m in messages %}{{ m.content }} {% endfor %}",
        "{{ raise_exception('system message first') }}",
    ],
    ids=["drops", "repeats", "reorders", "no separator", "refuses"],
)
def test_unusable_chat_templates(tokenizer, source: str) -> None:
    tokenizer.chat_template = source
    with pytest.raises(ConfigError, match="chat template"):
        chat_template(tokenizer)
