"""Dialogues about a picture: first words, batches, later turns and answers that were given."""

from __future__ import annotations

import itertools
import shutil
import threading
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from anomalygpt.errors import ConfigError, DialogueTooLongError
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.speaking import open_dialogue
from tests.tiny_llama import QUESTION, SHORT, Scripted, load, picture

# --- the first answer --------------------------------------------------------------------------


@pytest.mark.parametrize("shapes", [((1, 1, 16), (1, 18, 32)), ((2, 1, 32), (1, 18, 32))])
def test_embeddings_of_another_shape_are_refused(lm: LanguageModel, shapes) -> None:
    with pytest.raises(ConfigError, match="32"):
        open_dialogue(lm, *(torch.zeros(shape) for shape in shapes))


@pytest.mark.parametrize("word", ["yes", "no"])
@pytest.mark.parametrize("seed", range(4))
def test_forced_first_word_never_contradicts(lm: LanguageModel, word, seed: int) -> None:
    dialogue = open_dialogue(lm, *picture(seed=seed))
    dialogue.ask(QUESTION)
    best = dialogue.probabilities()
    token = {"yes": best.yes_token, "no": best.no_token}[word].item()
    options = GenerationOptions(max_new_tokens=3, temperature=1.5, seed=seed)
    answer = dialogue.answer(options, first_word=word)
    assert answer.lower().startswith(word)
    assert answer.startswith(lm.decode([token]).strip())


def test_forced_words_of_a_batch(lm: LanguageModel) -> None:
    dialogue = open_dialogue(lm, *picture(batch=3))
    dialogue.ask(QUESTION)
    assert dialogue.probabilities().anomaly.shape == (3,)
    words = ["no", "yes", "no"]
    answers = dialogue.answers(SHORT, first_words=words)
    assert all(a.lower().startswith(w) for a, w in zip(answers, words, strict=True))


def test_batch_says_what_single_pictures_say(lm: LanguageModel) -> None:
    image, prompts = picture(batch=3)
    together = open_dialogue(lm, image, prompts)
    together.ask(QUESTION)
    alone = [open_dialogue(lm, image[i : i + 1], prompts[i : i + 1]) for i in range(3)]
    for dialogue in alone:
        dialogue.ask(QUESTION)
    singles = torch.cat([dialogue.probabilities().anomaly for dialogue in alone])
    torch.testing.assert_close(together.probabilities().anomaly, singles)
    answers = [dialogue.answer(SHORT) for dialogue in alone]
    assert together.answers(SHORT) == answers
    assert len(set(answers)) > 1


# --- later turns -------------------------------------------------------------------------------


def from_scratch(lm: LanguageModel, image: Tensor, prompts: Tensor, ids: list[int]) -> Tensor:
    row = torch.cat([lm.prompt_embeddings(image, prompts), lm.embed([ids])], dim=1)
    with torch.no_grad():
        return lm.model(inputs_embeds=row, use_cache=False).logits[:, -1]


def next_question(lm: LanguageModel, question: str) -> list[int]:
    return lm.encode("Human: " + question + "\n### Assistant:")


def test_cut_answer_is_ended_and_only_new_tokens_are_read(lm: LanguageModel) -> None:
    image, prompts = picture()
    dialogue = open_dialogue(lm, image, prompts)
    dialogue.ask(QUESTION)
    options = GenerationOptions(max_new_tokens=5)
    logits, said = [], []
    for _ in dialogue._generate(options, None):
        said.append(dialogue._unread[0])
        logits.append(dialogue._logits)
    assert [step.argmax().item() for step in logits] == said
    before = dialogue.tokens_processed
    dialogue.ask("Where is it?")
    end = lm.encode("a" + "x\n###")[len(lm.encode("ax")) :]
    later = end + next_question(lm, "Where is it?")
    assert dialogue.tokens_processed - before == 1 + len(later)
    assert dialogue.tokens_processed == len(dialogue)
    ids = lm.encode(QUESTION + "\n### Assistant:") + said + later
    expected = from_scratch(lm, image, prompts, ids)
    torch.testing.assert_close(dialogue._logits, expected, atol=1e-4, rtol=1e-4)


def test_answer_that_wrote_its_end_is_not_ended_twice(scripted: Scripted) -> None:
    said = scripted.encode("No.\n###")
    scripted.say(said)
    dialogue = open_dialogue(scripted, *picture())
    dialogue.ask(QUESTION)
    assert dialogue.answer() == "No."
    before = len(dialogue)
    dialogue.ask("Sure?")
    # The last token, which held the end, was not read yet.
    assert len(dialogue) - before == 1 + len(next_question(scripted, "Sure?"))


def test_end_token_gives_way_to_the_published_end(scripted: Scripted) -> None:
    scripted.say([*scripted.encode("No."), scripted.tokenizer.eos_token_id])
    dialogue = open_dialogue(scripted, *picture())
    dialogue.ask(QUESTION)
    assert dialogue.answer() == "No."
    before = len(dialogue)
    dialogue.ask("Sure?")
    added = len(scripted.answer_end_ids) + len(next_question(scripted, "Sure?"))
    assert len(dialogue) - before == added
    assert scripted.decode(scripted.encode("x") + scripted.answer_end_ids) == "x\n###"


def test_interrupted_stream_leaves_a_usable_dialogue(lm: LanguageModel) -> None:
    whole, broken = open_dialogue(lm, *picture()), open_dialogue(lm, *picture())
    for dialogue in (whole, broken):
        dialogue.ask(QUESTION)
    whole.answer(GenerationOptions(max_new_tokens=3))
    steps = broken._generate(SHORT, None)
    list(itertools.islice(steps, 3))
    steps.close()
    for dialogue in (whole, broken):
        dialogue.ask("Where is it?")
    torch.testing.assert_close(whole._logits, broken._logits)
    assert len(whole) == len(broken)


def test_interruption_inside_the_model_is_undone(lm: LanguageModel) -> None:
    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    whole, broken = open_dialogue(lm, *picture()), open_dialogue(lm, *picture())
    for dialogue in (whole, broken):
        dialogue.ask(QUESTION)
    hook = lm.model.model.layers[1].register_forward_pre_hook(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            broken.answer(SHORT)
    finally:
        hook.remove()
    whole.answer(GenerationOptions(max_new_tokens=1))
    for dialogue in (whole, broken):
        dialogue.ask("Where is it?")
    torch.testing.assert_close(whole._logits, broken._logits)


def test_an_old_stream_ends_when_a_new_question_is_asked(lm: LanguageModel) -> None:
    dialogue = open_dialogue(lm, *picture())
    dialogue.ask(QUESTION)
    stream = dialogue.stream(SHORT)
    next(stream)
    dialogue.ask("Where is it?")
    processed = dialogue.tokens_processed
    assert list(stream) == []
    assert dialogue.tokens_processed == processed
    assert isinstance(dialogue.answer(SHORT), str)


def test_interleaved_dialogues_do_not_meet(lm: LanguageModel) -> None:
    def talk(seed: int) -> list[str]:
        dialogue = open_dialogue(lm, *picture(seed=seed))
        answers = []
        for question in (QUESTION, "Where is it?"):
            dialogue.ask(question)
            answers.append(dialogue.answer(SHORT))
        return answers

    alone = [talk(0), talk(1)]
    pair = [open_dialogue(lm, *picture(seed=seed)) for seed in (0, 1)]
    mixed: list[list[str]] = [[], []]
    for question in (QUESTION, "Where is it?"):
        for dialogue in pair:
            dialogue.ask(question)
        streams = [dialogue.stream(SHORT) for dialogue in pair]
        pieces = list(itertools.zip_longest(*streams, fillvalue=""))
        for texts, parts in zip(mixed, zip(*pieces, strict=True), strict=True):
            texts.append("".join(parts))
    assert mixed == alone

    threaded: dict[int, list[str]] = {}
    threads = [
        threading.Thread(target=lambda seed=seed: threaded.update({seed: talk(seed)}))
        for seed in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [threaded[0], threaded[1]] == alone


def test_too_long_a_question_says_so_and_changes_nothing(lm: LanguageModel) -> None:
    dialogue = open_dialogue(lm, *picture())
    with pytest.raises(DialogueTooLongError, match=r"512.*new chat"):
        dialogue.ask("é" * 600)
    dialogue.ask(QUESTION)
    dialogue.answer(SHORT)
    length = len(dialogue)
    with pytest.raises(DialogueTooLongError):
        dialogue.ask("é" * 600)
    assert len(dialogue) == length
    dialogue.ask("Where is it?")


def test_answer_ends_with_the_context(lm: LanguageModel) -> None:
    dialogue = open_dialogue(lm, *picture())
    space = 512 - dialogue._prompt.shape[1] - len(lm.encode("é\n### Assistant:"))
    dialogue.ask("é" * (space // 2 - 1))
    dialogue.answer(GenerationOptions(max_new_tokens=10_000))
    assert len(dialogue) < 512
    with pytest.raises(DialogueTooLongError):
        dialogue.ask("And now?")


def test_calls_in_the_wrong_order(lm: LanguageModel) -> None:
    dialogue = open_dialogue(lm, *picture())
    for call in (dialogue.probabilities, dialogue.answer, dialogue.stream):
        with pytest.raises(ConfigError, match="call ask first"):
            call()
    dialogue.ask(QUESTION)
    dialogue.answer(SHORT)
    with pytest.raises(ConfigError, match="call ask first"):
        dialogue.answer(SHORT)
    batch = open_dialogue(lm, *picture(batch=2))
    batch.ask(QUESTION)
    with pytest.raises(ConfigError, match="one picture"):
        batch.answer()
    with pytest.raises(ConfigError, match="first words"):
        batch.answers(first_words=["yes"])
    with pytest.raises(ConfigError, match="one picture"):
        batch.ask("Where is it?")


# --- answers that were given -------------------------------------------------------------------


def test_a_given_answer_is_read_like_one_that_was_written(lm) -> None:
    """`say`, `remember` and `retract` leave the same dialogue."""
    said = open_dialogue(lm, *picture())
    said.ask("Where is it?")
    said.say("It is a part.")
    remembered = open_dialogue(lm, *picture())
    remembered.remember("Where is it?", "It is a part.")
    assert remembered.tokens_processed == 0
    taken_back = open_dialogue(lm, *picture())
    taken_back.ask("Where is it?")
    taken_back.answer(GenerationOptions(max_new_tokens=5))
    taken_back.retract("It is a part.")
    found = []
    for dialogue in (said, remembered, taken_back):
        dialogue.ask("What is in the image?")
        found.append((len(dialogue), dialogue.probabilities().anomaly))
    assert len({length for length, _ in found}) == 1
    for _, anomaly in found[1:]:
        assert torch.allclose(anomaly, found[0][1], atol=1e-5)


def test_an_answer_is_given_once_and_to_a_question(lm) -> None:
    dialogue = open_dialogue(lm, *picture())
    with pytest.raises(ConfigError, match="no question"):
        dialogue.say("It is fine.")
    with pytest.raises(ConfigError, match="no answer was written"):
        dialogue.retract("It is fine.")
    dialogue.ask("Where is it?")
    dialogue.say("It is fine.")
    with pytest.raises(ConfigError, match="answered already"):
        dialogue.say("It is fine.")
    with pytest.raises(ConfigError, match="no answer was written"):
        dialogue.retract("It is fine.")


# --- other templates and tokenizers ------------------------------------------------------------


def test_chat_template_dialogue(tiny_llama_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_llama_folder, tmp_path / "chat")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}"
        "{% if m.role == 'assistant' %}</s>{% endif %}{{ '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant] {% endif %}"
    )
    tokenizer.save_pretrained(folder)
    lm = LanguageModel.from_pretrained(folder, template="chat", device="cpu")
    assert lm.template.before_image == "[user] <Img>"
    assert lm.answer_end_ids == [lm.tokenizer.eos_token_id]
    dialogue = open_dialogue(lm, *picture())
    dialogue.ask(QUESTION)
    dialogue.answer(GenerationOptions(max_new_tokens=4), first_word="no")
    before = dialogue.tokens_processed
    dialogue.ask("Sure?")
    assert dialogue.tokens_processed - before in (
        len(lm.answer_end_ids) + len(lm.encode("\n[user] Sure?\n[assistant] ")) + unread
        for unread in (0, 1)
    )


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_byte_level_tokenizer_and_another_architecture(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([f"Yes No {QUESTION}"] * 20, trainer)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>")
    wrapped.chat_template = CHATML
    wrapped.save_pretrained(tmp_path)
    config = Qwen2Config(
        vocab_size=len(wrapped),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=96,
        tie_word_embeddings=True,
    )
    Qwen2ForCausalLM(config).save_pretrained(tmp_path)

    lm = load(tmp_path, template="chat")
    assert lm.context_length == 96
    assert lm.encode(" Yes") != lm.encode("Yes")
    dialogue = open_dialogue(lm, *picture())
    dialogue.ask(QUESTION)
    assert dialogue.answer(GenerationOptions(max_new_tokens=4), first_word="yes")[:3] == "Yes"
    unread = len(dialogue._unread)
    before = len(dialogue)
    dialogue.ask("Where?")
    piece = "<|im_end|>\n<|im_start|>user\nWhere?<|im_end|>\n<|im_start|>assistant\n"
    assert len(dialogue) - before == unread + len(lm.encode(piece))
