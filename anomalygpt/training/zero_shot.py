"""Prompts learned for any part, as published (AnomalyCLIP, AD-CLIP): on the labelled test photos of
one data set, to be used on others.

CLIP stays as it is. After each epoch the prompts are written in the published form,
`epoch_N.pth`, and beside them the table and curves of the run, and what is needed to go on.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anomalygpt.checkpoints import load_module, resolve
from anomalygpt.checkpoints.anomalyclip import prompted_decoder, published_state, value_attention
from anomalygpt.checkpoints.clip import clip_sizes, left_out, open_clip_file, own_name
from anomalygpt.checkpoints.readers import load_torch
from anomalygpt.config import AnomalyGPTConfig
from anomalygpt.data import Sample
from anomalygpt.devices import resolve_device
from anomalygpt.errors import CheckpointError, ConfigError, TrainingError
from anomalygpt.files import write_atomically
from anomalygpt.interruptions import stopping
from anomalygpt.model import AnomalyGPT
from anomalygpt.progress import with_bar
from anomalygpt.training.objective import frozen_features
from anomalygpt.training.start import hash_photos
from anomalygpt.training.zero_shot_batches import PromptBatch, batches
from anomalygpt.training.zero_shot_log import write_log
from anomalygpt.training.zero_shot_settings import (
    BETAS,
    LOSS_NAMES,
    PromptLosses,
    ZeroShotSettings,
    value_blocks,
)
from anomalygpt.training.zero_shot_validation import best_of, held_out, prompt_figures
from decoder import ImageDecoder, LearnedPrompts, LearnedPromptsConfig
from decoder.losses import ad_clip_loss, prompt_loss
from decoder.similarity import side_logits

LAST = "last.pt"
ASSISTANT = "assistant"


class PromptObjective(nn.Module):
    """What is minimised: how wrong the prompts are about photos, and about their pixels.

    Attributes:
        assistant: whose decoder has the prompts; all else is frozen.
    """

    def __init__(self, assistant: AnomalyGPT, losses: PromptLosses = "anomalyclip") -> None:
        """
        Args:
            assistant: with learned prompts.
            losses: what is added up, see `LOSS_NAMES`.

        Raises:
            ConfigError: the assistant has no learned prompts.
        """
        super().__init__()
        self._loss = {"anomalyclip": prompt_loss, "ad-clip": ad_clip_loss}[losses]
        if assistant.decoder.prompts is None:
            raise ConfigError(
                f"{assistant.name} has no learned prompts; start from a folder that "
                "`anomalygpt convert --anomalyclip` wrote, or from a CLIP file"
            )
        assistant.requires_grad_(False)
        self.assistant = assistant
        self.prompts: LearnedPrompts = assistant.decoder.prompts.requires_grad_(True)

    def forward(self, batch: PromptBatch) -> tuple[Tensor, ...]:
        """The losses that `LOSS_NAMES` tells, see `decoder.losses`; their sum counts."""
        assistant, decoder = self.assistant, self.assistant.decoder
        features = frozen_features(assistant, batch.pixels)
        tower: Any = assistant.encoder
        text = self.prompts.features(tower)
        maps = decoder.text_stage_maps(features.stages, features.grid, text)
        logits = side_logits(features.embedding, text, decoder.config.logit_scale)
        place = logits.device
        return self._loss(maps, batch.masks.to(place), logits, batch.labels.to(place))


def new_assistant(
    clip: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    dpam: int | None = None,
    seed: int = 111,
    device: str | torch.device = "auto",
) -> AnomalyGPT:
    """A CLIP with prompts that have learned nothing yet.

    Args:
        clip: OpenAI's or open_clip's file.
        options: see `convert_anomalyclip`.
        dpam: how many blocks get value attention as AD-CLIP counts them, see `value_blocks`; 0
            takes its least for these towers, unless the options say how many. None leaves it to
            the options.
        seed: of the prompts.
        device: see `AnomalyGPT.from_pretrained`.

    Raises:
        ConfigError, SourceError, CheckpointError: see `convert_anomalyclip`.
    """
    weights = open_clip_file(resolve(clip, kind="file", what="CLIP (ViT-L-14-336px.pt)"))
    sizes, given = clip_sizes(weights), dict(options or {})
    if dpam and "value_blocks" in given:
        raise ConfigError("DPAM and the option value_blocks say the same; give one of them")
    if dpam is not None and "value_blocks" not in given:
        given["value_blocks"] = value_blocks(sizes.vision_blocks, dpam or None)
    encoder = value_attention(weights, given)
    load_module(encoder, weights, rename=own_name, skip=left_out, dtype=torch.float32)
    prompts = LearnedPromptsConfig(sizes.text_width, length=sizes.length)
    config = AnomalyGPTConfig(encoder.config, prompted_decoder(encoder.config, weights, prompts))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        decoder = ImageDecoder(config.decoder)
    place = resolve_device(device)
    return AnomalyGPT(config, encoder.to(place), decoder.to(place), name=Path(clip).stem)


class PromptTrainer:
    """One run: `PromptTrainer(assistant, samples, settings, output).run()`.

    Attributes:
        samples, measured: photos that are learned from, and those that are held out.
        epoch: epochs done.
        losses: of each of them, the mean over photos of the losses that `LOSS_NAMES` tells.
        figures: of each of them, `prompt_figures` of the held-out photos; {} without any.
    """

    def __init__(
        self,
        assistant: AnomalyGPT,
        samples: Sequence[Sample],
        settings: ZeroShotSettings,
        output: Path,
        *,
        resume: bool = False,
    ) -> None:
        """
        Args:
            assistant: with learned prompts.
            samples: from `labelled_photos`.
            settings: of the run.
            output: folder of what is written.
            resume: True goes on from the last epoch in `output`, if there is one.

        Raises:
            ConfigError: no learned prompts, or `output` holds another run.
            CheckpointError: what is there to go on from is damaged.
            DataError: too few photos to hold some out.
        """
        self.objective = PromptObjective(assistant, settings.losses)
        self.assistant, self.settings = assistant, settings
        self.samples, self.measured = held_out(samples, settings.validation_share, settings.seed)
        self.output = output.expanduser()
        self.epoch = 0
        self.losses: list[tuple[float, ...]] = []
        self.figures: list[dict[str, float]] = []
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
        self._optimizer = kind(
            self.objective.prompts.parameters(), lr=settings.learning_rate, betas=BETAS
        )
        names = "\n".join(str(sample.image) for sample in samples)
        self._mark = {**asdict(settings), "photos": hashlib.sha256(names.encode()).hexdigest()}
        last = self.output / LAST
        if last.exists() and not resume:
            raise ConfigError(
                f"{self.output} holds a run already; go on with --resume, or choose another folder"
            )
        if last.exists():
            self._restore(last)

    @property
    def best(self) -> int | None:
        """The best epoch so far, counted from 1; None without held-out photos."""
        return 1 + best_of(self.figures) if self.measured and self.figures else None

    def run(self, told: Callable[[str], None] = print) -> bool:
        """Train until the last epoch, or until Ctrl-C, which loses the epoch that has begun.

        Args:
            told: gets a line after each epoch.

        Returns:
            Whether all epochs are done; the assistant is then in `output/assistant`, with the
            prompts of the best epoch where photos are held out, else of the last one.

        Raises:
            TrainingError: the loss is no longer a number.
            OutputError: the folder cannot be written.
            CheckpointError: the best epoch's file is gone or damaged.
        """
        self.output.mkdir(parents=True, exist_ok=True)
        with stopping() as asked:
            while self.epoch < self.settings.epochs:
                losses = self._pass(asked.is_set)
                if losses is None:
                    return False
                self.assistant.photos.forget_prompts()
                self.epoch += 1
                self.losses.append(losses)
                self.figures.append(self._measure())
                self._save()
                told(f"epoch {self.epoch}: {_told(self._row(self.epoch - 1))}")
        assistant = self.output / ASSISTANT
        if not assistant.exists():
            if self.best is not None:
                self._take(self.best)
                told(f"epoch {self.best} is the best by {len(self.measured)} held-out photos")
            photos = {sample.image for sample in [*self.samples, *self.measured]}
            self.assistant.training_photos |= hash_photos(photos)
            self.assistant.save_pretrained(assistant)
        return True

    def _pass(self, asked: Callable[[], bool]) -> tuple[float, ...] | None:
        """Mean losses of one epoch; None where somebody asked to stop."""
        size, count = self.settings.batch_size, len(self.samples)
        generator = np.random.default_rng([self.settings.seed, self.epoch])
        steps = batches(self.samples, self.assistant, size, generator)
        sums = torch.zeros(len(LOSS_NAMES[self.settings.losses]), dtype=torch.float64)
        for batch in with_bar(steps, math.ceil(count / size), "steps"):
            if asked():
                return None
            self._optimizer.zero_grad()
            losses = torch.stack(self.objective(batch))
            if not torch.isfinite(losses.sum()):
                raise TrainingError(
                    f"the loss of epoch {self.epoch + 1} is no number; try a lower learning rate"
                )
            losses.sum().backward()
            self._optimizer.step()
            sums += len(batch.labels) * losses.detach().double().cpu()
        return tuple((sums / count).tolist())

    def _measure(self) -> dict[str, float]:
        """Figures of the held-out photos."""
        if not self.measured:
            return {}
        tower: Any = self.assistant.encoder
        with torch.no_grad():
            text = self.objective.prompts.features(tower)
        photos = batches(self.measured, self.assistant, self.settings.batch_size)
        products = [sample.category for sample in self.measured]
        return prompt_figures(self.assistant, text, photos, products)

    def _row(self, epoch: int) -> dict[str, float]:
        """Losses and figures of an epoch, counted from 0, by name."""
        losses = self.losses[epoch]
        named = zip(LOSS_NAMES[self.settings.losses], losses, strict=True)
        return {"loss": sum(losses), **dict(named), **self.figures[epoch]}

    def _save(self) -> None:
        tower: Any = self.assistant.encoder
        published = {"prompt_learner": published_state(self.objective.prompts, tower)}
        state = {
            "mark": self._mark,
            "epoch": self.epoch,
            "losses": self.losses,
            "figures": self.figures,
            "prompts": self.objective.prompts.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        _written(published, self._file(self.epoch))
        best = None if self.best is None else self.best - 1
        write_log(self.output, [self._row(epoch) for epoch in range(self.epoch)], best)
        _written(state, self.output / LAST)  # says that the others are there

    def _file(self, epoch: int) -> Path:
        return self.output / f"epoch_{epoch}.pth"

    def _take(self, epoch: int) -> None:
        """Go back to the prompts of an epoch, counted from 1."""
        path, prompts = self._file(epoch), self.objective.prompts
        found = load_torch(path, mapped=False)
        try:
            state = {name: found["prompt_learner"][name] for name in prompts.state_dict()}
            prompts.load_state_dict(state)
        except (KeyError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"{path} is damaged ({error}); train into a new folder"
            ) from error
        self.assistant.photos.forget_prompts()

    def _restore(self, path: Path) -> None:
        state = load_torch(path, mapped=False)
        try:
            former = dict(state["mark"])
            if former != self._mark:
                changed = [name for name in self._mark if former.get(name) != self._mark[name]]
                raise ConfigError(
                    f"the run in {self.output} began with other {', '.join(changed)}; give the "
                    "former ones, or train into a new folder"
                )
            self.objective.prompts.load_state_dict(state["prompts"])
            self._optimizer.load_state_dict(state["optimizer"])
            self.epoch, self.losses = int(state["epoch"]), [tuple(each) for each in state["losses"]]
            self.figures = [dict(each) for each in state["figures"]]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{path} is damaged ({error}); train into a new folder"
            ) from error


def _written(content: Mapping[str, Any], path: Path) -> None:
    write_atomically(path, lambda file: torch.save(content, file))


def _told(row: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in row.items())
