"""What the subcommands of `anomalygpt data` have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from anomalygpt.cli.status import OK, SOME_FAILED
from anomalygpt.constants import LAYOUT_NAMES

if TYPE_CHECKING:
    from anomalygpt.data.samples import Finding

Parts: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def tool(
    parts: Parts, name: str, what: str, text: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """A subcommand: its line in the list, what its help says, and what it runs."""
    parser = parts.add_parser(name, help=what, description=text)
    parser.set_defaults(tool=run)
    return parser


def add_layout(parser: argparse.ArgumentParser) -> None:
    """Which layout a data set has."""
    parser.add_argument(
        "--dataset",
        choices=["auto", *LAYOUT_NAMES],
        default="auto",
        help="its layout (default auto: found by its folders)",
    )


def print_findings(root: Path, findings: Sequence[Finding]) -> None:
    """Findings in groups, errors first, with paths from the root on."""
    from anomalygpt.data.report import grouped_texts

    ordered = sorted(findings, key=lambda finding: finding.severity == "warning")
    for text in grouped_texts(root, ordered):
        print(f"\n{text}")


def told(root: Path, findings: Sequence[Finding]) -> int:
    """Print findings; the status that they stand for."""
    print_findings(root, findings)
    return SOME_FAILED if any(each.severity == "error" for each in findings) else OK
