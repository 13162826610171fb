"""Verify: whether the files in a shipped folder are those that its record names."""

from __future__ import annotations

import argparse
from pathlib import Path

from embedded.records import file_hashes, read_made_by


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("folder", type=Path, metavar="FOLDER")


def run(options: argparse.Namespace) -> int:
    """Print what differs; 1 where something does, as `anomalygpt doctor` does."""
    made = read_made_by(options.folder)
    named, found = made["files"], file_hashes(options.folder)
    for name in sorted({*named, *found}):
        if name not in found:
            print(f"{name} is missing")
        elif name not in named:
            print(f"{name} is not in the record")
        elif named[name] != found[name]:
            print(f"{name} is another file than was shipped")
    if named != found:
        return 1
    unknown = [name for name, record in made["stages"].items() if not _is_known(record)]
    told = "made by stages that left no record" if not made["stages"] else "their stages are known"
    if unknown:
        told = f"no whole record of {', '.join(unknown)}"
    print(f"{len(named)} files are those that were shipped; {told}")
    return 0


def _is_known(record: dict | None) -> bool:
    return record is not None and record["result"] is not None and None not in record["runs"]
