"""Where and in which number format models run."""

from __future__ import annotations

import torch

from anomalygpt.errors import ConfigError, DeviceError

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def resolve_device(device: str | torch.device) -> torch.device:
    """The device for a name; "auto" is the first CUDA device, or the CPU without one.

    Raises:
        DeviceError: no such device on this machine.
    """
    if device == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    try:
        wanted = torch.device(device)
    except RuntimeError:
        raise DeviceError(f"unknown device {device!r}; use 'auto', 'cpu' or 'cuda'") from None
    if wanted.type == "cpu" or (wanted.type == "mps" and torch.backends.mps.is_available()):
        return wanted
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted.type != "cuda" or (wanted.index or 0) >= count:
        raise DeviceError(
            f"device {str(device)!r} is not available here ({count} CUDA devices found); use "
            "'auto' or 'cpu'"
        )
    return torch.device("cuda", wanted.index or 0)


def resolve_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    """The number format for a name; "auto" is the fastest that `device` computes well.

    Raises:
        ConfigError: an unknown format.
    """
    if dtype == "auto":
        if device.type != "cuda":
            return torch.float32
        bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if bfloat16 else torch.float16
    if isinstance(dtype, torch.dtype) and dtype in _DTYPES.values():
        return dtype
    if isinstance(dtype, str) and dtype in _DTYPES:
        return _DTYPES[dtype]
    raise ConfigError(f"dtype is 'auto', 'float32', 'bfloat16' or 'float16', got {dtype!r}")
