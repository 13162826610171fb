"""Exit statuses, and lines for people that are no output."""

from __future__ import annotations

import sys

from tqdm import tqdm

OK, SOME_FAILED, ERROR, INTERRUPTED = 0, 1, 2, 130


def say(message: str) -> None:
    """A line on stderr, also while a bar is drawn."""
    tqdm.write(message, sys.stderr)


def plain(text: str, *, keep_lines: bool = False) -> str:
    """Text without control codes, which could be commands to the terminal."""
    return "".join(c if c.isprintable() or (keep_lines and c == "\n") else " " for c in text)
