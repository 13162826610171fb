"""Options of `anomalygpt train`; torch is not imported for them."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from anomalygpt.training.arguments import TrainingArguments

# Name in `TrainingArguments`: how the text becomes a value, what it is called, what it means.
_START: dict[str, tuple[Any, str, str]] = {
    "model": (str, "DIR", "an assistant to start from: a folder that `convert` wrote, or trained"),
    "encoder": (str, "NAME", "start a new assistant on this image encoder instead"),
    "encoder_weights": (str, "FILE", "its weight file"),
    "language_model": (str, "DIR", "the new assistant's language model, Hugging Face format"),
    "template": (str, "NAME", "how conversations are written: vicuna_v0 or chat"),
    "text_width": (int, "N", "width of learned states, for encoders without a text tower"),
    "prompt_channels": (int, "N", "five channel counts of a new map network"),
}
_DATA: dict[str, tuple[Any, str, str]] = {
    "layout": (str, "NAME", "layout of the data set"),
    "categories": (str, "NAME", "train on these categories of DATA only"),
    "also": (str, "DIR", "further data sets to train on, of any layouts"),
    "instructions": (str, "DIR", "PandaGPT's instruction data, every second batch"),
    "dialogues": (str, "STYLE", "published, rich or mixed"),
    "shots": (int, "K", "numbers of references to draw from"),
    "rotations": (int, "N", "turned copies of every reference; by default as an inspection"),
    "bit_depth": (int, "N", "bits in use, 8 to 16, where 16-bit photos do not say it themselves"),
    "reference_share": (float, "SHARE", "share of the batches whose map comes from references"),
    "validation_share": (float, "SHARE", "share of the normal photos held out"),
    "validation_rows": (int, "N", "rows of a validation at most"),
}
_RUN: dict[str, tuple[Any, str, str]] = {
    "ablation": (str, "NAME", "none, no-decoder, no-prompt-learner, lora or decoder-only"),
    "epochs": (float, "N", "passes over the photos"),
    "max_steps": (int, "N", "optimiser steps at most"),
    "batch_size": (int, "N", "rows of a step, over all processes"),
    "micro_batch_size": (int, "N", "rows that a process computes at one time"),
    "learning_rate": (float, "RATE", "highest learning rate"),
    "weight_decay": (float, "X", "of AdamW"),
    "warmup": (float, "SHARE", "share of the steps in which the rate rises"),
    "clip": (float, "NORM", "largest norm of the gradient"),
    "ce_weight": (float, "X", "weight of the cross-entropy"),
    "focal_weight": (float, "X", "weight of the focal loss"),
    "dice_weight": (float, "X", "weight of the dice loss"),
    "max_tokens": (int, "N", "longest conversation"),
    "mixed_precision": (str, "FORMAT", "no, fp16 or bf16"),
    "validate_every": (int, "N", "steps between validations"),
    "save_every": (int, "N", "steps between checkpoints"),
    "log_every": (int, "N", "steps between rows of the log"),
    "seed": (int, "N", "of all chance"),
    "workers": (int, "N", "processes that prepare batches ahead"),
    "cache_mb": (int, "MB", "memory for the features of references"),
}
_SEVERAL = ("categories", "also", "shots", "prompt_channels")


def add_train(commands: argparse._SubParsersAction) -> None:
    """Add the command `train`."""
    parser = commands.add_parser(
        "train",
        help="train on photos of good parts",
        description="Train on simulated anomalies. Ctrl-C saves and stops; the same command with "
        "--resume goes on. For several GPUs: accelerate launch -m anomalygpt train …",
    )
    parser.add_argument("data", metavar="DATA", help="folder of a data set")
    parser.add_argument("output", metavar="OUTPUT", help="folder for checkpoints and the result")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument(
        "--check", action="store_true", help="look at data and weights, and train nothing"
    )
    _add_group(parser, "start", _START)
    parser.add_argument(
        "--encoder-option",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="the encoder's input_size, mean, std, stages or resize, or of its architecture",
    )
    _add_group(parser, "data", _DATA)
    _add_flag(parser, "supervised", "also train on the real defects that have masks")
    _add_flag(parser, "normal_variation", "leave out simulated changes of light", off=True)
    _add_group(parser, "run", _RUN)
    _add_flag(parser, "gradient_checkpointing", "save the language model's memory, more time")
    _add_flag(parser, "cpu", "use the CPU even where there is a GPU")


def _add_group(
    parser: argparse.ArgumentParser, title: str, options: dict[str, tuple[Any, str, str]]
) -> None:
    group = parser.add_argument_group(title)
    defaults = {field.name: field.default for field in dataclasses.fields(TrainingArguments)}
    for name, (kind, metavar, text) in options.items():
        default = defaults[name]
        shown = " ".join(map(str, default)) if isinstance(default, tuple) else default
        group.add_argument(
            _flag(name),
            type=kind,
            nargs="+" if name in _SEVERAL else None,
            metavar=metavar,
            help=text if shown in (None, "") else f"{text} (default {shown})",
        )


def _add_flag(parser: argparse.ArgumentParser, name: str, text: str, *, off: bool = False) -> None:
    parser.add_argument(
        _flag(f"no_{name}" if off else name),
        dest=name,
        action="store_const",
        const=not off,
        help=text,
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
