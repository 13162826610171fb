"""`anomalygpt serve`: the page, and a service for programs, over one engine."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from anomalygpt.cli import demo
from anomalygpt.cli.status import OK
from anomalygpt.proxies import without_proxies
from anomalygpt.serving.settings import ServiceSettings

SUMMARY = "serve programs (REST, chats as OpenAI's, metrics) and the page"


def run(options: argparse.Namespace) -> int:
    """Open the data folder, load the model, and serve until Ctrl-C."""
    settings = demo.read_settings(options, os.environ)  # before anything is loaded
    settings = replace(settings, keeps_photos=not options.no_photos)
    service = ServiceSettings(cors=tuple(options.cors), jobs_root=options.jobs_root)
    from anomalygpt.records.places import Place

    place = Place.of(options.data, options.database)
    print("Loading torch, the model and the page; this takes some seconds", flush=True)
    with without_proxies():  # the page is this machine's own
        from anomalygpt.serving.server import serve_programs
    serve_programs(settings, service, place)
    return OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt serve`: those of `demo`, and its own."""
    demo.add_arguments(parser)
    parser.description = (
        "Serve the page at / and programs at /v1 until Ctrl-C or SIGTERM; what is inspected is "
        "put on record. Without any key only this machine may come in: see `anomalygpt key`."
    )
    group = parser.add_argument_group("service")
    group.add_argument(
        "--no-photos",
        action="store_true",
        help="keep only the hashes of inspected photos; they cannot be inspected again then",
    )
    group.add_argument(
        "--jobs-root",
        type=Path,
        metavar="DIR",
        help="folders below it may be inspected by /v1/jobs (default: none)",
    )
    group.add_argument(
        "--cors",
        nargs="+",
        default=[],
        metavar="ORIGIN",
        help="pages elsewhere that may use the service from a browser, such as https://a.example",
    )
