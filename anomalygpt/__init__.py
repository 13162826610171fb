"""AnomalyGPT: a conversational inspector for industrial images.

The names below are the whole public surface. They are imported on first use, so that
`import anomalygpt` and the command line's help do not wait for torch.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from anomalygpt.version import __version__

if TYPE_CHECKING:
    from anomalygpt.chat import Chat
    from anomalygpt.config import AnomalyGPTConfig
    from anomalygpt.errors import (
        AnomalyGPTError,
        BusyError,
        CheckpointError,
        ConfigError,
        DataError,
        DeviceError,
        DialogueTooLongError,
        ExpertError,
        ImageError,
        MissingExtraError,
        MissingPartError,
        OutputError,
        RecordsError,
        SourceError,
        TrainingError,
        WorkerError,
    )
    from anomalygpt.language.generation import GenerationOptions
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.results.inspection import Inspection
    from anomalygpt.results.regions import Region

_PLACES = {
    "AnomalyGPT": "anomalygpt.model",
    "AnomalyGPTConfig": "anomalygpt.config",
    "Chat": "anomalygpt.chat",
    "GenerationOptions": "anomalygpt.language.generation",
    "Inspection": "anomalygpt.results.inspection",
    "Region": "anomalygpt.results.regions",
    "AnomalyGPTError": "anomalygpt.errors",
    "BusyError": "anomalygpt.errors",
    "CheckpointError": "anomalygpt.errors",
    "ConfigError": "anomalygpt.errors",
    "DialogueTooLongError": "anomalygpt.errors",
    "DataError": "anomalygpt.errors",
    "DeviceError": "anomalygpt.errors",
    "ExpertError": "anomalygpt.errors",
    "ImageError": "anomalygpt.errors",
    "MissingExtraError": "anomalygpt.errors",
    "MissingPartError": "anomalygpt.errors",
    "OutputError": "anomalygpt.errors",
    "RecordsError": "anomalygpt.errors",
    "SourceError": "anomalygpt.errors",
    "TrainingError": "anomalygpt.errors",
    "WorkerError": "anomalygpt.errors",
}

__all__ = [
    "AnomalyGPT",
    "AnomalyGPTConfig",
    "AnomalyGPTError",
    "BusyError",
    "Chat",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "DialogueTooLongError",
    "ExpertError",
    "GenerationOptions",
    "ImageError",
    "Inspection",
    "MissingExtraError",
    "MissingPartError",
    "OutputError",
    "RecordsError",
    "Region",
    "SourceError",
    "TrainingError",
    "WorkerError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name == "ConversationTooLongError":  # its name in version 0.1.0
        warnings.warn(
            f"{name} is called DialogueTooLongError now; the former name goes with the next "
            "version",
            DeprecationWarning,
            stacklevel=2,
        )
        return import_module("anomalygpt.errors").DialogueTooLongError
    if name not in _PLACES:
        raise AttributeError(f"module 'anomalygpt' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
