"""The configuration of a whole assistant, and its JSON form `config.json`.

Each package owns the parameters of its part; this module nests them and checks the whole.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from anomalygpt.constants import IMAGEBIND_MEAN, IMAGEBIND_STD, TemplateName
from anomalygpt.errors import ConfigError
from anomalygpt.presets import PRESETS
from decoder.config import DecoderConfig
from prompt_learner.config import PromptLearnerConfig

FORMAT_VERSION = 1
CONFIG_FILE = "config.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")

# The families of image encoders, each a module of `anomalygpt.encoders`.
EncoderKind = Literal["imagebind", "timm", "clip", "compact", "value_attention"]


@dataclass(frozen=True)
class EncoderConfig:
    """Which image encoder, and how photos are prepared for it.

    Attributes:
        kind: the family: "imagebind", "timm", "clip", "compact", our own, or "value_attention",
            CLIP as AnomalyCLIP reads it.
        name: the architecture within the family, such as "vit_tiny_patch16_224".
        input_size: side of the square input in pixels.
        mean: per-channel mean of the pixel normalisation, RGB in [0, 1].
        std: per-channel standard deviation of the pixel normalisation.
        stages: blocks or feature levels to read patch tokens from, counted from 0.
        resize: "square" stretches the photo (as published), "pad" keeps its aspect.
        options: further arguments of the architecture, such as {"pad_type": "same"}.
    """

    kind: EncoderKind
    name: str
    input_size: int = 224
    mean: tuple[float, ...] = IMAGEBIND_MEAN
    std: tuple[float, ...] = IMAGEBIND_STD
    stages: tuple[int, ...] = ()
    resize: Literal["square", "pad"] = "square"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_types()
        for name in ("mean", "std", "stages"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.kind not in get_args(EncoderKind):
            *first, last = map(repr, get_args(EncoderKind))
            raise ConfigError(
                f"unknown encoder kind {self.kind!r}; use {', '.join(first)} or {last}"
            )
        if self.resize not in ("square", "pad"):
            raise ConfigError(f"resize is 'square' or 'pad', got {self.resize!r}")
        if self.input_size < 1:
            raise ConfigError(f"input_size must be positive, got {self.input_size}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ConfigError(
                f"mean and std need three values, std above 0; got {self.mean} and {self.std}"
            )

    def _check_types(self) -> None:
        """Values may come from a command line or a file, where anything can stand."""
        if type(self.input_size) is not int:
            raise ConfigError(f"input_size must be a whole number, got {self.input_size!r}")
        for name, kinds, what in (
            ("mean", (int, float), "numbers"),
            ("std", (int, float), "numbers"),
            ("stages", (int,), "whole numbers"),
        ):
            values = getattr(self, name)
            if not isinstance(values, list | tuple) or any(type(v) not in kinds for v in values):
                raise ConfigError(f"{name} must be a list of {what}, got {values!r}")


@dataclass(frozen=True)
class LanguageModelConfig:
    """How the language model in the folder `language_model/` is spoken to.

    Attributes:
        template: "vicuna_v0" as published, or "chat" for the tokenizer's own chat template.
        adapter: True when `language_model/adapter/` holds a LoRA that was not merged.
        narrow: True for a small model that has read little but dialogues about inspections.
            Words it does not know would move its verdict, so it is asked without the user's
            description; and what it says freely is shown only where the result bears it out.
        talks: True for a model that was taught to answer open questions about results. They go to
            it, and a sentence of it that invents something about the photo is left out.
        base_sha256: of the installed GGUF file that holds the weights, where they do not lie in
            the folder: 64 hexadecimal digits.
    """

    template: TemplateName = "vicuna_v0"
    adapter: bool = False
    narrow: bool = False
    talks: bool = False
    base_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.template not in get_args(TemplateName):
            names = " or ".join(map(repr, get_args(TemplateName)))
            raise ConfigError(f"template is {names}, got {self.template!r}")
        for name in ("narrow", "talks"):
            if type(getattr(self, name)) is not bool:
                raise ConfigError(f"{name} is true or false, got {getattr(self, name)!r}")
        if self.narrow and self.talks:
            raise ConfigError("narrow and talks exclude each other")
        if self.base_sha256 is not None and not _SHA256.fullmatch(str(self.base_sha256)):
            raise ConfigError(f"base_sha256 is 64 hexadecimal digits, got {self.base_sha256!r}")


@dataclass(frozen=True)
class AnomalyGPTConfig:
    """A whole assistant. Without a language model it draws maps and answers nothing.

    Attributes:
        encoder, decoder, prompt_learner, language_model: its parts.
        eyes_of: the preset whose encoder and decoder weights serve here too; None where they lie
            beside config.json.
    """

    encoder: EncoderConfig
    decoder: DecoderConfig
    prompt_learner: PromptLearnerConfig | None = None
    language_model: LanguageModelConfig | None = None
    eyes_of: str | None = None

    def __post_init__(self) -> None:
        if self.eyes_of is not None and str(self.eyes_of) not in PRESETS:
            raise ConfigError(f"eyes_of is one of {', '.join(PRESETS)}, got {self.eyes_of!r}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; settings that few assistants have are left out of all others."""
        values = {"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}
        language_model = values["language_model"] or {}
        rare = (
            (values, "eyes_of"),
            (values["decoder"], "prompts"),
            (values["decoder"], "heads"),
            (language_model, "base_sha256"),
            (language_model, "talks"),
        )
        for part, name in rare:
            if part.get(name) in (None, False):
                part.pop(name, None)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AnomalyGPTConfig:
        """Read the form that `to_dict` writes.

        Raises:
            ConfigError: an unknown or missing setting, or a format of a later version.
        """
        rest = dict(values)
        version, eyes_of = rest.pop("format_version", None), rest.pop("eyes_of", None)
        if version != FORMAT_VERSION:
            raise ConfigError(
                f"config has format_version {version!r}, this program reads {FORMAT_VERSION}; "
                "convert the weights again or update anomalygpt"
            )
        parts = {
            "encoder": EncoderConfig,
            "decoder": DecoderConfig,
            "prompt_learner": PromptLearnerConfig,
            "language_model": LanguageModelConfig,
        }
        if unknown := sorted(set(rest) - set(parts)):
            raise ConfigError(f"config has unknown parts {unknown}; known are {sorted(parts)}")
        try:
            built = {
                name: None if rest.get(name) is None else part(**rest[name])
                for name, part in parts.items()
            }
        except (TypeError, ValueError) as error:
            raise ConfigError(f"config cannot be used: {error}") from error
        if built["encoder"] is None or built["decoder"] is None:
            raise ConfigError("config needs the parts 'encoder' and 'decoder'")
        return cls(**built, eyes_of=eyes_of)  # type: ignore[arg-type]

    def save(self, folder: Path) -> None:
        text = json.dumps(self.to_dict(), indent=2) + "\n"
        (folder / CONFIG_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> AnomalyGPTConfig:
        """Read `folder/config.json`.

        Raises:
            ConfigError: the file is missing, is not JSON, or describes something else.
        """
        path = folder / CONFIG_FILE
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(
                f"{folder} has no {CONFIG_FILE}; give a folder that `anomalygpt convert` or "
                "`save_pretrained` wrote"
            ) from None
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} cannot be read as JSON: {error}") from error
        if not isinstance(values, dict) or "format_version" not in values:
            raise ConfigError(
                f"{path} belongs to another program (no format_version); published weights go "
                "through `anomalygpt convert` first"
            )
        try:
            return cls.from_dict(values)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
