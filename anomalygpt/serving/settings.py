"""What can be set about the web app; `anomalygpt.cli.demo` reads it from where people set it."""

from __future__ import annotations

from dataclasses import dataclass

from anomalygpt.errors import ConfigError
from anomalygpt.images.detail import Detail, checked_detail

AUTH_VARIABLE = "ANOMALYGPT_AUTH"


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
