"""`anomalygpt data`: what its sub-commands do, once their arguments are read."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from tqdm import tqdm

from anomalygpt.cli import OK, SOME_FAILED
from anomalygpt.data.checking import check

# A bar comes up for work that takes longer than this, in seconds.
BAR_DELAY = 2.0


def run(options: argparse.Namespace) -> int:
    """`anomalygpt data check`: status 1 when the data has errors."""
    report = check(options.root, options.dataset, _with_bar)
    print(report.to_json() if options.json else report.to_text())
    return OK if report.is_ready else SOME_FAILED


def _with_bar(results: Iterable[Any], total: int) -> Iterator[Any]:
    begun, bar = time.monotonic(), None
    for count, result in enumerate(results):
        if bar is None and sys.stderr.isatty() and time.monotonic() - begun > BAR_DELAY:
            bar = tqdm(total=total, initial=count, unit=" photos", leave=False)
        yield result
        if bar is not None:
            bar.update()
    if bar is not None:
        bar.close()
