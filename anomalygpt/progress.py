"""The progress bar of commands that walk over photos."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

# Bars come up for work that takes longer than this, in seconds.
BAR_DELAY = 2.0


def with_bar(items: Iterable[Item], total: int, unit: str = "photos") -> Iterator[Item]:
    """The items, with a bar on a terminal's stderr once they take a while.

    Args:
        items: passed on one by one.
        total: how many there are; a single one gets no bar.
        unit: what they are called.
    """
    # tqdm's own `delay` still draws an empty bar as soon as anything else is printed.
    shown = total > 1 and is_watched()
    begun, bar = time.monotonic(), None
    for count, item in enumerate(items):
        if bar is None and shown and time.monotonic() - begun > BAR_DELAY:
            bar = tqdm(total=total, initial=count, unit=f" {unit}")
        yield item
        if bar is not None:
            bar.update()
    if bar is not None:
        bar.close()


def is_watched() -> bool:
    """Whether stderr is a terminal; a log file gets no bar."""
    return sys.stderr.isatty()
