"""`anomalygpt doctor`: whether this installation and this machine are fine."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

SUMMARY = "say whether this installation and this machine are fine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt doctor`."""
    parser.description = (
        "Look at packages, devices, memory and disk, and ask the model about photos "
        "whose answers are known. Status 0: all is fine; 1: something is doubtful; 2: the model "
        "cannot be loaded or answers wrongly. What to do is said at the end."
    )
    parser.add_argument(
        "--model", default="embedded", help="a preset, a folder or a hub name (default embedded)"
    )
    parser.add_argument(
        "--examples",
        metavar="DIR",
        type=Path,
        help="the photos of the known answers (default: `examples` beside the package, as in a "
        "copy of the repository)",
    )
    parser.add_argument(
        "--thorough",
        action="store_true",
        help="ask for all known answers; without it, for those about three parts",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1 …")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """`anomalygpt doctor`: 0 all is fine, 1 something is doubtful, 2 the model is broken."""
    from anomalygpt.doctor.examination import examine
    from anomalygpt.doctor.report import report

    findings = examine(options.model, options.examples, options.device, thorough=options.thorough)
    if options.json:
        print(json.dumps(findings.to_dict(), allow_nan=False))
    else:
        print("\n".join(report(findings)))
    return findings.status
