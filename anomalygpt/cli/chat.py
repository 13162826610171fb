"""`anomalygpt chat`: talking about one photo, and then about others.

Questions come from the keyboard, or line by line from a pipe; what begins with a slash is a
command. docs/terminal.md shows them.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module

from anomalygpt.cli.plants import stored
from anomalygpt.cli.shared import add_formulation, add_model_options, add_part_options, positive
from anomalygpt.cli.status import OK
from anomalygpt.cli.voices import add_talk_options, consultants_of, dismiss

SUMMARY = "talk about one photo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt chat`."""
    parser.description = (
        "Talk about one photo, and then about others. Questions come from the keyboard "
        "or a pipe; /help lists what else can be typed, /quit or Ctrl-D ends. In a pipe every "
        "answer is one line, and an empty line ends."
    )
    parser.add_argument("image", metavar="IMAGE", help="the photo")
    add_part_options(parser)
    add_formulation(add_model_options(parser))
    add_talk_options(parser)
    parser.add_argument(
        "--max-new-tokens", type=positive, default=128, metavar="N", help="longest answer"
    )
    parser.add_argument(
        "--temperature", type=float, default=0.0, help="0 (default) always takes the likeliest word"
    )
    parser.add_argument("--seed", type=int, help="makes sampled answers repeatable")
    parser.add_argument(
        "--no-picture",
        action="store_true",
        help="draw no map in the terminal; without colours (NO_COLOR, TERM=dumb) none is drawn",
    )


def run(options: argparse.Namespace) -> int:
    """`anomalygpt chat`: status 0 once the chat has begun, whatever is typed in it."""
    from anomalygpt.cli.assistant import assistant_of
    from anomalygpt.cli.sitting import Sitting

    if isinstance(sys.stdin, io.TextIOWrapper):  # bytes that are no letters end nothing
        sys.stdin.reconfigure(errors="replace")
    kept = stored(options)
    consultants = consultants_of(options)
    assistant = assistant_of(options, needs_words=True)
    try:
        sitting = Sitting(assistant, options, consultants, kept)
        sitting.show()
        for line in _lines(sitting.interactive):
            if not sitting.handle(line):
                break
    finally:
        dismiss(consultants.voice if consultants else None, options)
    return OK


def _without_mark(line: str) -> str:
    """A first line without the byte-order mark that editors of Windows write, however decoded."""
    for mark in ("\ufeff", "ï»¿", "\ufffd" * 3):
        line = line.removeprefix(mark)
    return line


def _lines(interactive: bool) -> Iterator[str]:
    """What is typed, with a prompt, or comes from a pipe; in a pipe an empty line ends."""
    if interactive:
        with suppress(ImportError):  # arrow keys bring earlier lines back; Windows has none
            import_module("readline")
    begins = True
    while True:
        try:
            line = input("> " if interactive else "")
            line, begins = (_without_mark(line) if begins else line).strip(), False
        except (EOFError, KeyboardInterrupt) as end:
            if isinstance(end, KeyboardInterrupt) and not interactive:
                raise
            if interactive:
                print()
            return
        if line:
            yield line
        elif not interactive:
            return
