"""Checkpoints of a run: what a stopped run needs to go on as if it had not stopped.

OUTPUT/checkpoints/step-00000400/
    weights.safetensors   the trained parameters
    state.pt              optimiser, scaler, random states, best validation so far
    arguments.json
"""

from __future__ import annotations

import io
import pickle
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from anomalygpt.checkpoints.writer import save_module
from anomalygpt.errors import CheckpointError, ConfigError
from anomalygpt.files import staged_folder
from anomalygpt.training.arguments import TrainingArguments

FOLDER = "checkpoints"
WEIGHTS, STATE = "weights.safetensors", "state.pt"

_NAME = re.compile(r"step-\d+")


def save(
    output: Path,
    step: int,
    weights: Mapping[str, Tensor],
    state: Mapping[str, Any],
    arguments: TrainingArguments,
) -> Path:
    """Write one checkpoint, whole or not at all.

    Args:
        output: folder of the run.
        step: optimiser steps done.
        weights: trained parameters by name.
        state: tensors, numbers, texts, lists and dicts of them.
        arguments: of the run.

    Raises:
        OutputError: the disk is full or cannot be written; earlier checkpoints are untouched.
    """
    folder = output / FOLDER / f"step-{step:08d}"
    if folder.is_dir():
        return folder
    tensors = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    # Adam keeps two numbers for each weight.
    needed = 3 * sum(value.nbytes for value in tensors.values())
    # Through memory: torch's own file writer hides from its caller that a disk is full.
    packed = io.BytesIO()
    torch.save({"step": step, **state}, packed)
    with staged_folder(folder, needed) as staging:
        save_module(tensors, staging / WEIGHTS)
        (staging / STATE).write_bytes(packed.getbuffer())
        arguments.save(staging)
    return folder


def load(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint: its weights and its state.

    Raises:
        CheckpointError: files are missing or damaged.
    """
    try:
        weights = load_file(folder / WEIGHTS)
        state = torch.load(folder / STATE, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise CheckpointError(
            f"{folder} cannot be read as a checkpoint ({error}); remove the folder to go on from "
            "the one before it"
        ) from error
    return weights, state


def step_of(folder: Path) -> int:
    """Optimiser steps done, by a checkpoint's name."""
    return int(folder.name.removeprefix("step-"))


def existing(output: Path) -> list[Path]:
    """Checkpoints of a run, the oldest first; half-written ones and copies are not among them."""
    found = (output / FOLDER).glob("step-*")
    return sorted(path for path in found if _NAME.fullmatch(path.name) and path.is_dir())


def prune(output: Path, keep: set[int]) -> None:
    """Remove all checkpoints but those of some steps, and what a killed run left half-written."""
    for leftover in (output / FOLDER).glob(".step-*.partial-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for folder in existing(output):
        if step_of(folder) not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def set_weights(
    trainable: dict[str, nn.Parameter], weights: dict[str, Tensor], folder: Path
) -> None:
    """Copy the weights of a checkpoint, every one of them.

    Raises:
        ConfigError: names or shapes differ from what is trained now.
    """
    expected = {name: tuple(value.shape) for name, value in trainable.items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if expected != found:
        odd = sorted(set(expected.items()) ^ set(found.items()))[0][0]
        raise ConfigError(
            f"{folder} holds the weights of another model (the first that differs: {odd}); train "
            "into a new folder"
        )
    with torch.no_grad():
        for name, parameter in trainable.items():
            parameter.copy_(weights[name])


def last(output: Path, resume: bool) -> Path | None:
    """The checkpoint to go on from; None for a new run.

    Raises:
        ConfigError: the folder holds a run that is not to be resumed, or is a file.
    """
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output} is a file; name a folder for the run")
    saved = existing(output)
    if saved and not resume:
        raise ConfigError(
            f"{output} holds a run, saved up to step {step_of(saved[-1])}; add "
            "--resume to go on with it, or choose another folder"
        )
    return saved[-1] if saved else None
