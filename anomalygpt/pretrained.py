"""The folder of an assistant: how it is laid out, loaded and saved.

config.json               what the parts are built from
encoder.safetensors       image encoder (or shards with an index)
decoder.safetensors       stage projections and states, where there is a text side
prompt_learner.safetensors, projection.safetensors
language_model/           Hugging Face format; adapter/ in it holds a LoRA that is not merged
training_photos.txt       SHA-256 of the photos that it was trained on or chosen by, if it was

The preset "talk" has less: encoder and decoder are those of "embedded", the weights of its language
model those of an installed GGUF file.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from anomalygpt.checkpoints import load_module, open_weights, resolve, save_module
from anomalygpt.checkpoints.gguf import installed_gguf, require_base
from anomalygpt.config import AnomalyGPTConfig, EncoderConfig, LanguageModelConfig
from anomalygpt.constants import TemplateName
from anomalygpt.devices import resolve_device, resolve_dtype
from anomalygpt.encoders import build_encoder, open_encoder
from anomalygpt.errors import CheckpointError, ConfigError, SourceError
from anomalygpt.files import staged_folder
from anomalygpt.presets import PRESETS
from decoder import DecoderConfig, ImageDecoder
from decoder.config import Formulation
from prompt_learner import PromptLearner

if TYPE_CHECKING:
    from anomalygpt.language.language_model import LanguageModel

LANGUAGE_MODEL = "language_model"
ADAPTER = "adapter"
TRAINING_PHOTOS = "training_photos.txt"

_HEADING = "# SHA-256 of each photo that this assistant was trained on or chosen by"
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Parts:
    """What an assistant is put together from; the names are those of its own attributes."""

    config: AnomalyGPTConfig
    encoder: nn.Module
    decoder: ImageDecoder
    prompt_learner: PromptLearner | None = None
    projection: nn.Linear | None = None
    language_model: LanguageModel | None = None
    name: str = "anomalygpt"
    training_photos: frozenset[str] = frozenset()


def load_parts(
    source: str | Path,
    *,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    quantization: Literal["4bit", "8bit"] | None = None,
    map_only: bool = False,
) -> Parts:
    """The parts in a folder; see `AnomalyGPT.from_pretrained`."""
    folder = assistant_folder(source)
    config = AnomalyGPTConfig.load(folder)
    eyes = folder if config.eyes_of is None else assistant_folder(config.eyes_of)
    training_photos = load_training_photos(folder) | load_training_photos(eyes)
    if map_only:
        config = replace(config, prompt_learner=None, language_model=None)
    place = resolve_device(device)
    # Half precision is for GPUs; the encoder on a CPU is both slower and less exact with it.
    number_format = resolve_dtype(dtype, place) if place.type == "cuda" else torch.float32
    encoder = _encoder(config.encoder, eyes, number_format).to(place)
    decoder = ImageDecoder(config.decoder)
    if decoder.has_text_side:
        load_module(decoder, eyes / "decoder", skip=partial(_not_for, decoder))
    parts = _language_parts(config, folder, device, dtype, quantization)
    return Parts(
        config,
        encoder,
        decoder.to(place),
        name=str(source),
        training_photos=training_photos,
        **parts,
    )


def encoder_alone(
    name: str,
    weights: str | Path | None,
    *,
    options: dict[str, Any] | None,
    formulation: Formulation,
    device: str | torch.device,
    dtype: str | torch.dtype,
) -> Parts:
    """An image encoder and a decoder without a text side; see `AnomalyGPT.from_encoder`."""
    place = resolve_device(device)
    number_format = resolve_dtype(dtype, place)
    encoder: Any = open_encoder(name, weights, options)
    decoder_config = DecoderConfig(encoder.stage_widths, formulation=formulation)
    config = AnomalyGPTConfig(encoder.config, decoder_config)
    decoder = ImageDecoder(decoder_config)
    return Parts(
        config, encoder.to(place, number_format), decoder.to(place, number_format), name=name
    )


def assistant_folder(source: str | Path) -> Path:
    """The folder of a preset, a path, or a hub name.

    Raises:
        SourceError: it is not there.
    """
    if str(source) not in PRESETS:
        return resolve(source, kind="folder", what="an assistant")
    folder = PRESETS[str(source)]
    if not folder.is_dir():
        raise SourceError(
            f"the model {str(source)!r} is missing from this installation ({folder} is not there); "
            "install the package again, or give a folder that `anomalygpt convert` wrote"
        )
    return folder


def _encoder(config: EncoderConfig, folder: Path, dtype: torch.dtype) -> nn.Module:
    # ImageBind-Huge is 4 GB: built without memory, filled from the file, like CLIP. The others are
    # small, and may keep constants outside their state that would be lost on the meta device.
    with torch.device("meta" if config.kind in ("imagebind", "value_attention") else "cpu"):
        encoder = build_encoder(config)
    load_module(encoder, folder / "encoder", dtype=dtype)
    return encoder.to(dtype)


def _language_parts(
    config: AnomalyGPTConfig,
    folder: Path,
    device: str | torch.device,
    dtype: str | torch.dtype,
    quantization: Literal["4bit", "8bit"] | None,
) -> dict[str, Any]:
    if config.language_model is None:
        return {}
    # Imported here: transformers and peft take seconds, and a map alone needs neither.
    from anomalygpt.language.language_model import LanguageModel

    adapter = folder / LANGUAGE_MODEL / ADAPTER
    language_model = LanguageModel.from_pretrained(
        _language_source(config.language_model, folder),
        template=config.language_model.template,
        device=device,
        dtype=dtype,
        quantization=quantization,
        adapter=adapter if config.language_model.adapter else None,
    )
    place = language_model.device
    return {
        "language_model": language_model,
        "prompt_learner": _prompt_learner(config, folder, language_model.width, place),
        "projection": _projection(folder, language_model.width).to(place),
    }


def _language_source(config: LanguageModelConfig, folder: Path) -> Path:
    """The folder of the language model, or the installed file that it was trained with."""
    if config.base_sha256 is None:
        return folder / LANGUAGE_MODEL
    base = installed_gguf()
    require_base(base, config.base_sha256)
    return base


def _prompt_learner(
    config: AnomalyGPTConfig, folder: Path, width: int, place: torch.device
) -> PromptLearner | None:
    if config.prompt_learner is None:
        return None
    if config.prompt_learner.width != width:
        raise ConfigError(
            f"{folder}: the language model is {width} wide, the prompt learner "
            f"{config.prompt_learner.width}; they belong to different assistants"
        )
    prompt_learner = PromptLearner(config.prompt_learner)
    load_module(prompt_learner, folder / "prompt_learner")
    return prompt_learner.to(place)


def _projection(folder: Path, width: int) -> nn.Linear:
    shape = open_weights(folder / "projection").shapes.get("weight", (width, 1))
    projection = nn.Linear(shape[-1], width)
    load_module(projection, folder / "projection")
    return projection


def with_language_model(
    source: str | Path, language_model: LanguageModel, template: TemplateName
) -> Parts:
    """An assistant's encoder and decoder beside another language model, which has not learned to
    read a map yet: training adds its prompt learner.

    Args:
        source: whose encoder and decoder are taken.
        language_model: on the CPU.
        template: how it is spoken to.

    Raises:
        SourceError, CheckpointError, ConfigError: see `load_parts`.
    """
    parts = load_parts(source, device="cpu", map_only=True)
    encoder: Any = parts.encoder
    projection = nn.Linear(encoder.embedding_width, language_model.width)
    with torch.no_grad():
        # Every photo is the same word, the mean of all: what nobody trained should say nothing.
        projection.weight.zero_()
        words: Any = language_model.model.get_input_embeddings()  # type: ignore[operator]
        projection.bias.copy_(words.weight.float().mean(dim=0))
    config = replace(
        parts.config, language_model=LanguageModelConfig(template), prompt_learner=None
    )
    return replace(parts, config=config, language_model=language_model, projection=projection)


def _not_for(decoder: ImageDecoder, name: str) -> str | None:
    """Why a decoder leaves out a weight: an assistant that sees with another's may lack heads."""
    if name.startswith("heads.") and decoder.heads is None:
        return "heads of the assistant whose encoder this one has"
    return None


def save_parts(parts: Parts, folder: Path) -> None:
    """See `AnomalyGPT.save_pretrained`."""
    modules: dict[str, nn.Module] = {"encoder": parts.encoder}
    if parts.decoder.has_text_side:
        modules["decoder"] = parts.decoder
    if parts.prompt_learner is not None:
        modules["prompt_learner"] = parts.prompt_learner
    if parts.projection is not None:
        modules["projection"] = parts.projection
    needed = sum(
        tensor.numel() * tensor.element_size()
        for module in [*modules.values(), *_language_modules(parts)]
        for tensor in module.state_dict().values()
    )
    with staged_folder(folder, needed) as staging:
        for name, module in modules.items():
            save_module(module, staging / f"{name}.safetensors")
        # What is written is whole: it needs no preset and no installed file beside it.
        config = replace(parts.config, eyes_of=None)
        if parts.language_model is not None and config.language_model is not None:
            parts.language_model.save(staging / LANGUAGE_MODEL, ADAPTER)
            adapter = parts.language_model.has_adapter
            written = replace(config.language_model, adapter=adapter, base_sha256=None)
            config = replace(config, language_model=written)
        config.save(staging)
        if parts.training_photos:
            save_training_photos(parts.training_photos, staging)


def _language_modules(parts: Parts) -> list[nn.Module]:
    return [] if parts.language_model is None else [parts.language_model.model]


def save_training_photos(hashes: Collection[str], folder: Path) -> None:
    """Write `folder/training_photos.txt`, sorted, so that the same photos give the same file."""
    text = "\n".join([_HEADING, *sorted(hashes)]) + "\n"
    (folder / TRAINING_PHOTOS).write_text(text, encoding="utf-8", newline="\n")


def load_training_photos(folder: Path) -> frozenset[str]:
    """Read `folder/training_photos.txt`; empty where there is none, as beside published weights.

    Raises:
        CheckpointError: the file is damaged. Without it nobody could tell a photo that the
            assistant knows from a new one.
    """
    path = folder / TRAINING_PHOTOS
    advice = "copy the assistant's folder again"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return frozenset()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); {advice}") from error
    hashes = {number: line for number, line in enumerate(lines, 1) if line[:1] not in ("", "#")}
    for number, line in hashes.items():
        if not _HASH.fullmatch(line):
            raise CheckpointError(
                f"{path} is damaged: line {number} is {line[:70]!r}, not 64 hexadecimal digits; "
                f"{advice}"
            )
    if not hashes:
        # It is only written where there are some.
        raise CheckpointError(f"{path} is damaged: it holds no hash; {advice}")
    return frozenset(hashes.values())
