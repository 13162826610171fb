"""The language model on a tiny random LLaMA: loading, probabilities, dialogues, LoRA."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
from pathlib import Path

import pytest
import sentencepiece
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import (
    AutoTokenizer,
    DynamicCache,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from anomalygpt.errors import (
    CheckpointError,
    ConfigError,
    DeviceError,
    DialogueTooLongError,
    MissingExtraError,
    MissingPartError,
    SourceError,
)
from anomalygpt.language import loading as language_model_loading
from anomalygpt.language.answer_words import AnswerWords
from anomalygpt.language.generation import AnswerText, GenerationOptions
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.speaking import open_dialogue
from anomalygpt.language.templates import VICUNA_V0

FIXTURES = Path(__file__).parents[2] / "fixtures"
QUESTION = "Is there any anomaly in the image?"
SHORT = GenerationOptions(max_new_tokens=12)


@pytest.fixture(scope="module")
def lm(tiny_llama_folder: Path) -> LanguageModel:
    return LanguageModel.from_pretrained(tiny_llama_folder, device="cpu")


def picture(batch: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(batch, 1, 32, generator=generator),
        torch.randn(batch, 18, 32, generator=generator),
    )


class Scripted(LanguageModel):
    """Says the ids of `script`, one after the other, whatever it reads."""

    def say(self, ids: list[int]) -> None:
        self.script = iter(ids)

    def next_logits(self, embeddings: Tensor, cache) -> Tensor:
        logits = super().next_logits(embeddings, cache)
        token = next(self.script, self.tokenizer.eos_token_id)
        return torch.nn.functional.one_hot(torch.tensor([token]), logits.shape[-1]) * 100.0


@pytest.fixture
def scripted(lm: LanguageModel) -> Scripted:
    return Scripted(lm.model, lm.tokenizer, VICUNA_V0)


@pytest.mark.parametrize("name", ["cache", "past_key_values"])
def test_the_cache_goes_by_the_name_that_the_model_knows(lm: LanguageModel, name: str) -> None:
    said = {}

    class Renamed(torch.nn.Module):
        config = lm.model.config
        generation_config = lm.model.generation_config
        get_input_embeddings = staticmethod(lm.model.get_input_embeddings)

        def run(self, cache, **options):
            said["cache"] = cache
            return lm.model(**options, **{lm._cache_argument: cache})

        if name == "cache":

            def forward(self, inputs_embeds=None, cache=None, use_cache=None):
                return self.run(cache, inputs_embeds=inputs_embeds, use_cache=use_cache)
        else:

            def forward(self, inputs_embeds=None, past_key_values=None, use_cache=None):
                return self.run(past_key_values, inputs_embeds=inputs_embeds, use_cache=use_cache)

    renamed = LanguageModel(Renamed(), lm.tokenizer, VICUNA_V0)
    cache, start = DynamicCache(), lm.prompt_embeddings(*picture())
    expected = lm.last_logits(start, 1)[:, 0]
    torch.testing.assert_close(renamed.next_logits(start, cache), expected)
    assert said["cache"] is cache
    assert cache.get_seq_length() == start.shape[1]


# --- reading text ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["### Human: <Img>", "</Img> ", QUESTION + "\n### Assistant:", "Yes, it is.\n###", "é☃"]
)
def test_pieces_are_tokenized_as_sentencepiece_does(
    lm: LanguageModel, tiny_llama_folder: Path, text: str
) -> None:
    reference = sentencepiece.SentencePieceProcessor(
        model_file=str(tiny_llama_folder / "tokenizer.model")
    )
    assert lm.encode(text) == reference.encode(text)
    # The space before a later piece is the one that SentencePiece adds, not a second one.
    assert lm.encode(" " + text) == lm.encode(text)


def test_a_tokenizer_that_splits_otherwise_is_noticed(
    tiny_llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As transformers before 5.3 did: every model then talked nonsense, without an error."""
    original = language_model_loading.AutoTokenizer

    class ByLetters:
        @staticmethod
        def from_pretrained(*names, **options):
            tokenizer = original.from_pretrained(*names, **options)
            monkeypatch.setattr(type(tokenizer), "tokenize", lambda _, text: list(text))
            return tokenizer

    monkeypatch.setattr(language_model_loading, "AutoTokenizer", ByLetters)
    with pytest.raises(CheckpointError, match=r"reads .*tokenizer.model wrongly; install"):
        language_model_loading.load_tokenizer(tiny_llama_folder)


def test_frozen_and_described(lm: LanguageModel) -> None:
    assert lm.width == 32
    assert lm.context_length == 512
    assert lm.device == torch.device("cpu")
    assert not lm.model.training
    assert not any(weight.requires_grad for weight in lm.model.parameters())
    assert lm.embed_text("").shape == (1, 0, 32)


def test_prompt_follows_the_published_order(lm: LanguageModel) -> None:
    image, prompts = picture(batch=2)
    row = lm.prompt_embeddings(image, prompts)
    bos = lm.embed([[lm.tokenizer.bos_token_id]])
    before, after = lm.embed_text("### Human: <Img>"), lm.embed_text("</Img> ")
    expected = torch.cat([bos, before, image[1:], after, prompts[1:]], dim=1)
    torch.testing.assert_close(row[1:], expected)
    without_map = torch.cat([bos, before, image[1:], after], dim=1)
    torch.testing.assert_close(lm.prompt_embeddings(image, None)[1:], without_map)


def test_gradients_reach_the_prompts_through_the_frozen_model(lm: LanguageModel) -> None:
    image, prompts = picture()
    prompts.requires_grad_()
    lm.model(inputs_embeds=lm.prompt_embeddings(image, prompts)).logits.sum().backward()
    assert prompts.grad is not None
    assert prompts.grad.abs().sum() > 0


@pytest.mark.parametrize("shapes", [((1, 1, 16), (1, 18, 32)), ((2, 1, 32), (1, 18, 32))])
def test_embeddings_of_another_shape_are_refused(lm: LanguageModel, shapes) -> None:
    with pytest.raises(ConfigError, match="32"):
        open_dialogue(lm, *(torch.zeros(shape) for shape in shapes))


# --- yes or no ---------------------------------------------------------------------------------


def test_every_spelling_of_yes_counts(lm: LanguageModel) -> None:
    vocabulary = lm.tokenizer.get_vocab()
    for piece in ("▁Yes", "▁yes", "▁YES"):
        logits = torch.full((1, 400), -20.0)
        logits[0, vocabulary[piece]] = 20.0
        found = lm.answer_probabilities(logits)
        assert found.yes.item() > 0.99
        assert found.anomaly.item() > 0.99
        assert found.yes_token.item() == vocabulary[piece]
    assert not set(lm.answer_words.yes) & set(lm.answer_words.no)


def test_spellings_are_summed(lm: LanguageModel) -> None:
    logits = torch.randn(3, 400, generator=torch.Generator().manual_seed(1))
    mass = logits.softmax(-1)
    found = lm.answer_probabilities(logits)
    torch.testing.assert_close(found.yes, mass[:, list(lm.answer_words.yes)].sum(-1))
    torch.testing.assert_close(found.anomaly, found.yes / (found.yes + found.no))


def test_probability_is_defined_where_both_masses_vanish(lm: LanguageModel) -> None:
    logits = torch.zeros(2, 400, dtype=torch.bfloat16)
    logits[:, 300] = 3e4
    logits[1, list(lm.answer_words.yes)] = 2.0
    found = lm.answer_probabilities(logits)
    assert found.yes.tolist() == found.no.tolist() == [0.0, 0.0]
    assert found.anomaly[1] > found.anomaly[0]
    nothing = torch.zeros(1, 400)
    nothing[0, [*lm.answer_words.yes, *lm.answer_words.no]] = -torch.inf
    assert lm.answer_probabilities(nothing).anomaly.item() == 0.5


def test_values_that_are_not_numbers_are_an_error(lm: LanguageModel) -> None:
    with pytest.raises(DeviceError, match="bfloat16"):
        lm.answer_probabilities(torch.full((1, 400), torch.nan))


class Letters:
    """A vocabulary of single letters, optionally with a piece of their own for spaces."""

    def __init__(self, space: str) -> None:
        self._space = space

    def get_vocab(self) -> dict[str, int]:
        return {chr(number): number for number in range(128)}

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in self._space + text.strip()]


def test_words_of_several_tokens_count_by_their_first() -> None:
    letters = Letters(space="")
    words = AnswerWords.from_tokenizer(letters, letters.encode)
    assert set(words.yes) == {ord("Y"), ord("y")}
    assert set(words.no) == {ord("N"), ord("n")}
    assert words.spelled("yes", ord("Y")) == tuple(map(ord, "Yes"))


def test_words_that_begin_alike_are_an_error() -> None:
    letters = Letters(space="_")
    with pytest.raises(ConfigError, match="same first token"):
        AnswerWords.from_tokenizer(letters, letters.encode)


# --- answers -----------------------------------------------------------------------------------


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
    with pytest.raises(DialogueTooLongError, match=r"512.*new dialogue"):
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


# --- loading -----------------------------------------------------------------------------------


@pytest.fixture
def folder(tiny_llama_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_llama_folder, tmp_path / "model")


def load(source: str | Path, **options) -> LanguageModel:
    return LanguageModel.from_pretrained(source, **{"device": "cpu", **options})


def test_missing_folder_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"config\.json.*tokenizer.*into the folder .*vicuna"):
        load(tmp_path / "vicuna")
    with pytest.raises(SourceError, match="into the folder"):
        load("./not/here")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.model", "model.safetensors"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(SourceError, match=rf"lacks .*{name}"):
        load(folder)


def test_hub_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_, **__):
        raise OSError("We couldn't connect")

    monkeypatch.setattr(language_model_loading.AutoTokenizer, "from_pretrained", offline)
    with pytest.raises(SourceError, match=r"hub.*offline.*into the folder someone/model"):
        load("someone/model")


UP = "model.layers.1.mlp.up_proj.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop(UP), f"missing: {UP}"),
        (lambda s: s.update({"model.extra": torch.zeros(2)}), r"unexpected: model\.extra"),
        (lambda s: s.update({UP: torch.zeros(3, 4)}), rf"another shape: {UP} \(3, 4\)"),
    ],
    ids=["missing", "unexpected", "another shape"],
)
def test_weights_that_do_not_fit_are_named(folder: Path, change, message: str) -> None:
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=message):
        load(folder)


def test_missing_shard_names_file_and_key(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {key: f"model-{1 + (key == UP)}-of-2.safetensors" for key in state}
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    first = {key: value for key, value in state.items() if key != UP}
    save_file(first, folder / "model-1-of-2.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=f"lacks model-2-of-2.safetensors, which holds {UP}"):
        load(folder)
    save_file({UP: state[UP]}, folder / "model-2-of-2.safetensors", {"format": "pt"})
    load(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.model", "config.json"])
def test_damaged_file_is_one_sentence(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"damaged " * 9)
    with pytest.raises(CheckpointError) as raised:
        load(folder)
    assert "\n" not in str(raised.value)
    assert str(folder) in str(raised.value)


def test_settings_that_do_not_exist(folder: Path) -> None:
    with pytest.raises(ConfigError, match="dtype"):
        load(folder, dtype="float7")
    with pytest.raises(ConfigError, match="template"):
        load(folder, template="vicuna_v9")
    with pytest.raises(ConfigError, match="quantization"):
        load(folder, quantization="2bit")
    with pytest.raises(DeviceError, match="abacus"):
        load(folder, device="abacus")


def test_cuda_without_cuda(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="0 CUDA devices"):
        load(folder, device="cuda")
    with pytest.raises(DeviceError, match="4bit weights need a CUDA device"):
        load(folder, device="auto", quantization="4bit")
    assert load(folder, device="auto").device.type == "cpu"


def test_quantization_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_model_loading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'anomalygpt\[gpu\]'"):
        language_model_loading.quantization_config("8bit", torch.device("cuda"), torch.float16)


def test_bfloat16_on_request(folder: Path) -> None:
    lm = load(folder, dtype="bfloat16")
    assert {weight.dtype for weight in lm.model.parameters()} == {torch.bfloat16}
    dialogue = open_dialogue(lm, *picture())
    dialogue.ask(QUESTION)
    assert dialogue.probabilities().anomaly.dtype == torch.float32


# --- LoRA --------------------------------------------------------------------------------------


def filled(model: torch.nn.Module) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        name: torch.randn(weight.shape, generator=generator) * 0.1
        for name, weight in model.named_parameters()
        if "lora_" in name
    }


def logits_of(lm: LanguageModel) -> Tensor:
    dialogue = open_dialogue(lm, *picture())
    dialogue.ask(QUESTION)
    return dialogue._logits


def test_reference_pandagpt_lora_names_and_shapes(lm: LanguageModel) -> None:
    config = LlamaConfig(
        vocab_size=32001,
        hidden_size=4096,
        intermediate_size=11008,
        num_hidden_layers=32,
        num_attention_heads=32,
    )
    with torch.device("meta"):
        big = LanguageModel(LlamaForCausalLM(config), lm.tokenizer, VICUNA_V0)
        big.add_lora()
    published = json.loads((FIXTURES / "pandagpt_lora_7b.json").read_text(encoding="utf-8"))
    expected = {
        published["name"].format(layer=layer, part=part): tuple(shape)
        for layer in range(published["layers"])
        for part, shape in published["parts"].items()
    }
    ours = {name: tuple(w.shape) for name, w in big.model.named_parameters() if "lora_" in name}
    assert ours == expected


def test_lora_changes_the_model_and_merging_keeps_the_change(folder: Path) -> None:
    lm = load(folder)
    plain = logits_of(lm)
    lm.add_lora(r=4, alpha=8)
    torch.testing.assert_close(logits_of(lm), plain)
    lm.load_lora(filled(lm.model))
    changed = logits_of(lm)
    assert (changed - plain).abs().max() > 1e-2
    assert not any(weight.requires_grad for weight in lm.model.parameters())
    lm.merge_lora()
    torch.testing.assert_close(logits_of(lm), changed, atol=1e-4, rtol=1e-4)
    assert not any("lora" in name for name, _ in lm.model.named_parameters())


def test_adapter_folder_that_peft_saved(folder: Path, tmp_path: Path) -> None:
    lm = load(folder)
    lm.add_lora(r=4, alpha=8)
    lm.load_lora(filled(lm.model))
    lm.model.save_pretrained(tmp_path / "adapter")
    loaded = load(folder, adapter=tmp_path / "adapter")
    torch.testing.assert_close(logits_of(loaded), logits_of(lm))


def test_lora_weights_that_do_not_fit_are_named(folder: Path) -> None:
    lm = load(folder)
    with pytest.raises(MissingPartError, match="add_lora"):
        lm.load_lora({})
    with pytest.raises(MissingPartError, match="add_lora"):
        lm.merge_lora()
    with pytest.raises(ConfigError, match="nothing_proj"):
        lm.add_lora(targets=("nothing_proj",))
    lm.add_lora(r=4)
    state = filled(lm.model)
    name = next(iter(state))
    with pytest.raises(CheckpointError, match=f"missing: {name}"):
        lm.load_lora({key: value for key, value in state.items() if key != name})
    with pytest.raises(CheckpointError, match="unexpected: llama_proj"):
        lm.load_lora({**state, "llama_proj.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="of another shape"):
        lm.load_lora({**state, name: torch.zeros(1)})
    with pytest.raises(ConfigError, match="already"):
        lm.add_lora(r=4)


def test_no_adapter_in_the_folder(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"adapter_config\.json"):
        load(folder, adapter=tmp_path)


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
