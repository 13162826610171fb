"""Every error that AnomalyGPT raises on purpose.

Each message says what came, what was expected and what to do next; the command line prints it
in one line and exits with status 2.
"""

from __future__ import annotations

import warnings

# What errors were called in version 0.1.0.
_FORMER = {"ConversationTooLongError": "DialogueTooLongError"}


class AnomalyGPTError(Exception):
    """Base of all errors below; catch this one to catch them all."""


class ConfigError(AnomalyGPTError):
    """A setting is missing, unknown or outside its range."""


class ImageError(AnomalyGPTError):
    """A picture cannot be read, or cannot be inspected."""


class SourceError(AnomalyGPTError):
    """A file, folder or hub name that was asked for is not there."""


class DataError(AnomalyGPTError):
    """A data set is missing, incomplete or of another layout."""


class CheckpointError(AnomalyGPTError):
    """Weights are damaged, of another model, or incomplete."""


class MissingExtraError(AnomalyGPTError):
    """An optional package is needed; the message names the extra to install."""


class MissingPartError(AnomalyGPTError):
    """The model lacks the part that this call needs, such as a language model or a reference."""


class DeviceError(AnomalyGPTError):
    """The device or number format that was asked for cannot be used here."""


class ExpertError(AnomalyGPTError):
    """A foreign model cannot be reached, refuses, or broke off; the message says what to do."""


class DialogueTooLongError(AnomalyGPTError):
    """A question does not fit into what the language model can still read."""


class RecordsError(AnomalyGPTError):
    """What is kept of products and inspections is damaged, deleted, or cannot be reached."""


class OutputError(AnomalyGPTError):
    """A result cannot be written: no space, no permission, or the place is taken."""


class TrainingError(AnomalyGPTError):
    """Training cannot go on: the loss is no longer a number."""


class WorkerError(AnomalyGPTError):
    """A process that prepares batches was killed; the run can go on from what was saved."""


class BusyError(AnomalyGPTError):
    """The server has as much to do as it takes; try again in a moment."""


def __getattr__(name: str) -> type[AnomalyGPTError]:
    """The errors by their former names, for one version."""
    if name not in _FORMER:
        raise AttributeError(f"module 'anomalygpt.errors' has no attribute {name!r}")
    warnings.warn(
        f"{name} is called {_FORMER[name]} now; the former name goes with the next version",
        DeprecationWarning,
        stacklevel=2,
    )
    return globals()[_FORMER[name]]
