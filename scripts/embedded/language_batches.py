"""What the small language model is trained on: rows of made dialogues and of text, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from anomalygpt.language.language_model import LanguageModel
from embedded.corpus import Corpus
from embedded.notation import (
    CLEAN,
    EXTRA_ROWS,
    LEVELS,
    Words,
    base_row,
    cell_row,
    count_and_level,
    image_row,
    is_placed,
    placed_word,
    random_words,
    settled,
)
from embedded.speech import dialogue
from prompt_learner.prompt_learner import MAP_PROMPTS

BASE_PROMPTS = 9
PROMPTS = 1 + BASE_PROMPTS + MAP_PROMPTS  # image, base, cells
LONGEST_ROW = 704

# Share of text in a step's tokens, falling from the first to the second over this share of the run.
TEXT_SHARES, TEXT_FALL = (0.35, 0.08), 0.25
TEXT_ROW = 256
MICRO_TOKENS = 2048  # padded, of one pass
# Dialogues are drawn for so many steps at once: the more, the more rows of the same length.
POOLED_STEPS = 8

# Noise of prompts, in units of a cell word's embedding. Base and image carry nothing to read.
CELL_NOISE, BASE_NOISE = 0.35, 1.0
SOFTENED, MIXED = 0.15, 0.15  # shares of dialogues with one cell between two words


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


def prompt_positions(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """Where image, base prompts and cells stand, between the tokens before and after the image."""
    image = len(before)
    first = image + 1 + len(after)
    return [image, *range(first, first + BASE_PROMPTS + MAP_PROMPTS)]


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
        return prompt_positions(self._before, self._after)

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
        texts = [padded(rows) for rows in by_size(self._text(step, generator))]
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
        parts = list(by_size(rows, min(MICRO_TOKENS, max(rooms) // 2)))
        spread: list[list[MicroBatch]] = [[] for _ in steps]
        for index in generator.permutation(len(parts)):
            micro = padded(parts[index])
            step = int(np.argmax(rooms))
            rooms[step] -= micro.ids.numel()
            noise = prompt_noise(
                parts[index],
                self.prompt_positions,
                self.pieces,
                self.language_model.width,
                generator,
            )
            spread[step].append(replace(micro, prompts=noise))
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


def padded(rows: Sequence[Row]) -> MicroBatch:
    """The rows as one batch, filled up with zeros."""
    longest = max(len(row.ids) for row in rows)
    ids = np.zeros((len(rows), longest), np.int64)
    targets = np.zeros((len(rows), longest), bool)
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = row.ids
        targets[index, : len(row.ids)] = row.targets
    return MicroBatch(torch.from_numpy(ids), torch.from_numpy(targets))


def prompt_noise(
    rows: Sequence[Row],
    positions: Sequence[int],
    pieces: int,
    width: int,
    generator: np.random.Generator,
) -> PromptNoise:
    """Noise of the prompts of dialogues, and mixtures where a row has one.

    Args:
        rows: dialogues.
        positions: where their prompts stand.
        pieces: of the tokenizer: rows of words of cells follow them.
        width: of an embedding.
        generator: source of chance.
    """
    other = np.array([[row.ids[position] for position in positions] for row in rows])
    share = np.ones((len(rows), PROMPTS, 1), np.float32)
    first = PROMPTS - MAP_PROMPTS
    for index, row in enumerate(rows):
        if row.blend is not None:
            cell = first + row.blend.cell
            other[index, cell] = cell_row(pieces, row.blend.other)
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


def by_size(rows: Sequence[Row], most: int = MICRO_TOKENS) -> Iterator[list[Row]]:
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


@torch.no_grad()
def cell_scale(language_model: LanguageModel) -> Tensor:
    """Root mean square of the embeddings of the cells' words, the unit of prompt noise."""
    rows: Tensor = language_model.model.get_input_embeddings().weight  # type: ignore[operator]
    return rows[2 - EXTRA_ROWS :].square().mean().sqrt()
