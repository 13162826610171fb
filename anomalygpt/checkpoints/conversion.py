"""From the published files to one folder that `AnomalyGPT.from_pretrained` reads.

Everything is checked by names and shapes before the first byte is written; then the tensors
stream from the mapped sources into shards.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from anomalygpt.checkpoints.hub import Kind, resolve
from anomalygpt.checkpoints.llama import (
    LlamaFolder,
    check_delta,
    check_llama,
    check_whole,
    collect_lora,
    llama_documents,
    llama_entries,
    llama_shapes,
    open_llama,
    unchanged,
)
from anomalygpt.checkpoints.published import (
    IMAGEBIND_HUGE,
    LORA_NAME,
    PROJECTION,
    DeltaSizes,
    ImageBindSizes,
    Shape,
    compare,
    decoder_names,
    delta_shapes,
    delta_sizes,
    imagebind_options,
    imagebind_shapes,
    imagebind_sizes,
    imagebind_skip,
    prompt_learner_names,
)
from anomalygpt.checkpoints.readers import TensorRef, open_file
from anomalygpt.checkpoints.report import LoadReport
from anomalygpt.checkpoints.vicuna import recognised
from anomalygpt.checkpoints.writer import (
    MAX_SHARD_SIZE,
    Entry,
    cast,
    parse_dtype,
    progress_bar,
    write_json,
    write_shards,
)
from anomalygpt.config import AnomalyGPTConfig, EncoderConfig, LanguageModelConfig
from anomalygpt.errors import CheckpointError, ConfigError
from anomalygpt.files import require_vacant, staged_folder
from decoder.config import DecoderConfig
from prompt_learner.config import PromptLearnerConfig

LANGUAGE_FOLDER = "language_model"
ADAPTER = "language_model/adapter/adapter_model"
ADAPTER_CONFIG = "language_model/adapter/adapter_config.json"
# Room for config.json, indices and file headers.
SMALL_FILES = 1_000_000
INFINITE_TENSORS = ("modality_preprocessors.text.mask",)


@dataclass(frozen=True)
class ConversionSources:
    """The published files, as paths or as names on the Hugging Face hub.

    Attributes:
        imagebind: `imagebind_huge.pth`; every assistant needs it.
        vicuna: folder of a whole Vicuna in the Hugging Face layout.
        llama: folder of the LLaMA to which `vicuna_delta` is added, instead of `vicuna`.
        vicuna_delta: folder of Vicuna's difference to LLaMA.
        pandagpt: PandaGPT's file with `llama_proj` and LoRA.
        anomalygpt: AnomalyGPT's `pytorch_model.pt` with decoder and prompt learner.
        imagebind_options: "vision_heads" and "text_heads" of an ImageBind that is not the huge one.
        lora_alpha: alpha of a LoRA that has another rank than the published 32.
    """

    imagebind: str | Path | None = None
    vicuna: str | Path | None = None
    llama: str | Path | None = None
    vicuna_delta: str | Path | None = None
    pandagpt: str | Path | None = None
    anomalygpt: str | Path | None = None
    imagebind_options: Mapping[str, int] = field(default_factory=dict)
    lora_alpha: float | None = None

    def __post_init__(self) -> None:
        if self.imagebind is None:
            raise ConfigError(
                "an assistant needs its eyes: give --imagebind imagebind_huge.pth, or --gguf FILE "
                "to give an assistant another language model"
            )
        if self.vicuna is not None and (self.llama is not None or self.vicuna_delta is not None):
            raise ConfigError("give either --vicuna, or --llama with --vicuna-delta, not both")
        if (self.llama is None) != (self.vicuna_delta is None):
            lacking = "--llama" if self.llama is None else "--vicuna-delta"
            raise ConfigError(f"--llama and --vicuna-delta go together; {lacking} is missing")
        if self.pandagpt is not None and not self.has_language_model:
            raise ConfigError(
                "--pandagpt continues a language model: give --vicuna, or --llama with "
                "--vicuna-delta"
            )

    @property
    def has_language_model(self) -> bool:
        return self.vicuna is not None or self.llama is not None


@dataclass
class Plan:
    """What will be written, known down to the byte before anything is.

    Attributes:
        dtype: number format of the encoder and the language model.
        allow_unknown: leave unknown tensors out instead of refusing the file.
        tensors: path without ending, such as "language_model/model" → its tensors.
        documents: path → JSON content.
        copies: files for the folder of the language model.
        report: the fate of every tensor of every source.
    """

    dtype: torch.dtype
    allow_unknown: bool
    tensors: dict[str, list[Entry]] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    copies: list[Path] = field(default_factory=list)
    report: LoadReport = field(default_factory=LoadReport)

    def accept(self, report: LoadReport, source: object) -> None:
        """Take over the findings about a source, or refuse it."""
        report.raise_if_bad(source, self.allow_unknown)
        self.report.merge(report)

    @property
    def tensor_bytes(self) -> int:
        return sum(entry.size for entries in self.tensors.values() for entry in entries)

    @property
    def needed_bytes(self) -> int:
        return self.tensor_bytes + sum(file.stat().st_size for file in self.copies) + SMALL_FILES


def convert(
    sources: ConversionSources,
    output: Path,
    *,
    dtype: str = "float16",
    merge_lora: bool = False,
    allow_unknown: bool = False,
    max_shard_size: int = MAX_SHARD_SIZE,
    progress: bool = True,
) -> LoadReport:
    """Write the folder of an assistant from the published files.

    Args:
        sources: where the files are.
        output: the folder to write; it must not exist or be empty.
        dtype: "float16", "bfloat16" or "float32" for the encoder and the language model. The
            small trained parts keep their own format.
        merge_lora: add PandaGPT's LoRA to the weights instead of writing it as an adapter.
        allow_unknown: leave out tensors with unknown names; they stay in the report.
        max_shard_size: bytes of one file; about twice as much memory is used.
        progress: show a bar on stderr when it takes a while.

    Returns:
        What happened to every tensor, under its published name.

    Raises:
        ConfigError: the sources do not make an assistant.
        SourceError: a source is not there.
        CheckpointError: a source is damaged, of another model, or does not fit the others.
        OutputError: the folder cannot be written; nothing of it is left.
    """
    output = output.expanduser()
    plan = Plan(parse_dtype(dtype), allow_unknown)
    if max_shard_size < 1:
        raise ConfigError(f"max_shard_size must be positive, got {max_shard_size}")
    # A download of many gigabytes must not end at a taken folder.
    require_vacant(output)
    config = plan_assistant(plan, sources, merge_lora)
    _write(plan, config, output, max_shard_size, progress)
    return plan.report


def _write(
    plan: Plan, config: AnomalyGPTConfig, output: Path, max_shard_size: int, progress: bool
) -> None:
    with (
        staged_folder(output, plan.needed_bytes) as folder,
        progress_bar(plan.tensor_bytes, progress) as bar,
    ):
        for place, entries in plan.tensors.items():
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            # peft reads an adapter from one file only.
            limit = sys.maxsize if place == ADAPTER else max_shard_size
            write_shards(entries, target.parent, target.name, limit, bar)
        for place, content in plan.documents.items():
            write_json(folder / place, content)
        for file in plan.copies:
            shutil.copyfile(file, folder / LANGUAGE_FOLDER / file.name)
        config.save(folder)


def plan_assistant(plan: Plan, sources: ConversionSources, merge_lora: bool) -> AnomalyGPTConfig:
    """Open and check all sources, and decide what to write; errors are those of `convert`."""
    encoder, eyes = _plan_encoder(plan, sources)
    delta: DeltaSizes | None = None
    joint: dict[str, TensorRef] = {}
    if sources.pandagpt is not None:
        joint |= _plan_pandagpt(plan, sources.pandagpt)
    if sources.anomalygpt is not None:
        delta, newer = _plan_anomalygpt(plan, sources.anomalygpt, eyes)
        if replaced := sorted(set(joint) & set(newer)):
            plan.report.notes.append(
                f"{len(replaced)} tensors of {sources.pandagpt} are replaced by the newer ones in "
                f"{sources.anomalygpt} ({replaced[0]} …)"
            )
        joint |= newer
    language = None
    if sources.has_language_model:
        language = _plan_language(plan, sources, joint, delta, eyes, merge_lora)
    else:
        plan.report.skipped |= dict.fromkeys(joint, "no language model was given to use it")
    learner = None
    if delta is not None:
        learner = PromptLearnerConfig(delta.width, delta.channels, delta.base_prompts)
    return AnomalyGPTConfig(
        encoder=encoder,
        decoder=DecoderConfig(
            stage_widths=(eyes.vision_width,) * len(eyes.stages),
            text_width=delta.text_width if delta else None,
            # What the published prompt learner was trained to read.
            formulation="published",
        ),
        prompt_learner=learner,
        language_model=language,
    )


def _plan_encoder(plan: Plan, sources: ConversionSources) -> tuple[EncoderConfig, ImageBindSizes]:
    path = _resolve(sources.imagebind, "file", "ImageBind (imagebind_huge.pth)")
    refs = open_delta(path)
    shapes = _shapes(refs)
    sizes = imagebind_sizes(shapes, path)
    options = imagebind_options(sizes, sources.imagebind_options)
    expected = imagebind_shapes(sizes)
    plan.accept(compare(shapes, expected, imagebind_skip), path)

    def entry(name: str, ref: TensorRef) -> Entry:
        # The logit scale is a logarithm: rounding it would change the scale by up to 0.2 %.
        dtype = plan.dtype if ref.shape else torch.float32
        infinite = name in INFINITE_TENSORS
        return Entry(name, ref.shape, dtype, lambda: cast(name, ref.read(), dtype, infinite))

    plan.tensors["encoder"] = [entry(name, refs[name]) for name in expected]
    config = EncoderConfig(
        kind="imagebind",
        name="imagebind_huge" if sizes == IMAGEBIND_HUGE else "imagebind",
        input_size=sizes.input_size,
        stages=sizes.stages,
        options=options,
    )
    return config, sizes


def _plan_pandagpt(plan: Plan, source: str | Path) -> dict[str, TensorRef]:
    path = _resolve(source, "file", "PandaGPT (pandagpt_7b.pt)")
    joint, rest = _split(open_delta(path))
    plan.accept(LoadReport(unexpected=list(rest)), path)
    return joint


def _plan_anomalygpt(
    plan: Plan, source: str | Path, eyes: ImageBindSizes
) -> tuple[DeltaSizes, dict[str, TensorRef]]:
    path = _resolve(source, "file", "AnomalyGPT (pytorch_model.pt)")
    joint, rest = _split(open_delta(path))
    sizes = delta_sizes(_shapes(rest), path)
    plan.accept(compare(_shapes(rest), delta_shapes(sizes)), path)
    widths = (eyes.vision_width,) * len(eyes.stages)
    if (sizes.stage_widths, sizes.text_width) != (widths, eyes.output_width):
        raise CheckpointError(
            f"{path}: the decoder reads stages of {sizes.stage_widths} channels and text of "
            f"{sizes.text_width}, but the ImageBind given has {widths} and {eyes.output_width}; "
            "the two files must belong together"
        )
    for place, names in (
        ("decoder", decoder_names(sizes)),
        ("prompt_learner", prompt_learner_names()),
    ):
        plan.tensors[place] = [unchanged(new, rest[old]) for old, new in names.items()]
    return sizes, joint


def _plan_language(
    plan: Plan,
    sources: ConversionSources,
    joint: Mapping[str, TensorRef],
    delta: DeltaSizes | None,
    eyes: ImageBindSizes,
    merge_lora: bool,
) -> LanguageModelConfig:
    model, base = _open_language(sources)
    expected = llama_shapes(model)
    plan.accept(check_llama(model, expected, base=False), model.path)
    if base is not None:
        plan.accept(check_llama(base, expected, base=True), base.path)
    plan.report.notes += recognised(model, base)
    width = model.size("hidden_size")
    if delta is not None and delta.width != width:
        raise CheckpointError(
            f"the prompt learner in {sources.anomalygpt} writes {delta.width} channels, but the "
            f"language model in {model.path} is {width} wide; the two must belong together"
        )
    _plan_projection(plan, sources, joint, {"weight": (width, eyes.output_width), "bias": (width,)})
    lora = None
    factors = {name: ref for name, ref in joint.items() if name not in PROJECTION}
    if factors or sources.pandagpt is not None:
        layers = model.size("num_hidden_layers")
        lora, report = collect_lora(factors, expected, layers, sources.lora_alpha)
        plan.accept(report, sources.pandagpt or sources.anomalygpt)
    if lora is not None and not merge_lora:
        plan.tensors[ADAPTER] = lora.adapter_entries()
        plan.documents[ADAPTER_CONFIG] = lora.adapter_config()
    plan.tensors[f"{LANGUAGE_FOLDER}/model"] = llama_entries(
        model, expected, plan.dtype, base, lora if merge_lora else None
    )
    document, plan.copies = llama_documents(model, plan.dtype)
    plan.documents[f"{LANGUAGE_FOLDER}/config.json"] = document
    return LanguageModelConfig(template="vicuna_v0", adapter=lora is not None and not merge_lora)


def _open_language(sources: ConversionSources) -> tuple[LlamaFolder, LlamaFolder | None]:
    """The whole model, or the delta and its base."""
    if sources.vicuna is not None:
        model = open_llama(_resolve(sources.vicuna, "folder", "Vicuna"))
        check_whole(model, "--vicuna")
        return model, None
    model = open_llama(_resolve(sources.vicuna_delta, "folder", "Vicuna's delta"))
    base = open_llama(_resolve(sources.llama, "folder", "LLaMA"))
    check_delta(model)
    check_whole(base, "--llama")
    return model, base


def _plan_projection(
    plan: Plan,
    sources: ConversionSources,
    joint: Mapping[str, TensorRef],
    expected: Mapping[str, Shape],
) -> None:
    refs = {name: joint[name] for name in PROJECTION if name in joint}
    if not refs:
        raise ConfigError(
            "the language model cannot see without the projection llama_proj: give --pandagpt"
        )
    table = {name: expected[short] for name, short in PROJECTION.items()}
    plan.accept(compare(_shapes(refs), table), sources.pandagpt or sources.anomalygpt)
    plan.tensors["projection"] = [unchanged(PROJECTION[name], ref) for name, ref in refs.items()]


def open_delta(path: Path) -> dict[str, TensorRef]:
    """The tensors of a file by name, without the `module.` that distributed training adds.

    Raises:
        CheckpointError: the file is damaged, or two names become one.
    """
    weights = open_file(path)
    refs = {name.removeprefix("module."): TensorRef(weights, name) for name in weights.shapes}
    if len(refs) != len(weights.shapes):
        raise CheckpointError(f"{path} holds the same names with and without 'module.'")
    return refs


def _split(refs: Mapping[str, TensorRef]) -> tuple[dict[str, TensorRef], dict[str, TensorRef]]:
    """Projection and LoRA, which two files can carry, and the rest."""
    joint = {n: ref for n, ref in refs.items() if n in PROJECTION or LORA_NAME.fullmatch(n)}
    return joint, {name: ref for name, ref in refs.items() if name not in joint}


def _shapes(refs: Mapping[str, TensorRef]) -> dict[str, Shape]:
    return {name: ref.shape for name, ref in refs.items()}


def _resolve(source: str | Path | None, kind: Kind, what: str) -> Path:
    if source is None:
        raise ConfigError(f"{what} is not given")
    return resolve(source, kind=kind, what=what)
