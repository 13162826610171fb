"""Ctrl-C and SIGTERM in work that saves before it ends."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stopping(
    told: Callable[[], None] = lambda: None, apart: float = 0.0
) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; a second Ctrl-C interrupts at once.

    Whoever works looks at the event between two steps, saves, and ends.

    Args:
        told: called once, when the event is set.
        apart: seconds within which several signals count as one: launchers pass on the Ctrl-C
            that reached their processes already.

    Raises:
        KeyboardInterrupt: the second Ctrl-C.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked  # signals come to the main thread alone
        return
    first: float | None = None

    def on_signal(number: int, frame: object) -> None:
        nonlocal first
        if first is None:
            # Before anything else: a second signal may come within this one, and must find it.
            first = time.monotonic()
            asked.set()
            told()
        elif number == signal.SIGINT and time.monotonic() >= first + apart:
            raise KeyboardInterrupt

    former = {each: signal.signal(each, on_signal) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)


@contextmanager
def blocked(*signals: signal.Signals) -> Iterator[None]:
    """Signals wait until the end of the block, also for processes that are started in it; on
    Windows they do not."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
