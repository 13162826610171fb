"""How far commands that walk over photos have come: a bar, or lines where none can be drawn."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

# Bars come up for work that takes longer than this, in seconds.
BAR_DELAY = 2.0

# Where no bar can be drawn, a line now and then: so many seconds apart, or a twentieth of the
# time that has gone by, so that a log of hours does not fill with them.
LINE_EVERY, LINE_SHARE = 10.0, 1 / 20


def with_bar(items: Iterable[Item], total: int, unit: str = "photos") -> Iterator[Item]:
    """The items, with a bar on a terminal's stderr once they take a while, else with lines.

    Args:
        items: passed on one by one.
        total: how many there are; a single one gets no bar.
        unit: what they are called.
    """
    if total < 2:
        yield from items
    elif is_watched():
        yield from _with_bar(items, total, unit)
    else:
        yield from _with_lines(items, total, unit)


def _with_bar(items: Iterable[Item], total: int, unit: str) -> Iterator[Item]:
    # tqdm's own `delay` still draws an empty bar as soon as anything else is printed.
    begun, bar = time.monotonic(), None
    for count, item in enumerate(items):
        if bar is None and time.monotonic() - begun > BAR_DELAY:
            bar = tqdm(total=total, initial=count, unit=f" {unit}")
        yield item
        if bar is not None:
            bar.update()
    if bar is not None:
        bar.close()


def _with_lines(items: Iterable[Item], total: int, unit: str) -> Iterator[Item]:
    begun = time.monotonic()
    due = begun + BAR_DELAY
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now >= due:
            left = (now - begun) / done * (total - done)
            print(
                f"{unit}: {done} of {total}, about {left:.0f} s left", file=sys.stderr, flush=True
            )
            due = now + max(LINE_EVERY, LINE_SHARE * (now - begun))
        yield item


def is_watched() -> bool:
    """Whether stderr is a terminal; a log file gets no bar."""
    return sys.stderr.isatty()
