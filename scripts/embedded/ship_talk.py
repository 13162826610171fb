"""Ship talk stage: what the talk prompts stage left, as the preset "talk" of the package."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from embedded.records import Sources, write_made_by
from embedded.ship import take_place

# Everything that the package ships for the preset.
MOST_MEGABYTES = 12
SOURCES: Sources = {
    "talk": {},
    "talk_evidence": {},
    "talk_prompts": {"talk": "talk", "evidence": "talk_evidence"},
    "ship": {"assistant": "talk_prompts"},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the stage."""
    parser.add_argument("--assistant", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--work", type=Path, required=True, metavar="FOLDER", help="of the stages' folders"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")


def run(options: argparse.Namespace) -> int:
    """Write the folder anew, with its record."""
    new = options.output.with_name(options.output.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(options.assistant, new)
    write_made_by(new, options, SOURCES)
    megabytes = take_place(new, options.output, MOST_MEGABYTES)
    print(f"{megabytes:.1f} MB\nwritten: {options.output}")
    return 0
