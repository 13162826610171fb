"""Everything that decides a training run. Saved beside its checkpoints, compared on resuming."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from anomalygpt.constants import TemplateName
from anomalygpt.errors import ConfigError
from anomalygpt.images import check_bit_depth
from anomalygpt.images.detail import Detail, checked_detail

Ablation = Literal["none", "no-decoder", "no-prompt-learner", "lora", "decoder-only"]
DialogueStyle = Literal["published", "rich", "mixed"]

ARGUMENTS_FILE = "arguments.json"

_CHOICES: dict[str, tuple[str, ...]] = {
    "ablation": ("none", "no-decoder", "no-prompt-learner", "lora", "decoder-only"),
    "dialogues": ("published", "rich", "mixed"),
    "mixed_precision": ("no", "fp16", "bf16"),
    "template": get_args(TemplateName),
}


def _free(default: Any) -> Any:
    """A setting that may change when a run is resumed: it does not touch the weights."""
    return field(default=default, metadata={"free": True})


@dataclass(frozen=True)
class TrainingArguments:
    """What is trained on what, and how.

    Attributes:
        data: folder of a data set; see `anomalygpt.data`.
        also: further data sets, of any layouts, all their categories.
        output: folder of checkpoints, logs and the trained assistant.
        layout: layout of the data set, "auto" to find it out.
        categories: categories to train on; () takes all.
        supervised: True adds the real defects that have masks to the simulated ones.
        instructions: folder of PandaGPT's instruction data; None trains without.
        model: a folder or name of an assistant to start from.
        encoder: an encoder's name, to start a new assistant instead.
        encoder_weights: its weight file.
        encoder_options: its settings, see `AnomalyGPT.from_encoder`.
        language_model: folder or name of the new assistant's language model.
        template: how a dialogue is written for it.
        text_width: width of the learned states, where the encoder has no text tower.
        prompt_channels: channels of the new prompt learner's map network.
        ablation: what to leave out: "no-decoder" (the language model sees no map),
            "no-prompt-learner" (nor base prompts), "lora" (a LoRA instead of prompts),
            "decoder-only" (no language model; a threshold decides).
        epochs: passes over the photos; each photo comes once as it is and once damaged.
        max_steps: optimiser steps at most; None leaves it to `epochs`.
        batch_size: rows of one optimiser step over all processes, kept for any number of them.
        micro_batch_size: rows that one process computes at one time.
        learning_rate: highest rate of AdamW (0.9, 0.95).
        weight_decay: of AdamW.
        warmup: share of the steps in which the rate rises; it then falls as a cosine to 0.
        clip: largest norm of the gradient.
        ce_weight, focal_weight, dice_weight: weights of the three losses.
        reference_share: share of the batches whose map comes from references.
        shots: numbers of references to draw from in those batches.
        rotations: turned copies of every reference; None as many as an inspection takes.
        detail: how closely photos are looked at where their map comes from references, see
            `images.detail.Detail`.
        bit_depth: bits that photos of more than 8 bits use, from 8 to 16; None asks the files of
            each category.
        dialogues: what the language model is taught to say.
        normal_variation: True varies the photos as another camera shot would.
        gradient_checkpointing: True computes the language model twice to save its memory.
        mixed_precision: "no", "fp16" or "bf16".
        max_tokens: longest dialogue; later turns that do not fit are left out.
        validation_share: share of the normal photos held out for validation.
        validation_rows: rows of the validation at most, half of them damaged.
        validate_every, save_every, log_every: in steps.
        seed: of all chance.
        workers: processes that prepare batches ahead.
        cache_mb: memory for the features of references.
        cpu: True trains on the CPU even where there is a GPU.
    """

    data: str
    output: str
    layout: str = "auto"
    categories: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    supervised: bool = False
    instructions: str | None = None
    model: str | None = None
    encoder: str | None = None
    encoder_weights: str | None = None
    encoder_options: dict[str, Any] = field(default_factory=dict)
    language_model: str | None = None
    template: TemplateName = "vicuna_v0"
    text_width: int = 256
    prompt_channels: tuple[int, ...] = (4, 16, 32, 64, 128)
    ablation: Ablation = "none"
    epochs: float = 50
    max_steps: int | None = None
    batch_size: int = 16
    micro_batch_size: int = _free(16)
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    warmup: float = 0.1
    clip: float = 1.0
    ce_weight: float = 1.0
    focal_weight: float = 1.0
    dice_weight: float = 1.0
    reference_share: float = 0.5
    shots: tuple[int, ...] = (1,)
    rotations: int | None = None
    detail: Detail = "auto"
    bit_depth: int | None = None
    dialogues: DialogueStyle = "published"
    normal_variation: bool = True
    gradient_checkpointing: bool = _free(False)
    mixed_precision: str = "no"
    max_tokens: int = 1024
    validation_share: float = 0.1
    validation_rows: int = 64
    validate_every: int = _free(200)
    save_every: int = _free(200)
    log_every: int = _free(10)
    seed: int = 0
    workers: int = _free(1)
    cache_mb: int = _free(1024)
    cpu: bool = _free(False)

    def __post_init__(self) -> None:
        for name in ("categories", "also", "prompt_channels", "shots"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name} is one of {', '.join(choices)}; got {getattr(self, name)!r}"
                )
        self._check_numbers()
        self._check_start()

    def _check_numbers(self) -> None:
        at_least = {
            1: ("batch_size", "micro_batch_size", "text_width", "max_tokens",
                "validate_every", "save_every", "log_every"),
            0: ("workers", "cache_mb", "seed", "weight_decay", "ce_weight", "focal_weight",
                "dice_weight", "validation_rows"),
        }  # fmt: skip
        for least, names in at_least.items():
            for name in names:
                if not getattr(self, name) >= least or math.isinf(getattr(self, name)):
                    raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("epochs", "learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("warmup", "reference_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is a share from 0 to 1, got {getattr(self, name)}")
        if not 0 <= self.validation_share < 1:
            raise ConfigError(
                f"validation_share is a share from 0 to below 1, got {self.validation_share}"
            )
        if len(self.prompt_channels) != 5 or min(self.prompt_channels) < 1:
            raise ConfigError(
                f"prompt_channels are five positive channel counts, got {self.prompt_channels}"
            )
        check_bit_depth(self.bit_depth)
        checked_detail(self.detail)
        if not self.shots or min(self.shots) < 1:
            raise ConfigError(f"shots are numbers of references from 1 on, got {self.shots}")
        for name in ("max_steps", "rotations"):
            if getattr(self, name) is not None and not 1 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")

    def _check_start(self) -> None:
        if (self.model is None) == (self.encoder is None):
            given = "neither was given" if self.model is None else "both were given"
            raise ConfigError(
                "training starts from an assistant (--model FOLDER) or from an image encoder "
                f"(--encoder NAME --encoder-weights FILE), {given}; give one of them"
            )
        if self.model is not None and (self.encoder_weights or self.language_model):
            raise ConfigError(
                "--model brings its own encoder and language model; leave out --encoder-weights "
                "and --language-model, or start with --encoder instead"
            )
        needs_words = self.ablation != "decoder-only"
        if self.encoder is not None and needs_words and self.language_model is None:
            raise ConfigError(
                "a language model is needed beside the encoder (--language-model FOLDER); "
                "--ablation decoder-only trains without one"
            )
        if self.instructions and self.ablation in ("no-prompt-learner", "decoder-only"):
            raise ConfigError(
                f"instruction data teaches nothing with --ablation {self.ablation}: no part that "
                "the language model reads is trained; leave --instructions out"
            )

    def save(self, folder: Path) -> None:
        """Write `folder/arguments.json`."""
        text = json.dumps(dataclasses.asdict(self), indent=2) + "\n"
        (folder / ARGUMENTS_FILE).write_text(text, encoding="utf-8")

    def check_resumable(self, folder: Path) -> None:
        """Refuse to go on with other settings than the run began with.

        Raises:
            ConfigError: a setting differs that decides the weights; it is named.
        """
        path = folder / ARGUMENTS_FILE
        try:
            former = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"{path} cannot be read ({error}); start in a new folder") from error
        now = json.loads(json.dumps(dataclasses.asdict(self)))
        for setting in dataclasses.fields(self):
            name = setting.name
            if setting.metadata.get("free") or name == "output":
                continue
            # "auto" is decided by the data set, which has not changed.
            if name == "layout" and "auto" in (former.get(name), now[name]):
                continue
            if former.get(name) != now[name]:
                raise ConfigError(
                    f"the run in {folder.parent.parent} began with {name}={former.get(name)!r}, "
                    f"now it is {now[name]!r}; give the former value, or train into a new folder"
                )
