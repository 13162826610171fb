"""`anomalygpt data`: what its sub-commands do, once their arguments are read."""

from __future__ import annotations

import argparse

from anomalygpt.cli import OK, SOME_FAILED
from anomalygpt.data.checking import check
from anomalygpt.progress import with_bar


def run(options: argparse.Namespace) -> int:
    """`anomalygpt data check`: status 1 when the data has errors."""
    report = check(options.root, options.dataset, with_bar)
    print(report.to_json() if options.json else report.to_text())
    return OK if report.is_ready else SOME_FAILED
