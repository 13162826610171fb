"""`anomalygpt train`: training on photos of good parts."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
from pathlib import Path
from typing import Any, get_args

from anomalygpt.cli.shared import detail, parse_options
from anomalygpt.cli.status import INTERRUPTED, OK
from anomalygpt.constants import TemplateName
from anomalygpt.errors import ConfigError
from anomalygpt.training.arguments import TrainingArguments

SUMMARY = "train on photos of good parts"

# Name in `TrainingArguments`: how the text becomes a value, what it is called, what it means.
_START: dict[str, tuple[Any, str, str]] = {
    "model": (str, "DIR", "an assistant to start from: a folder that `convert` wrote, or trained"),
    "encoder": (str, "NAME", "start a new assistant on this image encoder instead"),
    "encoder_weights": (str, "FILE", "its weight file"),
    "language_model": (
        str,
        "DIR",
        "the new assistant's language model, Hugging Face format or a .gguf file",
    ),
    "template": (str, "NAME", f"how dialogues are written: {' or '.join(get_args(TemplateName))}"),
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
    "detail": (
        detail,
        "auto|whole|N",
        "how closely photos are looked at, as in an inspection",
    ),
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
    "max_tokens": (int, "N", "longest dialogue"),
    "mixed_precision": (str, "FORMAT", "no, fp16 or bf16"),
    "validate_every": (int, "N", "steps between validations"),
    "save_every": (int, "N", "steps between checkpoints"),
    "log_every": (int, "N", "steps between rows of the log"),
    "seed": (int, "N", "of all chance"),
    "workers": (int, "N", "processes that prepare batches ahead"),
    "cache_mb": (int, "MB", "memory for the features of references"),
}
_SEVERAL = ("categories", "also", "shots", "prompt_channels")

# What a full-size assistant is trained with besides the published settings, on a GPU.
FULL_SIZE: dict[str, Any] = {
    "micro_batch_size": 4,
    "gradient_checkpointing": True,
    "mixed_precision": "bf16",
}


def run(options: argparse.Namespace) -> int:
    """Train; status 130 when Ctrl-C stopped it after saving."""
    # A shell script that starts us in the background may have had Ctrl-C ignored for us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = training_arguments(options)
    if options.check:
        print(check(arguments))
        return OK
    from anomalygpt.training.trainer import ASSISTANT_FOLDER, Trainer

    trainer = Trainer(arguments, resume=options.resume)
    if options.resume and trainer.accelerator.is_main_process:
        begun = f"going on from step {trainer.step} of {trainer.total_steps}"
        print(begun if trainer.step else "nothing to resume here: a new run", file=sys.stderr)
    complete = trainer.run()
    if not trainer.accelerator.is_main_process:
        return OK if complete else INTERRUPTED
    if not complete:
        print(f"anomalygpt: interrupted; {trainer.how_to_go_on()}", file=sys.stderr)
        return INTERRUPTED
    print(f"trained: {trainer.output / ASSISTANT_FOLDER}; use it with --model")
    return OK


def training_arguments(options: argparse.Namespace) -> TrainingArguments:
    """Settings from the command line; what is not given keeps its default.

    Raises:
        ConfigError: a setting is outside its range.
    """
    given: dict[str, Any] = {
        field.name: value
        for field in dataclasses.fields(TrainingArguments)
        if (value := getattr(options, field.name, None)) is not None
    }
    given["encoder_options"] = parse_options(options.encoder_option)
    arguments = TrainingArguments(**given)
    if not _is_full_size(arguments) or arguments.cpu or not _has_gpu():
        return arguments
    return TrainingArguments(**{**FULL_SIZE, **given})


def _is_full_size(arguments: TrainingArguments) -> bool:
    """Whether the published encoder is trained on; the language model beside it is as large."""
    if arguments.encoder is not None:
        return arguments.encoder == "imagebind_huge"
    from anomalygpt.config import AnomalyGPTConfig
    from anomalygpt.pretrained import assistant_folder

    return (
        AnomalyGPTConfig.load(assistant_folder(arguments.model or "")).encoder.kind == "imagebind"
    )


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def check(arguments: TrainingArguments) -> str:
    """Look at data and weights, and say what would be done.

    Raises:
        AnomalyGPTError: something is missing, or does not fit.
    """
    from anomalygpt.training.start import check_weights, training_data

    output = Path(arguments.output)
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output} is a file; name a folder for the run")
    lines = [check_weights(arguments)]
    data = training_data(arguments)
    real = sum(sample.is_anomalous for sample in data.samples)
    count = len({sample.category for sample in data.samples})
    lines.append(
        f"photos: {len(data.samples) - real} good and {real} with real defects to train on, "
        f"{len(data.held_out)} held out, in {count} {'category' if count == 1 else 'categories'}"
    )
    if not data.held_out:
        lines.append("too few photos to hold one out: no validation, the last weights are kept")
    return "\n".join([*lines, "ready to train: yes"])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt train`."""
    parser.description = (
        "Train on simulated anomalies. Ctrl-C saves and stops; the same command with --resume goes "
        "on. For several GPUs: accelerate launch -m anomalygpt train …"
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
