"""AnomalyGPT: a conversational inspector for industrial images.

The names below are the whole public surface. They are imported on first use, so that
`import anomalygpt` and the command line's help do not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PLACES = {
    "AnomalyGPT": "anomalygpt.model",
    "AnomalyGPTConfig": "anomalygpt.config",
    "AnomalyGPTError": "anomalygpt.errors",
    "Chat": "anomalygpt.chat",
    "GenerationOptions": "anomalygpt.generation",
    "Inspection": "anomalygpt.results",
    "Region": "anomalygpt.results",
}

__all__ = [
    "AnomalyGPT",
    "AnomalyGPTConfig",
    "AnomalyGPTError",
    "Chat",
    "GenerationOptions",
    "Inspection",
    "Region",
    "__version__",
]

if TYPE_CHECKING:
    from anomalygpt.chat import Chat
    from anomalygpt.config import AnomalyGPTConfig
    from anomalygpt.errors import AnomalyGPTError
    from anomalygpt.generation import GenerationOptions
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.results import Inspection, Region


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'anomalygpt' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
