"""`anomalygpt train`: arguments to a run, and what it says at its end."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
from pathlib import Path
from typing import Any

from anomalygpt.cli import INTERRUPTED, OK, parse_options
from anomalygpt.errors import ConfigError
from anomalygpt.training.arguments import TrainingArguments

# What a full-size assistant is trained with besides the published settings, on a GPU.
FULL_SIZE: dict[str, Any] = {
    "micro_batch_size": 4,
    "gradient_checkpointing": True,
    "mixed_precision": "bf16",
}


def train(options: argparse.Namespace) -> int:
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
