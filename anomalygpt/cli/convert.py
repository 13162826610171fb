"""`anomalygpt convert`: published weight files as one folder, or any language model in GGUF."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from anomalygpt.cli.shared import parse_options
from anomalygpt.cli.status import OK
from anomalygpt.constants import TemplateName
from anomalygpt.errors import ConfigError

SUMMARY = "turn the published weight files into one folder"

_PUBLISHED = ("imagebind", "vicuna", "llama", "vicuna_delta", "pandagpt", "anomalygpt")
_ZERO_SHOT = ("anomalyclip", "clip", "clip_option")
DTYPE = "float16"
# How these are put together.
_SETTINGS = ("merge_lora", "allow_unknown", "max_shard_size", "lora_alpha", "imagebind_option")


def run(options: argparse.Namespace) -> int:
    """`anomalygpt convert`: prints the report of what became of every tensor."""
    if options.gguf is not None:
        return _with_gguf(options)
    if options.model is not None or options.template is not None:
        raise ConfigError("--model and --template go with --gguf; leave them out")
    if options.anomalyclip is not None:
        return _anomalyclip(options)
    if options.clip is not None or options.clip_option:
        raise ConfigError("--clip and --clip-option go with --anomalyclip; give it, or leave them")
    return _published(options)


def _with_gguf(options: argparse.Namespace) -> int:
    """An assistant's encoder and decoder, and the language model of a file."""
    from anomalygpt.checkpoints.writer import parse_dtype
    from anomalygpt.files import require_vacant
    from anomalygpt.language.language_model import LanguageModel
    from anomalygpt.pretrained import save_parts, with_language_model

    named = (*_PUBLISHED, *_ZERO_SHOT)
    if given := [name for name in named if _is_given(getattr(options, name))]:
        option = given[0].replace("_", "-")
        raise ConfigError(f"--gguf takes an assistant with --model, not --{option}; leave one out")
    if given := [name for name in _SETTINGS if _is_given(getattr(options, name))]:
        option = given[0].replace("_", "-")
        raise ConfigError(f"--{option} is about the published files, not --gguf; leave one out")
    dtype = parse_dtype(options.dtype or DTYPE)
    require_vacant(options.output)
    template: TemplateName = options.template or "chat"
    language_model = LanguageModel.from_pretrained(
        options.gguf, template=template, device="cpu", dtype=dtype
    )
    parts = with_language_model(options.model or "embedded", language_model, template)
    save_parts(replace(parts, encoder=parts.encoder.to(dtype)), options.output)
    print(f"language model: {options.gguf}, {_size(language_model.model)} numbers")
    print(
        f"written: {options.output}; it cannot read a map before it was trained: "
        f"anomalygpt train DATA OUTPUT --model {options.output}"
    )
    return OK


def _anomalyclip(options: argparse.Namespace) -> int:
    """Prompts that were learned for any part, and the CLIP that reads them."""
    from anomalygpt.checkpoints.anomalyclip import convert_anomalyclip
    from anomalygpt.checkpoints.writer import MAX_SHARD_SIZE

    others = (*_PUBLISHED, "merge_lora", "lora_alpha", "imagebind_option")
    if given := [name for name in others if _is_given(getattr(options, name))]:
        option = given[0].replace("_", "-")
        raise ConfigError(f"--anomalyclip and --{option} are of different models; leave one out")
    if options.clip is None:
        raise ConfigError(
            "the prompts need the CLIP that they were learned with: give --clip FILE, for the "
            "published ones ViT-L-14-336px.pt"
        )
    size: int | None = options.max_shard_size
    report = convert_anomalyclip(
        options.anomalyclip,
        options.clip,
        options.output,
        options=parse_options(options.clip_option),
        dtype=options.dtype,
        allow_unknown=options.allow_unknown,
        max_shard_size=MAX_SHARD_SIZE if size is None else size,
    )
    print(report.summary())
    print(
        f"written: {options.output}; it needs no reference: "
        f"anomalygpt inspect PHOTO --map-only --model {options.output}"
    )
    return OK


def _is_given(value: object) -> bool:
    """Whether an option was typed; a number may be 0."""
    return value is not None and value is not False and value != []


def _size(model: Any) -> str:
    return f"{sum(weight.numel() for weight in model.parameters()):,}"


def _published(options: argparse.Namespace) -> int:
    from anomalygpt.checkpoints import ConversionSources, convert
    from anomalygpt.checkpoints.writer import MAX_SHARD_SIZE

    heads = parse_options(options.imagebind_option)
    if not all(isinstance(value, int) for value in heads.values()):
        raise ConfigError(f"--imagebind-option takes whole numbers, got {options.imagebind_option}")
    sources = ConversionSources(
        imagebind=options.imagebind,
        vicuna=options.vicuna,
        llama=options.llama,
        vicuna_delta=options.vicuna_delta,
        pandagpt=options.pandagpt,
        anomalygpt=options.anomalygpt,
        imagebind_options=heads,  # type: ignore[arg-type]
        lora_alpha=options.lora_alpha,
    )
    size: int | None = options.max_shard_size
    report = convert(
        sources,
        options.output,
        dtype=options.dtype or DTYPE,
        merge_lora=options.merge_lora,
        allow_unknown=options.allow_unknown,
        max_shard_size=MAX_SHARD_SIZE if size is None else size,
    )
    print(report.summary())
    print(f"written: {options.output}; use it with --model {options.output}")
    return OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt convert`."""
    parser.description = (
        "Read published weights, add deltas, check every tensor, and write one "
        "folder for --model. Hub names work wherever a file or folder is expected."
    )
    parser.add_argument("--imagebind", metavar="FILE", help="imagebind_huge.pth")
    parser.add_argument("--vicuna", metavar="DIR", help="a whole Vicuna, Hugging Face format")
    parser.add_argument("--llama", metavar="DIR", help="LLaMA, for use with --vicuna-delta")
    parser.add_argument("--vicuna-delta", metavar="DIR", help="Vicuna v0 delta, added to --llama")
    parser.add_argument("--pandagpt", metavar="FILE", help="PandaGPT delta (projection and LoRA)")
    parser.add_argument("--anomalygpt", metavar="FILE", help="AnomalyGPT delta")
    parser.add_argument(
        "--gguf",
        type=Path,
        metavar="FILE",
        help="instead of all these: any language model in a GGUF file, to be trained",
    )
    parser.add_argument(
        "--model", help="with --gguf: whose encoder and decoder are taken (default embedded)"
    )
    parser.add_argument(
        "--template",
        choices=get_args(TemplateName),
        help="with --gguf: how dialogues are written (default chat, the file's own)",
    )
    _add_zero_shot(parser)
    parser.add_argument("--output", metavar="DIR", required=True, type=Path, help="a new folder")
    parser.add_argument(
        "--dtype",
        help=f"{DTYPE} (default; with --anomalyclip as the file has it), bfloat16 or float32",
    )
    parser.add_argument(
        "--merge-lora", action="store_true", help="add the LoRA to the language model's weights"
    )
    parser.add_argument(
        "--allow-unknown", action="store_true", help="leave out tensors with unknown names"
    )
    parser.add_argument(
        "--max-shard-size",
        type=_byte_count,
        metavar="SIZE",
        help="largest file, such as 2GB (default); about twice as much memory is used",
    )
    parser.add_argument("--lora-alpha", type=float, help="alpha of a LoRA of another rank than 32")
    parser.add_argument(
        "--imagebind-option",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="vision_heads and text_heads of an ImageBind that is not the huge one",
    )


def _add_zero_shot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--anomalyclip",
        metavar="FILE",
        help="instead of all these: learned prompts such as epoch_15.pth, which need no reference",
    )
    parser.add_argument(
        "--clip",
        metavar="FILE",
        help="with --anomalyclip: the CLIP that they were learned with, such as ViT-L-14-336px.pt",
    )
    parser.add_argument(
        "--clip-option",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="with --anomalyclip: stages, input_size, value_blocks, activation, vision_heads or "
        "text_heads, where they are not as published",
    )


def _byte_count(text: str) -> int:
    units = {"kb": 1024, "mb": 1024**2, "gb": 1024**3}
    number, unit = text[:-2], text[-2:].lower()
    try:
        return int(float(number) * units[unit])
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"expected a size such as 2GB, got {text!r}") from None
