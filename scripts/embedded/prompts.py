"""Prompts stage: the text side, and the prompt learner through the frozen language model.

First the decoder's states learn to find damage without a reference (focal and dice). Then the
prompt learner learns to write the nine words that the language model was taught to read: at first
with the words themselves as the aim, then also by what the frozen language model answers
(cross-entropy of its answers).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomalygpt.config import LanguageModelConfig
from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.errors import DataError
from anomalygpt.files import write_atomically
from anomalygpt.interruptions import stopping
from anomalygpt.language.language_model import LanguageModel
from anomalygpt.model import AnomalyGPT
from anomalygpt.progress import with_bar
from anomalygpt.training.objective import answer_loss, count_targets, tokenize
from decoder import ImageDecoder, dice_loss, focal_loss
from decoder.scale import as_map, fused
from embedded.evidence import encoder_alone, require_encoder
from embedded.lessons import (
    KIND,
    KINDS,
    LIMIT,
    Evidence,
    by_kind,
    draw_lesson,
    draw_rows,
    load_evidence,
)
from embedded.logs import note
from embedded.notation import (
    CLEAN,
    EXTRA_ROWS,
    base_row,
    cell_row,
    image_row,
)
from embedded.precision import half_precision
from embedded.prompts_checks import check
from embedded.speech import dialogue
from prompt_learner import MAP_PROMPTS, PromptLearner, PromptLearnerConfig

CHANNELS = (8, 16, 32, 64, 128)
TEXT_WIDTH = 64
LOGIT_SCALE = 20.0
MAP_SIZE = 224
# Photos of one product resemble the nearest reference as a whole by at least this cosine, those of
# another by less. Of eight products 0 of 160 photos against their own reference lie below, 275 of
# 280 against another's; a limit from seven of them tells the eighth apart as well (1.9 % of its own
# and 99.6 % of the others lie below it).
LEAST_LIKENESS = 0.76
# What good parts score against three references or more: chosen on seven of eight sets, each left
# out in turn (docs/model_cards/embedded.md, "Eight sets"). The evidence is drawn without it: the
# lessons scale good parts themselves.
USUAL_SCORE = 0.8
# Photos shown without their references, in the prompt learner's lessons.
ZERO_SHOT_SHARE = 0.2
# How surely a prompt must be nearest to its word: the distance to all words, in units of the mean
# squared distance between two words, times this, decides as logits do.
WORD_SHARPNESS = 10.0
MOST_TURNS = 3
# What the exact size counts beside the kind of word.
LEVEL_SHARE = 0.15
WARMUP = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the stage."""
    parser.add_argument("--encoder", type=Path, required=True, metavar="FILE")
    parser.add_argument("--language-model", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--evidence", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--text-weight", type=float, default=0.1, help="share in a fused map")
    parser.add_argument("--decoder-steps", type=int, default=150)
    parser.add_argument("--word-steps", type=int, default=2000, help="with the words as the aim")
    parser.add_argument("--answer-steps", type=int, default=300, help="with the answers as well")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=100, help="in steps")


def run(options: argparse.Namespace) -> int:
    """Train both, or go on where an interrupted run was saved."""
    options.output.mkdir(parents=True, exist_ok=True)
    require_encoder(options.evidence, options.encoder)
    require_encoder(options.output, options.encoder)
    assistant = starting_assistant(options)
    lessons = Lessons(assistant, load_evidence(options.evidence, "train"), options)
    held = load_evidence(options.evidence, "held")
    try:
        run_phase(
            options, "decoder", options.decoder_steps, assistant.decoder, lessons.decoder, 3e-3
        )
        lessons.draw_text_maps()
        speech = nn.ModuleList([lessons.learner, lessons.projection])
        run_phase(options, "words", options.word_steps, speech, lessons.words, 3e-3)
        run_phase(options, "answers", options.answer_steps, speech, lessons.answers, 5e-4)
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it was")
        return 130
    check(Lessons(assistant, held, options), options)
    folder = options.output / "assistant"
    if not folder.exists():
        assistant.save_pretrained(folder)
    print(f"written: {folder}")
    return 0


def starting_assistant(options: argparse.Namespace) -> AnomalyGPT:
    """Encoder and language model, frozen, with new parts between them."""
    torch.manual_seed(options.seed)
    mute = encoder_alone(options.encoder)
    language_model = LanguageModel.from_pretrained(options.language_model, device=mute.device)
    decoder = replace(
        mute.config.decoder,
        text_width=TEXT_WIDTH,
        learned_states=True,
        logit_scale=LOGIT_SCALE,
        map_size=MAP_SIZE,
        text_weight=options.text_weight,
        # What the prompt learner is taught to call damage is drawn as such.
        region_level=round((1 - options.text_weight) * float(as_map(torch.tensor(LIMIT))), 4),
        least_likeness=LEAST_LIKENESS,
        usual_score=USUAL_SCORE,
    )
    learner = PromptLearnerConfig(language_model.width, CHANNELS)
    config = replace(
        mute.config,
        decoder=decoder,
        prompt_learner=learner,
        language_model=LanguageModelConfig("vicuna_v0", narrow=True),
    )
    encoder: Any = mute.encoder
    assistant = AnomalyGPT(
        config,
        encoder,
        ImageDecoder(decoder),
        prompt_learner=PromptLearner(learner),
        projection=nn.Linear(encoder.embedding_width, language_model.width),
        language_model=language_model,
        name="embedded",
    ).to(mute.device)
    begin_with_words(assistant, word_table(assistant), float(_rows(assistant).std()))
    return assistant


@torch.no_grad()
def begin_with_words(assistant: AnomalyGPT, table: Tensor, spread: float) -> None:
    """New prompts begin as the rows that the language model was taught with.

    Args:
        assistant: whose prompt learner and projection are new.
        table: (28, width), rows of image, base prompt and the cells' words.
        spread: standard deviation of embeddings.
    """
    learner, projection = assistant.prompt_learner, assistant.projection
    assert learner is not None
    assert projection is not None
    learner.base_prompts.copy_(table[base_row(0)].expand_as(learner.base_prompts))
    projection.weight.zero_()
    projection.bias.copy_(table[image_row(0)])
    last: Any = learner.meta_net[-1]
    last.weight.mul_(spread / 4)
    last.bias.copy_(table[cell_row(0, CLEAN)])


def _rows(assistant: AnomalyGPT) -> Tensor:
    assert assistant.language_model is not None
    model: Any = assistant.language_model.model
    return model.get_input_embeddings().weight.detach().float()


def word_table(assistant: AnomalyGPT) -> Tensor:
    """(28, width): the rows beyond the tokenizer's pieces, of image, base prompt and words."""
    return _rows(assistant)[-EXTRA_ROWS:]


class Lessons:
    """The three objectives, each `(generator) -> {name: loss}`."""

    def __init__(
        self,
        assistant: AnomalyGPT,
        evidence: Evidence,
        options: Any,
        table: Tensor | None = None,
    ) -> None:
        """
        Args:
            assistant: whose parts are taught.
            evidence: photos.
            options: of the stage.
            table: (28, width), what the language model was taught with; by default the last rows
                of its embedding matrix.
        """
        self.assistant, self.evidence = assistant, evidence
        self.batch = options.batch_size
        assert assistant.prompt_learner is not None
        assert assistant.projection is not None
        self.learner, self.projection = assistant.prompt_learner, assistant.projection
        self.text_maps: Tensor | None = None
        rows = word_table(assistant) if table is None else table
        self._targets = rows[cell_row(0, 0) :].to(assistant.device)
        self._unit = torch.cdist(self._targets, self._targets).square().mean()

    def decoder(self, generator: np.random.Generator) -> dict[str, Tensor]:
        """Focal and dice of the text side's maps."""
        rows = draw_rows(self.evidence, self.batch, generator)
        maps = self.assistant.decoder.text_stage_maps(self._tokens(rows), self.evidence.grid)
        masks = self.evidence.masks[rows].to(self.assistant.device)
        return {
            "focal": torch.stack([focal_loss(m, masks) for m in maps]).sum(),
            "dice": torch.stack([dice_loss(m[:, 1], masks) for m in maps]).sum(),
        }

    def words(self, generator: np.random.Generator) -> dict[str, Tensor]:
        """Cross-entropy of the nine words that the prompts stand nearest to."""
        maps, words, _ = self.lesson(generator)
        return {"words": self._word_loss(self.learner(maps), words)}

    def answers(self, generator: np.random.Generator) -> dict[str, Tensor]:
        """The words as well as the answers of the language model."""
        maps, words, embeddings = self.lesson(generator)
        turns = [_dialogue(nine, generator) for nine in words.tolist()]
        tokens = tokenize(self.assistant, turns, 256)
        features = ImageFeatures(embeddings, (), self.evidence.grid)
        spoken = answer_loss(self.assistant, features, maps, tokens) / count_targets(tokens)
        return {"words": 0.2 * self._word_loss(self.learner(maps), words), "answers": 3 * spoken}

    @torch.no_grad()
    def draw_text_maps(self) -> None:
        """The text side's maps of all photos, on the grid."""
        parts = []
        for start in range(0, len(self.evidence), 64):
            rows = np.arange(start, min(start + 64, len(self.evidence)))
            drawn = self.assistant.decoder.text_map(self._tokens(rows), self.evidence.grid)
            parts.append(F.adaptive_avg_pool2d(drawn, 56).half().cpu())
        self.text_maps = torch.cat(parts)

    def word_logits(self, prompts: Tensor) -> Tensor:
        """(B, 9, words): how near the map's prompts stand to each word."""
        cells = prompts[:, -MAP_PROMPTS:].float()
        distance = torch.cdist(cells, self._targets.expand(len(cells), -1, -1)).square()
        return -WORD_SHARPNESS * distance / self._unit

    def _word_loss(self, prompts: Tensor, words: Tensor) -> Tensor:
        """Cross-entropy of the kind of word first: a cell that may be small or large is not clean,
        although "clean" may be likelier than each size."""
        logits, words = self.word_logits(prompts).flatten(0, 1), words.flatten().to(prompts.device)
        kind = F.cross_entropy(by_kind(logits), KINDS.to(words)[words])
        return kind + LEVEL_SHARE * F.cross_entropy(logits, words)

    def _tokens(self, rows: np.ndarray) -> list[Tensor]:
        return [stage[rows].float().to(self.assistant.device) for stage in self.evidence.tokens]

    def lesson(self, generator: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Maps (B, M, M), words (B, 9) and embeddings (B, D), turned and mirrored together."""
        rows = draw_rows(self.evidence, self.batch, generator)
        drawn = [draw_lesson(self.evidence, row, generator) for row in rows.tolist()]
        text = self._text(rows.tolist(), [lesson.other for lesson in drawn])
        against = self.enlarged(as_map(torch.stack([lesson.ratios for lesson in drawn])))
        together = fused(against, text, self.assistant.decoder.config.text_weight)
        alone = torch.from_numpy(generator.random(len(rows)) < ZERO_SHOT_SHARE)
        maps = torch.where(alone[:, None, None], text, together)
        words = torch.tensor([lesson.words for lesson in drawn]).view(-1, 3, 3)
        turn, mirror = int(generator.integers(4)), bool(generator.random() < 0.5)
        maps, words = (torch.rot90(x, turn, (1, 2)) for x in (maps, words))
        if mirror:
            maps, words = maps.flip(2), words.flip(2)
        place = self.assistant.device
        return maps.to(place), words.flatten(1), self.evidence.embeddings[rows].to(place)

    def _text(self, rows: Sequence[int], others: Sequence[int | None]) -> Tensor:
        """The text side's maps (B, M, M) of photos, each joined with those of another."""
        assert self.text_maps is not None
        own = self.text_maps[list(rows)]
        joined = self.text_maps[
            [row if other is None else other for row, other in zip(rows, others, strict=True)]
        ]
        return self.enlarged(torch.maximum(own, joined).float())

    def enlarged(self, maps: Tensor) -> Tensor:
        """Maps (B, h, w) as the decoder enlarges them."""
        size = (self.assistant.decoder.config.map_size,) * 2
        return F.interpolate(maps[:, None], size=size, mode="bilinear")[:, 0]


def _dialogue(words: Sequence[int], generator: np.random.Generator) -> Any:
    return dialogue(tuple(words), generator, ())[:MOST_TURNS]


def run_phase(
    options: argparse.Namespace,
    name: str,
    steps: int,
    module: nn.Module,
    losses: Callable[[np.random.Generator], dict[str, Tensor]],
    rate: float,
) -> None:
    """Train one part for so many steps; a finished or interrupted phase is read again."""
    path = options.output / f"{name}.pt"
    lessons_on = next(module.parameters()).device
    # With bfloat16 four times as fast on a CPU that computes in it.
    module.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=1e-3
    )
    done = 0
    if path.exists():
        state = _begun(path)
        module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        done = state["step"]
    with stopping() as asked:
        for step in with_bar(range(done, steps), steps - done, name):
            share = step / steps
            factor = min(1.0, (step + 1) / WARMUP) * (1 + math.cos(math.pi * share)) / 2
            optimizer.param_groups[0]["lr"] = rate * factor
            with half_precision(lessons_on):
                found = losses(np.random.default_rng([options.seed, step, len(name)]))
            optimizer.zero_grad()
            torch.stack(list(found.values())).sum().backward()
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            noted = {loss: value.item() for loss, value in found.items()}
            note(options.output / f"{name}.csv", step + 1, noted)
            stop = asked.is_set()
            if stop or (step + 1) % options.save_every == 0 or step + 1 == steps:
                parts = {"module": module.state_dict(), "optimizer": optimizer.state_dict()}
                kept = {**parts, "step": step + 1, "lessons": KIND}
                write_atomically(path, partial(torch.save, kept))
            if stop:
                raise KeyboardInterrupt


def _begun(path: Path) -> dict[str, Any]:
    """What a phase saved.

    Raises:
        DataError: it was taught with lessons of another kind.
    """
    state: dict[str, Any] = torch.load(path, weights_only=True)
    if state.get("lessons") != KIND:
        raise DataError(
            f"{path} was taught with lessons of another kind than today's; delete {path.parent}, "
            "or name another folder"
        )
    return state
