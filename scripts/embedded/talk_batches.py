"""What the installed language model is trained on: conversations about results, dialogues about
nine words, and everyday dialogues in which it should stay as it is."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from anomalygpt.errors import DataError
from anomalygpt.language.language_model import LanguageModel
from embedded.language_batches import (
    BASE_PROMPTS,
    MicroBatch,
    Row,
    by_size,
    drawn_words,
    padded,
    prompt_noise,
    prompt_positions,
)
from embedded.notation import base_row, cell_row, facts_of_words, image_row
from embedded.open_talk import Said, conversation
from embedded.speech import dialogue
from simulation.dialogues.published import ANOMALY_QUESTION, NORMAL_ANSWER, published_answer

# Tokens of a row at most, of a pass with padding, and of an everyday dialogue.
LONGEST_ROW, MICRO_TOKENS, GENERAL_ROW = 512, 1024, 160
# Of a step's tokens everyday dialogues.
GENERAL_SHARE = 0.2
# Of the other rows: the verdict alone, as the product asks for it, and dialogues about nine words
# alone. The former are short, and nothing else says as much for each token about reading.
VERDICT_SHARE, WORDS_SHARE = 0.5, 0.2
# Rows are drawn for so many steps at once: the more, the more of the same length.
POOLED_STEPS, PARTS = 4, 3
DIALOGUES = "dialogues.jsonl.gz"


@dataclass(frozen=True)
class Step:
    """Batches of one step.

    Attributes:
        spoken: dialogues about photos, with noise on their prompts.
        general: everyday dialogues; all tokens but the first are targets.
    """

    spoken: list[MicroBatch]
    general: list[MicroBatch]


def read_dialogues(folder: Path) -> list[list[str]]:
    """Everyday dialogues, each a list of what two people say in turn.

    Raises:
        DataError: they are not there.
    """
    path = folder / DIALOGUES
    if not path.is_file():
        raise DataError(f"{folder} has no {DIALOGUES}; docs/model_cards/embedded.md names it")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line)["turns"] for line in file]


class TalkBatches:
    """The rows of every step; a step's rows depend on its number and the seed alone."""

    def __init__(
        self,
        language_model: LanguageModel,
        dialogues: Sequence[Sequence[str]],
        *,
        tokens: int,
        steps: int,
        seed: int,
    ) -> None:
        """
        Args:
            language_model: whose tokenizer and template are used.
            dialogues: from `read_dialogues`.
            tokens: of a step.
            steps: of the whole run.
            seed: of all chance.
        """
        self.language_model, self.dialogues = language_model, dialogues
        self.tokens, self.steps, self.seed = tokens, steps, seed
        embedding: Any = language_model.model.get_input_embeddings()  # type: ignore[operator]
        self.pieces: int = embedding.num_embeddings
        template = language_model.template
        bos = language_model.tokenizer.bos_token_id if template.add_bos else None
        start = [] if bos is None else [bos]
        self._before = [*start, *language_model.encode(template.before_image)]
        self._after = language_model.encode(template.after_image)
        self._pool: tuple[int, list[list[MicroBatch]]] | None = None

    @property
    def prompt_positions(self) -> list[int]:
        """Where image, base prompts and cells stand in every dialogue about a photo."""
        return prompt_positions(self._before, self._after)

    def __call__(self, step: int) -> Step:
        """The batches of a step."""
        pool, place = divmod(step, POOLED_STEPS)
        if self._pool is None or self._pool[0] != pool:
            self._pool = (pool, self._spoken(pool))
        return Step(self._pool[1][place], self._general(step))

    def row(self, words: Sequence[int], turns: Sequence[Said]) -> Row:
        """A dialogue as the product writes it; turns that do not fit any more are left out.

        Args:
            words: nine ids.
            turns: of which those that are not the model's own are read only.
        """
        cells = [cell_row(self.pieces, word) for word in words]
        base = [base_row(self.pieces)] * BASE_PROMPTS
        ids = [*self._before, image_row(self.pieces), *self._after, *base, *cells]
        targets = [False] * len(ids)
        encode = self.language_model.encode
        said = [(turn.question, turn.answer) for turn in turns]
        segments = self.language_model.template.training_segments(said)
        pairs = zip(turns, segments[::2], segments[1::2], strict=True)
        for turn, (question, _), (answer, _) in pairs:
            asked, told = encode(question), encode(answer)
            if len(ids) + len(asked) + len(told) > LONGEST_ROW:
                break
            ids += asked + told
            targets += [False] * len(asked) + [turn.is_own] * len(told)
        return Row(ids, targets)

    def general_row(self, turns: Sequence[str]) -> Row:
        """An everyday dialogue as the model's own chat template writes it, cut off."""
        roles = ("user", "assistant")
        messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(turns)]
        text = self.language_model.tokenizer.apply_chat_template(messages, tokenize=False)
        ids = self.language_model.encode(text)[:GENERAL_ROW]
        return Row(ids, [False] + [True] * (len(ids) - 1))

    def batched(self, rows: Sequence[Row], generator: np.random.Generator) -> MicroBatch:
        """Dialogues about photos as one batch, with noise on their prompts."""
        noise = prompt_noise(
            rows, self.prompt_positions, self.pieces, self.language_model.width, generator
        )
        return replace(padded(rows), prompts=noise)

    def _general(self, step: int) -> list[MicroBatch]:
        generator = np.random.default_rng((self.seed, 2, step))
        left, rows = GENERAL_SHARE * self.tokens, []
        while left > 0:
            rows.append(
                self.general_row(self.dialogues[int(generator.integers(len(self.dialogues)))])
            )
            left -= len(rows[-1].ids)
        return [padded(part) for part in by_size(rows, MICRO_TOKENS)]

    def _spoken(self, pool: int) -> list[list[MicroBatch]]:
        """The dialogues of the steps of a pool, parts of similar length spread over them."""
        generator = np.random.default_rng((self.seed, 1, pool))
        tokens = round((1 - GENERAL_SHARE) * self.tokens)
        rows = sorted(self._rows(POOLED_STEPS * tokens, generator), key=lambda row: len(row.ids))
        # Some parts for each step, so that none learns from short rows alone.
        parts = list(by_size(rows, min(MICRO_TOKENS, tokens // PARTS)))
        rooms = [tokens] * POOLED_STEPS
        spread: list[list[MicroBatch]] = [[] for _ in rooms]
        for index in generator.permutation(len(parts)):
            micro = self.batched(parts[index], generator)
            step = int(np.argmax(rooms))
            rooms[step] -= micro.ids.numel()
            spread[step].append(micro)
        return spread

    def _rows(self, tokens: int, generator: np.random.Generator) -> Iterator[Row]:
        while tokens > 0:
            row = self._drawn(generator)
            if any(row.targets):
                tokens -= len(row.ids)
                yield row

    def _drawn(self, generator: np.random.Generator) -> Row:
        kind = generator.random()
        if kind >= VERDICT_SHARE + WORDS_SHARE:
            talk = conversation(generator)
            return self.row(talk.words, talk.turns)
        asked, read, blend = drawn_words(generator)
        if kind < VERDICT_SHARE:
            facts = facts_of_words(asked)
            answer = published_answer(facts) if facts.defects else NORMAL_ANSWER
            turns = [Said(ANOMALY_QUESTION, answer, True)]
        else:
            turns = [Said(*turn, True) for turn in dialogue(asked, generator)]
        return replace(self.row(read, turns), blend=blend)
