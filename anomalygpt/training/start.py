"""Where a run begins: the assistant that is trained, and the photos that it is trained on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from anomalygpt.checkpoints import resolve
from anomalygpt.config import AnomalyGPTConfig, LanguageModelConfig
from anomalygpt.data import InspectionData, Sample, bit_depths, open_data
from anomalygpt.encoders import TextEncoder, open_encoder
from anomalygpt.errors import ConfigError, DataError
from anomalygpt.files import hash_file
from anomalygpt.model import AnomalyGPT
from anomalygpt.pretrained import assistant_folder
from anomalygpt.progress import with_bar
from anomalygpt.training.arguments import TrainingArguments
from decoder import DecoderConfig, ImageDecoder
from prompt_learner import PromptLearner, PromptLearnerConfig

# From this width on a language model gets the published map network.
LARGE_WIDTH = 2048
LORA_RANK = LORA_ALPHA = 32


@dataclass(frozen=True)
class TrainingData:
    """Photos of a run.

    Attributes:
        samples: what is trained on.
        held_out: normal photos for validation alone.
        normal_photos: photos of good parts by category, for references and patches; none of
            them is held out.
        depths: bit depths of photos with more than 8 bits, from `bit_depths`.
    """

    samples: Sequence[Sample]
    held_out: Sequence[Sample]
    normal_photos: Mapping[str, Sequence[Path]]
    depths: Mapping[Path, int] = field(default_factory=dict)

    @property
    def photos(self) -> set[Path]:
        """Every photo that a run may look at: held-out ones choose its best weights."""
        samples = [*self.samples, *self.held_out]
        references = {sample.reference for sample in samples if sample.reference is not None}
        return {sample.image for sample in samples} | references


def training_data(arguments: TrainingArguments) -> TrainingData:
    """Choose the photos. Unsupervised training never looks at a test photo.

    Raises:
        DataError: there are no photos to train on.
    """
    sets = [open_data(Path(arguments.data), arguments.layout, arguments.categories or None)]
    sets += [open_data(Path(root)) for root in arguments.also]
    samples: list[Sample] = []
    held_out: list[Sample] = []
    parts = [(data, category) for data in sets for category in data.categories]
    for number, (data, category) in enumerate(parts):
        photos = data.select(category=category, split="train", is_anomalous=False)
        generator = np.random.default_rng([arguments.seed, number])
        order = generator.permutation(len(photos))
        count = min(round(arguments.validation_share * len(photos)), len(photos) - 1)
        if arguments.validation_share and len(photos) > 1:
            count = max(1, count)
        held_out += [photos[index] for index in order[: max(0, count)]]
        samples += [photos[index] for index in sorted(order[max(0, count) :])]
    normal = _by_category(samples)
    if arguments.supervised:
        samples += _real_defects(sets)
    if not samples:
        raise DataError(
            f"{arguments.data} has no normal photos to train on; expected for example "
            "CATEGORY/train/good, see docs/data.md"
        )
    depths = bit_depths([*samples, *held_out], arguments.bit_depth)
    return TrainingData(samples, held_out, normal, depths)


def hash_photos(photos: Collection[Path]) -> frozenset[str]:
    """SHA-256 of each photo; one that cannot be read is left out, training itself names it."""
    hashes = set()
    for photo in with_bar(sorted(photos), len(photos), "photos hashed"):
        with suppress(DataError):
            hashes.add(hash_file(photo))
    return frozenset(hashes)


def _by_category(samples: Sequence[Sample]) -> dict[str, list[Path]]:
    photos: dict[str, list[Path]] = {}
    for sample in samples:
        photos.setdefault(sample.category, []).append(sample.image)
    return photos


def _real_defects(sets: Sequence[InspectionData]) -> list[Sample]:
    """Photos of defects with masks; a road without a photo of a good one counts, too."""
    found = [s for data in sets for s in data.select(is_anomalous=True) if s.masks]
    if not found:
        raise DataError(
            f"{sets[0].root} has no photo of a defect with a mask; train without --supervised"
        )
    return found


def starting_assistant(arguments: TrainingArguments, device: torch.device) -> AnomalyGPT:
    """The assistant as it is before the first step; new parts are drawn with the run's seed.

    Raises:
        SourceError, CheckpointError: weights are missing or damaged.
        ConfigError: parts do not fit.
    """
    torch.manual_seed(arguments.seed)
    if arguments.model is not None:
        words = arguments.ablation != "decoder-only"
        assistant = AnomalyGPT.from_pretrained(arguments.model, device=device, map_only=not words)
        if words and assistant.language_model is None:
            raise ConfigError(
                f"{arguments.model} has no language model; start with --encoder and "
                "--language-model, or train with --ablation decoder-only"
            )
    else:
        assistant = _new_assistant(arguments, device)
    return _with_ablation(assistant, arguments).to(device)


def _new_assistant(arguments: TrainingArguments, device: torch.device) -> AnomalyGPT:
    assert arguments.encoder is not None
    encoder = open_encoder(
        arguments.encoder, arguments.encoder_weights, dict(arguments.encoder_options) or None
    )
    config = AnomalyGPTConfig(encoder.config, DecoderConfig(encoder.stage_widths))  # type: ignore[arg-type]
    decoder = ImageDecoder(config.decoder)
    name = Path(arguments.output).name
    if arguments.ablation == "decoder-only":
        return AnomalyGPT(config, encoder, decoder, name=name)
    from anomalygpt.language.language_model import LanguageModel

    assert arguments.language_model is not None
    language_model = LanguageModel.from_pretrained(
        arguments.language_model,
        template=arguments.template,
        device=device,
    )
    config = replace(config, language_model=LanguageModelConfig(arguments.template))
    projection = nn.Linear(encoder.embedding_width, language_model.width)  # type: ignore[arg-type]
    return AnomalyGPT(
        config, encoder, decoder, projection=projection, language_model=language_model, name=name
    )


def _with_ablation(assistant: AnomalyGPT, arguments: TrainingArguments) -> AnomalyGPT:
    """Add the parts that training needs, and leave out those that an ablation removes."""
    if assistant.decoder.prompts is not None:
        raise ConfigError(
            f"{assistant.name} has learned prompts, which `train` does not train; give a model "
            "without them"
        )
    if not assistant.decoder.has_text_side:
        _add_text_side(assistant, arguments)
    language_model = assistant.language_model
    if arguments.ablation in ("no-prompt-learner", "lora"):
        assistant.prompt_learner = None
        assistant.config = replace(assistant.config, prompt_learner=None)
    elif language_model is not None and assistant.prompt_learner is None:
        channels = PromptLearnerConfig(1).channels
        if language_model.width < LARGE_WIDTH:
            channels = arguments.prompt_channels
        _set_prompt_learner(assistant, PromptLearnerConfig(language_model.width, channels))
    if arguments.ablation == "no-decoder" and assistant.prompt_learner is not None:
        _set_prompt_learner(assistant, replace(assistant.prompt_learner.config, reads_map=False))
    if arguments.ablation == "lora" and language_model is not None:
        if not language_model.has_adapter:
            language_model.add_lora(LORA_RANK, LORA_ALPHA)
        for name, weight in language_model.model.named_parameters():
            if "lora_" in name:
                weight.data = weight.data.float()
                weight.requires_grad_(True)
    return assistant


def _add_text_side(assistant: AnomalyGPT, arguments: TrainingArguments) -> None:
    encoder = assistant.encoder
    has_tower = isinstance(encoder, TextEncoder)
    width = encoder.text_width if isinstance(encoder, TextEncoder) else arguments.text_width
    config = replace(assistant.config.decoder, text_width=width, learned_states=not has_tower)
    assistant.decoder = ImageDecoder(config)
    assistant.config = replace(assistant.config, decoder=config)


def _set_prompt_learner(assistant: AnomalyGPT, config: PromptLearnerConfig) -> None:
    assistant.prompt_learner = PromptLearner(config)
    assistant.config = replace(assistant.config, prompt_learner=config)


def trainable_parameters(assistant: AnomalyGPT) -> dict[str, nn.Parameter]:
    """What training changes, by name: the text side, the prompt learner, a LoRA. All else is
    frozen here."""
    for parameter in assistant.parameters():
        parameter.requires_grad_(False)
    parts: dict[str, nn.Module] = {"decoder": assistant.decoder}
    if assistant.prompt_learner is not None:
        parts["prompt_learner"] = assistant.prompt_learner
    found = {
        f"{part}.{name}": parameter
        for part, module in parts.items()
        for name, parameter in module.named_parameters()
    }
    if assistant.language_model is not None:
        found |= {
            f"language_model.{name}": parameter
            for name, parameter in assistant.language_model.model.named_parameters()
            if parameter.requires_grad
        }
    for parameter in found.values():
        parameter.requires_grad_(True)
    return found


def check_weights(arguments: TrainingArguments) -> str:
    """See that the weights to start from are there, and that a small encoder's fit it.

    Returns:
        A line that names them.

    Raises:
        SourceError, ConfigError: they are not, or are of another kind.
    """
    if arguments.model is not None:
        return f"start: {assistant_folder(arguments.model)}"
    words = arguments.language_model
    if words is not None and arguments.ablation != "decoder-only":
        from anomalygpt.language.loading import check_source

        check_source(words)
    weights = arguments.encoder_weights
    if weights is not None:
        weights = str(resolve(weights, kind="file", what=f"{arguments.encoder}'s weights"))
        if arguments.encoder != "imagebind_huge":  # 4 GB are not read twice
            open_encoder(str(arguments.encoder), weights, dict(arguments.encoder_options) or None)
    return f"start: encoder {arguments.encoder} ({weights or 'by name'}), language model {words}"
