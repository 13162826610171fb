"""Training of the small language model that comes with the product.

It reads photos as nine words (`embedded.notation`) where the product will put its prompts: image
embedding, nine base prompts, nine prompts of cells. It learns English from books and everyday
dialogues, and inspection from made dialogues, in exactly the product's format. What it reads
is blurred by noise and by mixtures of words, since trained prompts will not hit a word's
embedding exactly; a mixture of "clean" and a defect is answered with the odds of the mixture, so
that yes against no stays a probability.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from anomalygpt.files import share_with_readers, write_atomically
from anomalygpt.interruptions import stopping
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.loading import load_tokenizer, quiet
from anomalygpt.language.speaking import open_dialogue
from anomalygpt.language.templates import VICUNA_V0
from anomalygpt.progress import with_bar
from embedded.notation import (
    CLEAN,
    EXTRA_ROWS,
    LEVELS,
    Words,
    base_row,
    cell_row,
    count_and_level,
    facts_of_words,
    image_row,
    is_placed,
    placed_word,
    random_words,
    settled,
)
from embedded.speech import dialogue, is_chatter
from prompt_learner.prompt_learner import MAP_PROMPTS
from simulation.dialogues.english.reading import count_in, places_in
from simulation.dialogues.published import ANOMALY_QUESTION
from tokenizer import write_tokenizer

BASE_PROMPTS = 9
PROMPTS = 1 + BASE_PROMPTS + MAP_PROMPTS  # image, base, cells
TOKENIZER_DIALOGUES = 6000
CONTEXT, LONGEST_ROW = 768, 704  # training leaves room for an answer

# Share of text in a step's tokens, falling from the first to the second over this share of the run.
TEXT_SHARES, TEXT_FALL = (0.35, 0.08), 0.25
TEXT_ROW = 256
TEXT_CHARACTERS = 6_000_000  # of the books and of the dialogues each; a run reads less
MICRO_TOKENS = 2048  # padded, of one pass
# Dialogues are drawn for so many steps at once: the more, the more rows of the same length.
POOLED_STEPS = 8

# Noise of prompts, in units of a cell word's embedding. Base and image carry nothing to read.
CELL_NOISE, BASE_NOISE, CHECK_NOISE = 0.35, 1.0, 0.1
SOFTENED, MIXED = 0.15, 0.15  # shares of dialogues with one cell between two words

PEAK_RATE, WARMUP, LAST_RATE = 2e-3, 0.03, 0.05
BETAS, DECAY, CLIP = (0.9, 0.95), 0.05, 1.0

CHECKS, CHECKED, FOLLOWED = 10, 64, 16
WHERE_QUESTION = "Where is it?"
STATE, MODEL_FOLDER = "state.pt", "language_model"


@dataclass(frozen=True)
class Corpus:
    """What is read besides made dialogues.

    Attributes:
        stream: (n,) uint16, the tokens of books and dialogues one after another.
        chatter: lines that have nothing to do with photos of parts.
    """

    stream: np.ndarray
    chatter: tuple[str, ...]


@dataclass(frozen=True)
class Blend:
    """A cell whose prompt lies between two words' embeddings: share · own + (1 - share) · other."""

    cell: int
    other: int
    share: float


@dataclass(frozen=True)
class Row:
    """One row of a batch: token ids, and which of them the model should write."""

    ids: list[int]
    targets: list[bool]
    blend: Blend | None = None


@dataclass(frozen=True)
class MicroBatch:
    """Rows of similar length.

    Attributes:
        ids: (B, n), zeros after the end of a row.
        targets: (B, n) bool, never at the first position.
        prompts: what goes on top of the embeddings of the prompts; None for text.
    """

    ids: Tensor
    targets: Tensor
    prompts: PromptNoise | None = None


@dataclass(frozen=True)
class PromptNoise:
    """How the prompts of B dialogues differ from the embeddings of their rows.

    Attributes:
        noise: (B, 19, width), in units of a cell word's embedding.
        other: (B, 19), the row that is mixed in.
        share: (B, 19, 1), in [0, 1], of the row itself; 1 where nothing is mixed in.
    """

    noise: Tensor
    other: Tensor
    share: Tensor


class Batches:
    """The rows of every step; a step's rows depend on its number and the seed alone."""

    def __init__(
        self,
        language_model: LanguageModel,
        corpus: Corpus,
        *,
        pieces: int,
        tokens: int,
        steps: int,
        seed: int,
    ) -> None:
        self.language_model = language_model
        self.corpus = corpus
        self.pieces = pieces
        self.tokens = tokens
        self.steps = steps
        self.seed = seed
        template = language_model.template
        bos = language_model.tokenizer.bos_token_id
        self._before = [bos, *language_model.encode(template.before_image)]
        self._after = language_model.encode(template.after_image)
        self._known: dict[str, list[int]] = {}
        self._pool: tuple[int, list[list[MicroBatch]]] | None = None

    @property
    def prompt_positions(self) -> list[int]:
        """Where image, base prompts and cells stand in every dialogue."""
        image = len(self._before)
        first = image + 1 + len(self._after)
        return [image, *range(first, first + BASE_PROMPTS + MAP_PROMPTS)]

    def text_share(self, step: int) -> float:
        """Share of text in the tokens and in the loss of a step."""
        fallen = min(1.0, step / max(1.0, TEXT_FALL * self.steps))
        return TEXT_SHARES[0] + fallen * (TEXT_SHARES[1] - TEXT_SHARES[0])

    def __call__(self, step: int) -> list[MicroBatch]:
        """The micro-batches of a step, text first."""
        pool, place = divmod(step, POOLED_STEPS)
        if self._pool is None or self._pool[0] != pool:
            self._pool = (pool, self._spoken(pool))
        generator = np.random.default_rng((self.seed, 0, step))
        texts = [self._padded(rows) for rows in _by_size(self._text(step, generator))]
        return texts + self._pool[1][place]

    def row(self, words: Sequence[int], turns: Sequence[tuple[str, str]]) -> Row:
        """A dialogue as the product writes it; turns that do not fit any more are left out."""
        cells = [cell_row(self.pieces, word) for word in words]
        base = [base_row(self.pieces)] * BASE_PROMPTS
        ids = [*self._before, image_row(self.pieces), *self._after, *base, *cells]
        targets = [False] * len(ids)
        segments = self.language_model.template.training_segments(list(turns))
        for (question, _), (answer, _) in zip(segments[::2], segments[1::2], strict=True):
            asked, said = self._encode(question), self._encode(answer)
            if len(ids) + len(asked) + len(said) > LONGEST_ROW:
                break
            ids += asked + said
            targets += [False] * len(asked) + [True] * len(said)
        return Row(ids, targets)

    def _text_rows(self, step: int) -> int:
        return round(self.text_share(step) * self.tokens / TEXT_ROW)

    def _text(self, step: int, generator: np.random.Generator) -> list[Row]:
        stream = self.corpus.stream
        starts = generator.integers(len(stream) - TEXT_ROW, size=self._text_rows(step))
        targets = [False] + [True] * (TEXT_ROW - 1)
        return [Row(stream[start : start + TEXT_ROW].tolist(), targets) for start in starts]

    def _spoken(self, pool: int) -> list[list[MicroBatch]]:
        """The dialogues of the steps of a pool, parts of similar length spread over them."""
        generator = np.random.default_rng((self.seed, 1, pool))
        steps = range(pool * POOLED_STEPS, (pool + 1) * POOLED_STEPS)
        rooms = [self.tokens - TEXT_ROW * self._text_rows(step) for step in steps]
        rows = sorted(self._dialogues(sum(rooms), generator), key=lambda row: len(row.ids))
        # Every step gets some, also while most of it is text.
        parts = list(_by_size(rows, min(MICRO_TOKENS, max(rooms) // 2)))
        spread: list[list[MicroBatch]] = [[] for _ in steps]
        for index in generator.permutation(len(parts)):
            micro = self._padded(parts[index])
            step = int(np.argmax(rooms))
            rooms[step] -= micro.ids.numel()
            spread[step].append(replace(micro, prompts=self._noise(parts[index], generator)))
        return spread

    def _dialogues(self, tokens: int, generator: np.random.Generator) -> Iterator[Row]:
        while tokens > 0:
            asked, read, blend = drawn_words(generator)
            row = self.row(read, dialogue(asked, generator, self.corpus.chatter))
            tokens -= len(row.ids)
            yield Row(row.ids, row.targets, blend)

    def _encode(self, text: str) -> list[int]:
        # Many short answers come up again and again.
        if len(text) > 60:
            return self.language_model.encode(text)
        if text not in self._known:
            self._known[text] = self.language_model.encode(text)
        return self._known[text]

    def _padded(self, rows: Sequence[Row]) -> MicroBatch:
        longest = max(len(row.ids) for row in rows)
        ids = np.zeros((len(rows), longest), np.int64)
        targets = np.zeros((len(rows), longest), bool)
        for index, row in enumerate(rows):
            ids[index, : len(row.ids)] = row.ids
            targets[index, : len(row.ids)] = row.targets
        return MicroBatch(torch.from_numpy(ids), torch.from_numpy(targets))

    def _noise(self, rows: Sequence[Row], generator: np.random.Generator) -> PromptNoise:
        positions, width = self.prompt_positions, self.language_model.width
        other = np.array([[row.ids[position] for position in positions] for row in rows])
        share = np.ones((len(rows), PROMPTS, 1), np.float32)
        first = PROMPTS - MAP_PROMPTS
        for index, row in enumerate(rows):
            if row.blend is not None:
                cell = first + row.blend.cell
                other[index, cell] = cell_row(self.pieces, row.blend.other)
                share[index, cell] = row.blend.share
        strength = np.empty((len(rows), PROMPTS, 1), np.float32)
        strength[:, :first] = generator.uniform(0, BASE_NOISE, (len(rows), 1, 1))
        strength[:, first:] = generator.uniform(0, CELL_NOISE, (len(rows), 1, 1))
        normal = generator.standard_normal((len(rows), PROMPTS, width), np.float32)
        parts = (torch.from_numpy(part) for part in (strength * normal, other, share))
        return PromptNoise(*parts)


def drawn_words(generator: np.random.Generator) -> tuple[Words, Words, Blend | None]:
    """A random photo: the words that are true, those that are read, and a cell between two words.

    The truth is drawn with the odds of the mixture that is read.
    """
    words, kind = random_words(generator), generator.random()
    placed = [cell for cell, word in enumerate(words) if is_placed(word)]
    if kind < SOFTENED:
        cell = int(generator.choice(placed or len(words)))
        with_defect = words[cell] if placed else placed_word(1, int(generator.integers(LEVELS)))
        without = settled(_with_word(words, cell, CLEAN))
        # Nothing but this cell tells whether it holds a defect: not what that would reach either.
        return _between(without, cell, with_defect, without[cell], generator)
    if placed and kind < SOFTENED + MIXED:
        cell = int(generator.choice(placed))
        count, level = count_and_level(words[cell])
        beside = min(max(level + int(generator.choice((-1, 1))), 0), LEVELS - 1)
        return _between(words, cell, words[cell], placed_word(count, beside), generator)
    return words, words, None


def _between(
    words: Words, cell: int, word: int, other: int, generator: np.random.Generator
) -> tuple[Words, Words, Blend]:
    share = float(generator.random())
    true = word if generator.random() < share else other
    read = _with_word(words, cell, word)
    return _with_word(words, cell, true), read, Blend(cell, other, share)


def _with_word(words: Sequence[int], cell: int, word: int) -> Words:
    return (*words[:cell], word, *words[cell + 1 :])


def _by_size(rows: Sequence[Row], most: int = MICRO_TOKENS) -> Iterator[list[Row]]:
    """The rows, in order, in parts of at most `most` tokens with padding, but at least one row."""
    part: list[Row] = []
    for row in rows:
        longest = max(len(row.ids), max((len(other.ids) for other in part), default=0))
        if part and (len(part) + 1) * longest > most:
            yield part
            part = []
        part.append(row)
    if part:
        yield part


class Trainer:
    """Model, optimizer and how far they are."""

    def __init__(self, language_model: LanguageModel, batches: Batches, precision: str) -> None:
        self.language_model = language_model
        self.model: Any = language_model.model
        self.model.requires_grad_(True)
        self.batches = batches
        self.precision = getattr(torch, precision)
        if language_model.device.type == "cpu":
            # For rows this short it trains a third faster than the fused kernel.
            self.model.set_attn_implementation("eager")  # type: ignore[operator]
        self.step = 0
        self.seconds = 0.0
        decayed = [weight for weight in self.model.parameters() if weight.ndim > 1]
        plain = [weight for weight in self.model.parameters() if weight.ndim == 1]
        groups = [
            {"params": decayed, "weight_decay": DECAY},
            {"params": plain, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=BETAS)

    def advance(self) -> dict[str, float]:
        """One step; the losses per token, and the tokens."""
        begun = time.monotonic()
        micros = self.batches(self.step)
        share = self.batches.text_share(self.step)
        wanted = {"text": 0, "speech": 0}
        for micro in micros:
            wanted[_kind(micro)] += int(micro.targets.sum())
        losses = {"text": 0.0, "speech": 0.0}
        for micro in micros:
            kind = _kind(micro)
            loss = self.loss(micro) / wanted[kind]
            weight = share if kind == "text" else 1 - share
            (weight * loss).backward()
            losses[kind] += loss.item()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        for group in self.optimizer.param_groups:
            group["lr"] = PEAK_RATE * rate(self.step, self.batches.steps)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.seconds += time.monotonic() - begun
        tokens = sum(micro.ids.numel() for micro in micros)
        return {"loss_text": losses["text"], "loss_speech": losses["speech"], "tokens": tokens}

    def loss(self, micro: MicroBatch) -> Tensor:
        """Cross-entropy summed over the targets."""
        device = self.language_model.device
        ids, targets = micro.ids.to(device), micro.targets.to(device)
        embedding: Any = self.model.get_input_embeddings()
        embedded = embedding(ids)
        if micro.prompts is not None:
            embedded = self._blurred(embedded, embedding, micro.prompts)
        with torch.autocast(device.type, self.precision, self.precision != torch.float32):
            hidden = self.model.model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        chosen = hidden[:, :-1][targets[:, 1:]].float()
        logits = F.linear(chosen, embedding.weight)
        return F.cross_entropy(logits, ids[:, 1:][targets[:, 1:]], reduction="sum")

    def _blurred(self, embedded: Tensor, embedding: Any, prompts: PromptNoise) -> Tensor:
        """The prompts mixed and with noise, everything else as it is."""
        device = embedded.device
        at = torch.tensor(self.batches.prompt_positions, device=device)
        share, noise = prompts.share.to(device), prompts.noise.to(device)
        other = embedding(prompts.other.to(device))
        read = share * embedded[:, at] + (1 - share) * other
        return embedded.index_copy(1, at, read + cell_scale(self.language_model) * noise)

    def state(self) -> dict[str, Any]:
        """What a later run goes on from."""
        model, optimizer = self.model.state_dict(), self.optimizer.state_dict()
        return {"step": self.step, "seconds": self.seconds, "model": model, "optimizer": optimizer}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]


def _kind(micro: MicroBatch) -> str:
    return "text" if micro.prompts is None else "speech"


def rate(step: int, steps: int) -> float:
    """The learning rate of a step in units of the peak: warm-up, then a cosine."""
    warm = max(1, round(WARMUP * steps))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + float(np.cos(np.pi * done)))


@torch.no_grad()
def cell_scale(language_model: LanguageModel) -> Tensor:
    """Root mean square of the embeddings of the cells' words, the unit of prompt noise."""
    rows: Tensor = language_model.model.get_input_embeddings().weight  # type: ignore[operator]
    return rows[2 - EXTRA_ROWS :].square().mean().sqrt()


def check(language_model: LanguageModel, pieces: int, seed: int, followed: int) -> dict[str, float]:
    """Held-out photos, read with a little noise: shares of right answers, in [0, 1].

    Args:
        language_model: any that reads cell words.
        pieces: of its tokenizer.
        seed: of the photos.
        followed: photos that are also asked for the place, as a second question.
    """
    generator = np.random.default_rng((seed, 2**31))
    photos = [random_words(generator) for _ in range(CHECKED)]
    facts = [facts_of_words(words) for words in photos]
    prompts = _prompts(language_model, pieces, photos, generator)
    options = GenerationOptions(max_new_tokens=64)
    dialogue = open_dialogue(language_model, prompts[:, :1], prompts[:, 1:])
    dialogue.ask(ANOMALY_QUESTION)
    sure = dialogue.probabilities().anomaly
    answers = dialogue.answers(options)
    right = [
        (
            answer.startswith("Yes" if fact.defects else "No"),
            places_in(answer) == set(fact.places),
            count_in(answer) == fact.count,
        )
        for answer, fact in zip(answers, facts, strict=True)
    ]
    truth = torch.tensor([float(bool(fact.defects)) for fact in facts])
    second = []
    for index in [index for index, fact in enumerate(facts) if fact.defects][:followed]:
        one = open_dialogue(
            language_model, prompts[index : index + 1, :1], prompts[index : index + 1, 1:]
        )
        one.ask(ANOMALY_QUESTION)
        one.answer(options)
        one.ask(WHERE_QUESTION)
        second.append(places_in(one.answer(options)) == set(facts[index].places))
    verdict, places, count = np.mean(right, axis=0).tolist()
    return {
        "verdict": verdict,
        "places": places,
        "count": count,
        "where": float(np.mean(second)) if second else float("nan"),
        "brier": float((sure.float().cpu() - truth).square().mean()),
    }


@torch.no_grad()
def _prompts(
    language_model: LanguageModel,
    pieces: int,
    photos: Sequence[Words],
    generator: np.random.Generator,
) -> Tensor:
    """(B, 19, width): image, base prompts and cells, with the noise of a check."""
    same = [image_row(pieces)] + [base_row(pieces)] * BASE_PROMPTS
    rows = [same + [cell_row(pieces, word) for word in words] for words in photos]
    embedded = language_model.embed(rows)
    normal = generator.standard_normal(tuple(embedded.shape), np.float32)
    noise = torch.from_numpy(normal).to(embedded)
    return embedded + CHECK_NOISE * cell_scale(language_model) * noise


def _sentences(texts: tuple[Sequence[str], Sequence[str]], seed: int) -> Iterator[str]:
    generator = np.random.default_rng((seed, 2**32))
    for _ in range(TOKENIZER_DIALOGUES):
        turns = dialogue(random_words(generator), generator)
        for question, answer in turns:
            yield f"### Human: <Img></Img> {question}\n### Assistant: {answer}\n###"
    for kind in texts:
        lines = [line for text in kind[:4000] for line in text.split("\n") if line]
        order = generator.permutation(len(lines))[:20_000]
        yield from (lines[index][:2000] for index in order)


def read_texts(folder: Path) -> tuple[list[str], list[str]]:
    """Everyday dialogues, one text each, and slices of the books from beginning to end."""
    with gzip.open(folder / "dialogues.jsonl.gz", "rt", encoding="utf-8") as file:
        dialogues = ["\n".join(json.loads(line)["turns"]) for line in file]
    with gzip.open(folder / "books.txt.gz", "rt", encoding="utf-8") as file:
        books = file.read()
    size = 4000
    every = max(1, len(books) // TEXT_CHARACTERS)
    slices = [books[start : start + size] for start in range(0, len(books), every * size)]
    return dialogues, slices


def read_corpus(texts: tuple[Sequence[str], Sequence[str]], tokenizer: Path) -> Corpus:
    """Encode the texts."""
    encoder = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer))
    streams = []
    for kind in texts:
        every = max(1, sum(map(len, kind)) // TEXT_CHARACTERS)
        encoded = encoder.encode([text + "\n\n" for text in kind[::every]], num_threads=1)
        streams += [np.array(ids, np.uint16) for ids in encoded]
    chatter = (line for text in texts[0] for line in text.split("\n"))
    return Corpus(np.concatenate(streams), tuple(filter(is_chatter, map(str.strip, chatter))))


def new_model(options: argparse.Namespace) -> LlamaForCausalLM:
    """A LLaMA with random weights, and rows for the cells' words."""
    torch.manual_seed(options.seed)
    config = LlamaConfig(
        vocab_size=options.pieces + EXTRA_ROWS,
        hidden_size=options.width,
        intermediate_size=int(2.75 * options.width),
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        # With the usual 0.02 a model this narrow hardly looks at what it reads.
        initializer_range=0.04,
    )
    return LlamaForCausalLM(config)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.add_argument("--text", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--pieces", type=int, default=3044, help="vocabulary of the tokenizer")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2100)
    parser.add_argument("--batch-tokens", type=int, default=4096, help="of one step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--save-minutes", type=float, default=5.0, help="between states")


def run(options: argparse.Namespace) -> int:
    """Train, from where an earlier run into the same folder stopped; 130 after Ctrl-C."""
    torch.set_num_threads(options.threads)
    output: Path = options.output
    folder = output / MODEL_FOLDER
    texts = read_texts(options.text)
    if not (folder / "tokenizer_config.json").is_file():
        write_tokenizer(folder, options.pieces, _sentences(texts, options.seed), 0.9999)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = new_model(options).to(device)
    model.config.save_pretrained(folder)
    language_model = LanguageModel(model, load_tokenizer(folder), VICUNA_V0)
    batches = Batches(
        language_model,
        read_corpus(texts, folder / "tokenizer.model"),
        pieces=options.pieces,
        tokens=options.batch_tokens,
        steps=options.steps,
        seed=options.seed,
    )
    trainer = Trainer(language_model, batches, options.precision)
    if (output / STATE).is_file():
        trainer.resume(torch.load(output / STATE, map_location=device, weights_only=True))
        print(f"resumed after step {trainer.step}")
    if not train(trainer, output, options.save_minutes):
        print(f"stopped after step {trainer.step}; the same command goes on from there")
        return 130
    _note(output / "checks.csv", trainer.step, check(language_model, options.pieces, 1, CHECKED))
    write_model(model, folder)
    print(f"written: {folder}, {model.num_parameters():,} parameters, {trainer.seconds:.0f} s")
    return 0


def train(trainer: Trainer, output: Path, save_minutes: float) -> bool:
    """Go through the steps that are left; False where Ctrl-C ended that."""
    steps, pieces = trainer.batches.steps, trainer.batches.pieces
    for name in ("log.csv", "checks.csv"):
        _forget(output / name, trainer.step)
    saved = time.monotonic()
    with stopping() as asked:
        for _ in with_bar(range(trainer.step, steps), steps - trainer.step, "steps"):
            losses = trainer.advance()
            _note(output / "log.csv", trainer.step, {**losses, "seconds": trainer.seconds})
            if trainer.step % max(1, steps // CHECKS) == 0 and trainer.step < steps:
                found = check(trainer.language_model, pieces, 1, FOLLOWED)
                _note(output / "checks.csv", trainer.step, found)
                _show(trainer, losses, found)
            stop = asked.is_set()
            if stop or trainer.step == steps or time.monotonic() - saved > 60 * save_minutes:
                write_atomically(output / STATE, lambda file: torch.save(trainer.state(), file))
                saved = time.monotonic()
            if stop:
                return False
    return True


def write_model(model: LlamaForCausalLM, folder: Path) -> None:
    """Weights in float16 beside the tokenizer, in Hugging Face format."""
    state = {name: value.half() for name, value in model.state_dict().items()}
    del state["lm_head.weight"]  # the embedding matrix once more
    model.config.dtype = torch.float16
    with quiet():
        model.save_pretrained(folder, state_dict=state)
    share_with_readers(folder)


def _show(trainer: Trainer, losses: dict[str, float], found: dict[str, float]) -> None:
    figures = "  ".join(f"{name} {value:.3f}" for name, value in {**losses, **found}.items())
    print(f"step {trainer.step}, {trainer.seconds:.0f} s: {figures}", flush=True)


def _note(path: Path, step: int, values: dict[str, float]) -> None:
    """Append a line to a table, with a head if it is new."""
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["step", *values])
        writer.writerow([step, *(f"{value:.5g}" for value in values.values())])


def _forget(path: Path, step: int) -> None:
    """Drop the lines of steps after the one that a run goes on from."""
    if not path.exists():
        return
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if int(line.split(",")[0]) <= step]
    path.write_text("\n".join([head, *kept]) + "\n", encoding="utf-8")
