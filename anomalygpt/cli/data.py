"""`anomalygpt data`: data sets of photos with labels and masks."""

from __future__ import annotations

import argparse

from anomalygpt.cli import workshop
from anomalygpt.cli.status import OK, SOME_FAILED
from anomalygpt.constants import LAYOUT_NAMES

SUMMARY = "look at a data set, and make, change and compare data sets"


def run(options: argparse.Namespace) -> int:
    """One of the tools, or `anomalygpt data check`: status 1 when the data has errors."""
    if options.data_command != "check":
        return workshop.run(options)
    from anomalygpt.data.checking import check
    from anomalygpt.progress import with_bar

    report = check(options.root, options.dataset, with_bar)
    print(report.to_json() if options.json else report.to_text())
    return OK if report.is_ready else SOME_FAILED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt data`."""
    parser.description = "Data sets of photos with labels and masks."
    parts = parser.add_subparsers(dest="data_command", required=True, metavar="SUBCOMMAND")
    checked = parts.add_parser(
        "check",
        help="say what a data set holds and what is wrong with it",
        description="Read every photo and mask. Status 0: no errors; 1: the data has errors (they "
        "are named, with what to do); 2: it cannot be read as a data set.",
    )
    checked.add_argument("root", metavar="ROOT", help="the folder of the data set")
    checked.add_argument(
        "--dataset",
        choices=["auto", *LAYOUT_NAMES],
        default="auto",
        help="its layout (default auto: found by its folders)",
    )
    checked.add_argument("--json", action="store_true", help="print one JSON object")
    workshop.add_tools(parts)
