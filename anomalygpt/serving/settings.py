"""What can be set about the web app, on the command line or in the environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass

from anomalygpt.errors import ConfigError

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

    def __post_init__(self) -> None:
        if not self.models:
            raise ConfigError("give at least one model")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"--port is a number from 0 to 65535, got {self.port}")
        if self.max_upload_mb <= 0:
            raise ConfigError(f"--max-upload-mb must be positive, got {self.max_upload_mb}")
        if self.queue_size < 1:
            raise ConfigError(f"--queue-size must be at least 1, got {self.queue_size}")
        if self.root_path and not self.root_path.startswith("/"):
            raise ConfigError(f'--root-path begins with "/", got {self.root_path!r}')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `anomalygpt demo` and `web_demo.py`."""
    usual = ServerSettings()
    parser.add_argument(
        "--model",
        nargs="+",
        default=list(usual.models),
        metavar="MODEL",
        help="presets, folders that `convert` or `train` wrote, or hub names; the first is shown "
        "at the start, the others can be chosen in the settings (default embedded)",
    )
    parser.add_argument("--host", default=usual.host, help=f"default {usual.host}: this machine")
    parser.add_argument("--port", type=int, default=usual.port, help=f"default {usual.port}")
    parser.add_argument(
        "--auth",
        metavar="USER:PASSWORD",
        help=f"ask for a name and a password; better set {AUTH_VARIABLE} in the environment, "
        "because other users of a machine can see arguments",
    )
    parser.add_argument("--max-upload-mb", type=float, default=usual.max_upload_mb, metavar="MB")
    parser.add_argument("--queue-size", type=int, default=usual.queue_size, metavar="N")
    parser.add_argument(
        "--root-path", default="", metavar="PATH", help="where a reverse proxy serves the page"
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1 …")
    parser.add_argument(
        "--dtype", default="auto", help="auto (default), float32, bfloat16, float16"
    )


def read_settings(options: argparse.Namespace, environment: Mapping[str, str]) -> ServerSettings:
    """The settings that were typed, and the password from the environment.

    Raises:
        ConfigError: a value is out of its range, or --auth has no colon.
    """
    return ServerSettings(
        models=tuple(options.model),
        host=options.host,
        port=options.port,
        auth=_auth(options.auth or environment.get(AUTH_VARIABLE)),
        max_upload_mb=options.max_upload_mb,
        queue_size=options.queue_size,
        root_path=options.root_path.rstrip("/"),
        device=options.device,
        dtype=options.dtype,
    )


def _auth(text: str | None) -> tuple[str, str] | None:
    if not text:
        return None
    user, colon, password = text.partition(":")
    if not (colon and user and password):
        raise ConfigError("--auth is USER:PASSWORD, both with at least one character")
    return user, password


def from_environment(options: argparse.Namespace) -> ServerSettings:
    """`read_settings` with this process's environment."""
    return read_settings(options, os.environ)
