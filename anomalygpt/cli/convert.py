"""`anomalygpt convert`: the published weight files as one folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from anomalygpt.cli.shared import parse_options
from anomalygpt.cli.status import OK
from anomalygpt.errors import ConfigError

SUMMARY = "turn the published weight files into one folder"


def run(options: argparse.Namespace) -> int:
    """`anomalygpt convert`: prints the report of what became of every tensor."""
    from anomalygpt.checkpoints import ConversionSources, convert

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
    report = convert(
        sources,
        options.output,
        dtype=options.dtype,
        merge_lora=options.merge_lora,
        allow_unknown=options.allow_unknown,
        max_shard_size=options.max_shard_size,
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
    parser.add_argument("--imagebind", metavar="FILE", required=True, help="imagebind_huge.pth")
    parser.add_argument("--vicuna", metavar="DIR", help="a whole Vicuna, Hugging Face format")
    parser.add_argument("--llama", metavar="DIR", help="LLaMA, for use with --vicuna-delta")
    parser.add_argument("--vicuna-delta", metavar="DIR", help="Vicuna v0 delta, added to --llama")
    parser.add_argument("--pandagpt", metavar="FILE", help="PandaGPT delta (projection and LoRA)")
    parser.add_argument("--anomalygpt", metavar="FILE", help="AnomalyGPT delta")
    parser.add_argument("--output", metavar="DIR", required=True, type=Path, help="a new folder")
    parser.add_argument("--dtype", default="float16", help="float16 (default), bfloat16 or float32")
    parser.add_argument(
        "--merge-lora", action="store_true", help="add the LoRA to the language model's weights"
    )
    parser.add_argument(
        "--allow-unknown", action="store_true", help="leave out tensors with unknown names"
    )
    parser.add_argument(
        "--max-shard-size",
        type=_byte_count,
        default=2 * 1024**3,
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


def _byte_count(text: str) -> int:
    units = {"kb": 1024, "mb": 1024**2, "gb": 1024**3}
    number, unit = text[:-2], text[-2:].lower()
    try:
        return int(float(number) * units[unit])
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"expected a size such as 2GB, got {text!r}") from None
