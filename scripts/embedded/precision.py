"""Half precision, where the machine computes in it."""

from __future__ import annotations

import torch


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16; where it must be imitated it takes several times
    as long as float32 does."""
    return device.type != "cpu" or torch.backends.cpu.get_cpu_capability() == "AVX512"


def half_precision(device: torch.device) -> torch.autocast:
    """A context in which a network computes in bfloat16 where that is faster."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device))
