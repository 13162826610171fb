"""`anomalygpt demo`: says what takes a while, then serves the page."""

from __future__ import annotations

import argparse

from anomalygpt.proxies import without_proxies
from anomalygpt.serving.settings import from_environment


def run(options: argparse.Namespace) -> int:
    """Load the model, open the page, and serve until Ctrl-C."""
    from_environment(options)  # what is wrong with them is said before anything is loaded
    print("Loading torch, the model and the page; this takes some seconds", flush=True)
    with without_proxies():  # the page is this machine's own
        from anomalygpt.serving.server import run as serve
    return serve(options)
