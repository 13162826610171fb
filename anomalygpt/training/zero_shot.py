"""Prompts learned for any part, as published (AnomalyCLIP): on the labelled test photos of one data
set, to be used on others.

CLIP stays as it is. After each epoch the prompts are written in the published form,
`epoch_N.pth`, and beside them what is needed to go on.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
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
from anomalygpt.data import InspectionData, Sample, load_mask
from anomalygpt.devices import resolve_device
from anomalygpt.errors import CheckpointError, ConfigError, DataError, TrainingError
from anomalygpt.files import write_atomically
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.images.reading import load_image
from anomalygpt.interruptions import stopping
from anomalygpt.model import AnomalyGPT
from anomalygpt.progress import with_bar
from anomalygpt.training.objective import frozen_features
from anomalygpt.training.rows import mask_cells, model_pixels
from anomalygpt.training.start import hash_photos
from decoder import ImageDecoder, LearnedPrompts, LearnedPromptsConfig
from decoder.losses import prompt_loss
from decoder.similarity import side_logits

BETAS = (0.5, 0.999)
LAST = "last.pt"
ASSISTANT = "assistant"


@dataclass(frozen=True)
class ZeroShotSettings:
    """How prompts are trained; as published by default.

    Attributes:
        epochs: passes over the photos.
        batch_size: photos of one step; the last step of an epoch may have fewer.
        learning_rate: of Adam (0.5, 0.999), the same throughout.
        seed: of the first prompts, and of the order of the photos.
    """

    epochs: int = 15
    batch_size: int = 8
    learning_rate: float = 1e-3
    seed: int = 111

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.seed < 0:
            raise ConfigError(f"seed must be at least 0, got {self.seed}")


@dataclass(frozen=True)
class PromptBatch:
    """Photos of one step.

    Attributes:
        pixels: (B, 3, S, S), normalised.
        masks: (B, M, M), 1 where abnormal.
        labels: (B,), 1 where a photo is abnormal.
    """

    pixels: Tensor
    masks: Tensor
    labels: Tensor


class PromptObjective(nn.Module):
    """What is minimised: how wrong the prompts are about photos, and about their pixels.

    Attributes:
        assistant: whose decoder has the prompts; all else is frozen.
    """

    def __init__(self, assistant: AnomalyGPT) -> None:
        """
        Raises:
            ConfigError: the assistant has no learned prompts.
        """
        super().__init__()
        if assistant.decoder.prompts is None:
            raise ConfigError(
                f"{assistant.name} has no learned prompts; start from a folder that "
                "`anomalygpt convert --anomalyclip` wrote, or from a CLIP file"
            )
        assistant.requires_grad_(False)
        self.assistant = assistant
        self.prompts: LearnedPrompts = assistant.decoder.prompts.requires_grad_(True)

    def forward(self, batch: PromptBatch) -> tuple[Tensor, Tensor]:
        """Losses of photos and of pixels, see `decoder.losses.prompt_loss`; their sum counts."""
        assistant, decoder = self.assistant, self.assistant.decoder
        features = frozen_features(assistant, batch.pixels)
        tower: Any = assistant.encoder
        text = self.prompts.features(tower)
        maps = decoder.text_stage_maps(features.stages, features.grid, text)
        logits = side_logits(features.embedding, text, decoder.config.logit_scale)
        place = logits.device
        return prompt_loss(maps, batch.masks.to(place), logits, batch.labels.to(place))


def new_assistant(
    clip: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    seed: int = 111,
    device: str | torch.device = "auto",
) -> AnomalyGPT:
    """A CLIP with prompts that have learned nothing yet.

    Args:
        clip: OpenAI's or open_clip's file.
        options: see `convert_anomalyclip`.
        seed: of the prompts.
        device: see `AnomalyGPT.from_pretrained`.

    Raises:
        ConfigError, SourceError, CheckpointError: see `convert_anomalyclip`.
    """
    weights = open_clip_file(resolve(clip, kind="file", what="CLIP (ViT-L-14-336px.pt)"))
    encoder = value_attention(weights, options or {})
    load_module(encoder, weights, rename=own_name, skip=left_out, dtype=torch.float32)
    sizes = clip_sizes(weights)
    prompts = LearnedPromptsConfig(sizes.text_width, length=sizes.length)
    config = AnomalyGPTConfig(encoder.config, prompted_decoder(encoder.config, weights, prompts))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        decoder = ImageDecoder(config.decoder)
    place = resolve_device(device)
    return AnomalyGPT(config, encoder.to(place), decoder.to(place), name=Path(clip).stem)


def labelled_photos(data: InspectionData) -> list[Sample]:
    """The test photos that prompts can be learned from: good ones, and damaged ones with masks.

    Raises:
        DataError: there are none of one sort.
    """
    photos = [
        sample for sample in data.select(split="test") if not sample.is_anomalous or (sample.masks)
    ]
    damaged = sum(sample.is_anomalous for sample in photos)
    if not damaged or damaged == len(photos):
        lacking = "damaged test photos with masks" if not damaged else "good test photos"
        raise DataError(
            f"{data.root} has no {lacking}; prompts are learned from both, give a data set such as "
            "MVTec AD or VisA"
        )
    return photos


def batches(
    samples: Sequence[Sample], assistant: AnomalyGPT, size: int, generator: np.random.Generator
) -> Iterator[PromptBatch]:
    """All photos once, in an order of their own.

    Raises:
        DataError, ImageError: a photo or its mask cannot be used.
    """
    encoder, cells = assistant.config.encoder, assistant.decoder.config.map_size
    order = generator.permutation(len(samples))
    for start in range(0, len(order), size):
        chosen = [samples[number] for number in order[start : start + size]]
        pixels, masks = [], []
        for sample in chosen:
            photo = load_image(sample.image)
            shape = (photo.height, photo.width)
            geometry = ImageGeometry.fit(shape, encoder.input_size, encoder.resize)
            pixels.append(model_pixels(photo, encoder))
            masks.append(mask_cells(load_mask(sample, shape), geometry, cells))
        labels = torch.tensor([int(sample.is_anomalous) for sample in chosen])
        yield PromptBatch(torch.stack(pixels), torch.stack(masks).float(), labels)


class PromptTrainer:
    """One run: `PromptTrainer(assistant, samples, settings, output).run()`.

    Attributes:
        epoch: epochs done.
        losses: of each of them, the mean over photos of image and pixel losses.
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
        """
        self.objective = PromptObjective(assistant)
        self.assistant, self.samples, self.settings = assistant, list(samples), settings
        self.output = output.expanduser()
        self.epoch = 0
        self.losses: list[tuple[float, float]] = []
        self._optimizer = torch.optim.Adam(
            self.objective.prompts.parameters(), lr=settings.learning_rate, betas=BETAS
        )
        names = "\n".join(str(sample.image) for sample in self.samples)
        self._mark = {**asdict(settings), "photos": hashlib.sha256(names.encode()).hexdigest()}
        last = self.output / LAST
        if last.exists() and not resume:
            raise ConfigError(
                f"{self.output} holds a run already; go on with --resume, or choose another folder"
            )
        if last.exists():
            self._restore(last)

    def run(self, told: Callable[[str], None] = print) -> bool:
        """Train until the last epoch, or until Ctrl-C, which loses the epoch that has begun.

        Args:
            told: gets a line after each epoch.

        Returns:
            Whether all epochs are done; the assistant is then in `output/assistant`.

        Raises:
            TrainingError: the loss is no longer a number.
            OutputError: the folder cannot be written.
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
                self._save()
                told(f"epoch {self.epoch}: photos {losses[0]:.4f}, pixels {losses[1]:.4f}")
        assistant = self.output / ASSISTANT
        if not assistant.exists():
            photos = {sample.image for sample in self.samples}
            self.assistant.training_photos |= hash_photos(photos)
            self.assistant.save_pretrained(assistant)
        return True

    def _pass(self, asked: Callable[[], bool]) -> tuple[float, float] | None:
        """Mean losses of one epoch; None where somebody asked to stop."""
        size, count = self.settings.batch_size, len(self.samples)
        generator = np.random.default_rng([self.settings.seed, self.epoch])
        steps = batches(self.samples, self.assistant, size, generator)
        sums = torch.zeros(2, dtype=torch.float64)
        for batch in with_bar(steps, math.ceil(count / size), "steps"):
            if asked():
                return None
            self._optimizer.zero_grad()
            image, pixels = self.objective(batch)
            if not torch.isfinite(image + pixels):
                raise TrainingError(
                    f"the loss of epoch {self.epoch + 1} is no number; try a lower learning rate"
                )
            (image + pixels).backward()
            self._optimizer.step()
            sums += len(batch.labels) * torch.stack([image, pixels]).detach().double().cpu()
        first, second = (sums / count).tolist()
        return first, second

    def _save(self) -> None:
        tower: Any = self.assistant.encoder
        published = {"prompt_learner": published_state(self.objective.prompts, tower)}
        state = {
            "mark": self._mark,
            "epoch": self.epoch,
            "losses": self.losses,
            "prompts": self.objective.prompts.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        _written(published, self.output / f"epoch_{self.epoch}.pth")
        _written(state, self.output / LAST)  # says that the other is there

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
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{path} is damaged ({error}); train into a new folder"
            ) from error


def _written(content: Mapping[str, Any], path: Path) -> None:
    write_atomically(path, lambda file: torch.save(content, file))
