"""Where figures come from: versions, machine, model, and what the run took."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from anomalygpt.progress import with_bar

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT

_PACKAGES = (
    "anomalygpt", "torch", "timm", "transformers", "peft", "numpy", "scikit-learn", "torchmetrics",
    "opencv-python-headless", "pillow",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide figures."""
    installed = {name: _version(name) for name in _PACKAGES}
    known = {name: version for name, version in installed.items() if version is not None}
    return {"python": platform.python_version(), **known}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine(device: torch.device) -> dict[str, Any]:
    """What it ran on."""
    on_gpu = device.type == "cuda"
    pages = os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    size = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if on_gpu else str(device),
        "memory_gb": round(pages * size / 1024**3, 1),
    }


def model_hash(assistant: AnomalyGPT) -> str:
    """SHA-256 over names, shapes and values of every weight and buffer, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    tensors = list(assistant.state_dict().items())
    if assistant.language_model is not None:
        language = assistant.language_model.model.state_dict().items()
        tensors += [(f"language_model.{name}", value) for name, value in language]
    for name, value in with_bar(tensors, len(tensors), "weights read"):
        if not isinstance(value, torch.Tensor):
            continue  # quantised layers keep notes beside their tensors
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        plain = value.detach().cpu().contiguous().flatten()
        digest.update(plain.view(torch.uint8).numpy().data if plain.numel() else b"")
    return digest.hexdigest()


def peak_memory_mb(device: torch.device) -> dict[str, float | None]:
    """Highest memory of the process since it began, and of its tensors on the GPU; None where
    that is not known."""
    gpu = torch.cuda.max_memory_allocated(device) / 1024**2 if device.type == "cuda" else None
    return {"process": _process_peak_mb(), "gpu": None if gpu is None else round(gpu, 1)}


def _process_peak_mb() -> float | None:
    try:
        import resource
    except ImportError:  # Windows has none
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return round(peak / 1024**2 if sys.platform == "darwin" else peak / 1024, 1)


def latency_ms(batches: Mapping[str, Iterable[tuple[int, float]]]) -> dict[str, dict[str, float]]:
    """Milliseconds per photo and stage, from (photos, seconds) of each batch."""
    found = {}
    for stage, pairs in batches.items():
        counts, seconds = zip(*pairs, strict=True)
        each = np.repeat([1000 * s / n for n, s in pairs], counts)
        found[stage] = {
            "median": float(np.median(each)),
            "p95": float(np.quantile(each, 0.95)),
            "photos": int(sum(counts)),
            "seconds": float(sum(seconds)),
        }
    return found
