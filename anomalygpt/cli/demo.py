"""`anomalygpt demo`: the inspector's desk in a browser."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping

from anomalygpt.cli.shared import add_detail
from anomalygpt.cli.status import OK
from anomalygpt.cli.voices import add_talk_options, address_of, manner_of
from anomalygpt.errors import ConfigError
from anomalygpt.proxies import without_proxies
from anomalygpt.serving.settings import AUTH_VARIABLE, Asking, ServerSettings

SUMMARY = "open the inspector's desk in a browser"


def run(options: argparse.Namespace) -> int:
    """Load the model, open the page, and serve until Ctrl-C."""
    settings = read_settings(options, os.environ)  # before anything is loaded
    place = None
    if options.data is not None or options.database is not None:
        from anomalygpt.records.places import Place

        place = Place.of(options.data, options.database)
    print("Loading torch, the model and the page; this takes some seconds", flush=True)
    with without_proxies():  # the page is this machine's own
        from anomalygpt.serving.server import serve
    serve(settings, place)
    return OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `anomalygpt demo` and `web_demo.py`."""
    parser.description = (
        "Serve the page until Ctrl-C. Nothing leaves this machine, unless --expert names another."
    )
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
    add_detail(parser)
    add_talk_options(parser)
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
        detail=options.detail or "auto",
        expert=address_of(options),
        expert_timeout=options.expert_timeout,
        asking=Asking(manner=manner_of(options)),
        knowledge=options.knowledge,
        product=options.product,
    )


def _auth(text: str | None) -> tuple[str, str] | None:
    if not text:
        return None
    user, colon, password = text.partition(":")
    if not (colon and user and password):
        raise ConfigError("--auth is USER:PASSWORD, both with at least one character")
    return user, password
