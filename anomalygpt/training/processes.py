"""The processes of a run: what they add up, so that it does not matter how many there are."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from anomalygpt.errors import ConfigError
from anomalygpt.training.arguments import TrainingArguments


def accelerator_of(arguments: TrainingArguments) -> Accelerator:
    """The processes of this run.

    Raises:
        ConfigError: the number format needs a GPU.
    """
    has_gpu = torch.cuda.is_available() and not arguments.cpu
    if arguments.mixed_precision == "fp16" and not has_gpu:
        raise ConfigError("mixed_precision fp16 needs a GPU; bf16 and no work on the CPU as well")
    # Without a GPU, Accelerate takes several processes for as many runs of one, unless told.
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return Accelerator(
        mixed_precision=arguments.mixed_precision,
        cpu=arguments.cpu or (several and not has_gpu),
    )


def added(accelerator: Accelerator, values: Tensor) -> Tensor:
    """The sum over all processes, on the CPU where there are several."""
    if accelerator.num_processes == 1:
        return values
    return accelerator.reduce(values.to(accelerator.device)).cpu()


def add_gradients(accelerator: Accelerator, parameters: Iterable[nn.Parameter]) -> None:
    """Sum every gradient over all processes, in one message; none is a gradient of 0."""
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    if accelerator.num_processes == 1:
        return
    flat = accelerator.reduce(torch.cat([gradient.flatten().float() for gradient in gradients]))
    sizes = [gradient.numel() for gradient in gradients]
    for gradient, total in zip(gradients, flat.split(sizes), strict=True):
        gradient.copy_(total.view_as(gradient))
