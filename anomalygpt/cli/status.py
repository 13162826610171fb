"""Exit statuses, and lines for people that are no output."""

from __future__ import annotations

import sys

OK = 0  # all was done; what was left out by rule is told, and counts as done
SOME_FAILED = 1  # some could not be done, and is named; the rest was
ERROR = 2  # nothing could be done
INTERRUPTED = 130  # Ctrl-C; what was written so far is whole


def say(message: str) -> None:
    """A line on stderr that begins with the program's name, also while a bar is drawn."""
    from tqdm import tqdm  # where it is missing, `doctor` must still run

    tqdm.write(f"anomalygpt: {message}", sys.stderr)


def plain(text: str, *, keep_lines: bool = False) -> str:
    """Text without control codes, which could be commands to the terminal."""
    return "".join(c if c.isprintable() or (keep_lines and c == "\n") else " " for c in text)
