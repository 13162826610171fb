"""What can be set about the web app; `anomalygpt.cli.demo` reads it from where people set it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from anomalygpt.errors import ConfigError
from anomalygpt.experts.addresses import Address
from anomalygpt.experts.manner import Manner
from anomalygpt.images.detail import Detail, checked_detail

AUTH_VARIABLE = "ANOMALYGPT_AUTH"


@dataclass(frozen=True)
class Asking:
    """Who takes part in a visitor's talks.

    Attributes:
        is_on: whether the expert speaks, where the server has one.
        manner: how.
    """

    is_on: bool = True
    manner: Manner = field(default_factory=Manner)


@dataclass(frozen=True)
class ServerSettings:
    """Attributes:
    models: presets, folders or hub names that visitors may choose from; the first is used.
    host: address to listen at; 127.0.0.1 is reached from this machine alone.
    port: 1 to 65535, or 0 for any free one.
    auth: (user, password), or None for an open page.
    max_upload_mb: larger files are refused while they arrive.
    queue_size: model calls that may wait or run at a time; further ones are refused.
    root_path: where a reverse proxy serves the page, such as "/inspector".
    device, dtype: as in `AnomalyGPT.from_pretrained`.
    detail: how closely photos are looked at, see `AnomalyGPT.remember`.
    expert: where the foreign model is that visitors may let speak; None for none.
    expert_timeout: see `OpenAIVoice`; None takes its usual one.
    asking: what visitors find in the settings.
    knowledge: a folder of what is known about products; None for none.
    product: which of its products all photos show, see `Consultants`.
    keeps_photos: whether inspected photos are kept with the record, where there is one.
    """

    models: tuple[str, ...] = ("embedded",)
    host: str = "127.0.0.1"
    port: int = 7860
    auth: tuple[str, str] | None = None
    max_upload_mb: float = 32.0
    queue_size: int = 64
    root_path: str = ""
    device: str = "auto"
    dtype: str = "auto"
    detail: Detail = "auto"
    expert: Address | None = None
    expert_timeout: float | None = None
    asking: Asking = field(default_factory=Asking)
    knowledge: Path | None = None
    product: str | None = None
    keeps_photos: bool = True

    def __post_init__(self) -> None:
        if not self.models:
            raise ConfigError("give at least one model")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"--port is a number from 0 to 65535, got {self.port}")
        if self.max_upload_mb <= 0:
            raise ConfigError(f"--max-upload-mb must be positive, got {self.max_upload_mb}")
        if self.queue_size < 1:
            raise ConfigError(f"--queue-size must be at least 1, got {self.queue_size}")
        checked_detail(self.detail)
        if self.root_path and not self.root_path.startswith("/"):
            raise ConfigError(f'--root-path begins with "/", got {self.root_path!r}')


@dataclass(frozen=True)
class ServiceSettings:
    """What can be set about the service for programs.

    Attributes:
        cors: origins of pages elsewhere that may use it from a browser; none by default.
        jobs_root: folder below which folders may be inspected; None for no jobs.
        most_photos: in one request.
        body_seconds: after so long without a piece of a request's body it is given up.
        stop_seconds: for which requests may go on once the server is told to stop.
    """

    cors: tuple[str, ...] = ()
    jobs_root: Path | None = None
    most_photos: int = 16
    body_seconds: float = 20.0
    stop_seconds: int = 10

    def __post_init__(self) -> None:
        for origin in self.cors:
            if not re.fullmatch(r"https?://[^/\s*]+", origin):
                raise ConfigError(f"--cors is an origin such as https://a.example, got {origin!r}")
        if self.jobs_root is not None and not self.jobs_root.is_dir():
            raise ConfigError(f"--jobs-root is a folder of photos, got {self.jobs_root}")
