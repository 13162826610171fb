"""`anomalygpt data meta`, `version`, `verify` …: tools that make, change and compare data sets."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from anomalygpt.cli.status import OK, SOME_FAILED, say
from anomalygpt.constants import LAYOUT_NAMES

if TYPE_CHECKING:
    from anomalygpt.data.samples import Finding

Tools: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_MOST_LISTED = 20


def run(options: argparse.Namespace) -> int:
    """Run the tool that `add_tools` put into the options."""
    tool: Callable[[argparse.Namespace], int] = options.tool
    return tool(options)


def add_tools(parts: Tools) -> None:
    """All tools, as subcommands of `anomalygpt data`."""
    _add_meta(parts)


def _tool(
    parts: Tools, name: str, what: str, text: str, tool: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = parts.add_parser(name, help=what, description=text)
    parser.set_defaults(tool=tool)
    return parser


def _add_layout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dataset",
        choices=["auto", *LAYOUT_NAMES],
        default="auto",
        help="its layout (default auto: found by its folders)",
    )


def _print_findings(root: Path, findings: Sequence[Finding]) -> None:
    from anomalygpt.data.report import grouped_texts

    ordered = sorted(findings, key=lambda finding: finding.severity == "warning")
    for text in grouped_texts(root, ordered):
        print(f"\n{text}")


# --- meta ----------------------------------------------------------------------------------------


def _add_meta(parts: Tools) -> None:
    parser = _tool(
        parts,
        "meta",
        "write meta.json, the table that AnomalyCLIP and its relatives read",
        "Write meta.json, meta_train.json and meta_test.json from folders of products, also in "
        "groups (COMP_1/product_1). Masks are matched by name. Status 1: the folders have errors, "
        "which are named, and nothing was written.",
        _meta,
    )
    parser.add_argument("root", metavar="ROOT", help="the folder of the data set")
    _add_layout(parser)
    parser.add_argument(
        "--output", metavar="DIR", help="where the files go (default ROOT, where readers look)"
    )
    parser.add_argument("--replace", action="store_true", help="write over files of these names")


def _meta(options: argparse.Namespace) -> int:
    from anomalygpt.data.report import table_text
    from anomalygpt.data.tools.meta import collect_meta, write_meta

    meta = collect_meta(options.root, options.dataset)
    rows = [["product", "phase", "good", "bad", "with mask"]]
    for phase, products in meta.table().items():
        for product, entries in products.items():
            bad = [entry for entry in entries if entry["anomaly"]]
            masks = sum(bool(entry["mask_path"]) for entry in bad)
            rows.append([product, phase, *map(str, (len(entries) - len(bad), len(bad), masks))])
    print(table_text(rows, left=2))
    _print_findings(meta.root, meta.findings)
    if not meta.is_ready:
        say("nothing was written, because of the errors above")
        return SOME_FAILED
    output = Path(options.output) if options.output else None
    for path in write_meta(meta, output, replace=options.replace):
        say(f"{path} written")
    return OK
