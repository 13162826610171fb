"""Options that several commands have, and what the values that are typed stand for."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Sequence

from anomalygpt.errors import ConfigError
from anomalygpt.images.detail import MOST_WINDOWS


def add_part_options(parser: argparse.ArgumentParser) -> None:
    """What is said about the part, and the references it is compared with."""
    parser.add_argument(
        "--reference",
        "-r",
        nargs="+",
        action="extend",
        default=[],
        metavar="PHOTO",
        help="photos of good parts, folders of them, or patterns",
    )
    parser.add_argument("--description", help="a sentence about the part")
    parser.add_argument("--category", help='what the part is called, such as "metal nut"')
    parser.add_argument(
        "--rotations",
        type=positive,
        metavar="N",
        help="compare with N evenly turned copies of each reference, itself included (default: 12 "
        "of a single one, 6 of two; of more 1, or up to 6 where they show that parts lie freely); "
        "1 for parts that must not be turned",
    )
    parser.add_argument(
        "--flips", action="store_true", help="also compare with mirrored references"
    )
    parser.add_argument(
        "--fixed-pose",
        action="store_true",
        help="parts always lie the same in the photo: compare place by place, without turns, so "
        "that something missing, extra, moved or mirrored is seen",
    )
    add_detail(parser)
    add_bit_depth(parser)


def add_detail(parser: argparse._ActionsContainer) -> None:
    """How closely photos are looked at."""
    parser.add_argument(
        "--detail",
        type=detail,
        metavar="auto|whole|N",
        help="look once at whole photos, or also at windows at their own resolution, N of them, "
        "1 to 8, along the shorter side (default auto: 2 where photo and references have the "
        "pixels for it, for small damage on large photos)",
    )


def add_bit_depth(parser: argparse.ArgumentParser) -> None:
    """How many bits photos of more than 8 have."""
    text = "bits in use, 8 to 16, where 16-bit photos do not say it themselves"
    parser.add_argument("--bit-depth", type=int, choices=range(8, 17), metavar="N", help=text)


def add_model_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Which model, and where it runs."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        help="a preset, a folder that `convert` wrote, or a hub name (default embedded)",
    )
    group.add_argument(
        "--encoder",
        metavar="NAME",
        help="an image encoder alone instead of a model, for maps without words: a timm name, "
        "clip/NAME, value_attention/NAME, imagebind_huge or compact",
    )
    group.add_argument("--encoder-weights", metavar="FILE", help="its weight file")
    group.add_argument(
        "--encoder-option",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="its input_size, mean, std, stages or resize, or an argument of its architecture",
    )
    group.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1 …")
    group.add_argument("--dtype", default="auto", help="auto (default), float32, bfloat16, float16")
    group.add_argument(
        "--quantization", choices=["4bit", "8bit"], help="smaller language model, on a GPU"
    )
    return group


def add_formulation(group: argparse._ArgumentGroup) -> None:
    """How distances become a map."""
    group.add_argument(
        "--formulation",
        choices=["normalised", "published"],
        help="how distances become a map; by default what the model was made for",
    )


def positive(text: str) -> int:
    """A whole number from 1 on, for `type=`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def detail(text: str) -> int | str:
    """auto, whole or a number of windows, for `type=`."""
    if text in ("auto", "whole"):
        return text
    if not text.isdecimal() or not 1 <= int(text) <= MOST_WINDOWS:
        raise argparse.ArgumentTypeError(
            f"expected auto, whole or a number from 1 to {MOST_WINDOWS}, got {text!r}"
        )
    return int(text)


def parse_options(texts: Sequence[str]) -> dict[str, object]:
    """KEY=VALUE … of the command line: numbers, lists of numbers, true, false, or words.

    Raises:
        ConfigError: a text has no "=" in it.
    """
    values: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise ConfigError(f"expected KEY=VALUE, such as input_size=256, got {text!r}")
        parts = [_scalar(part) for part in value.split(",")]
        values[key] = parts[0] if len(parts) == 1 else tuple(parts)
    return values


def _scalar(text: str) -> object:
    try:
        value = ast.literal_eval(text.capitalize() if text in ("true", "false") else text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, bool | int | float) else text
