"""Ctrl-C in work that saves before it ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from anomalygpt.interruptions import blocked, stopping

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX are sent")


@pytest.fixture(autouse=True)
def _usual_handlers() -> Iterator[None]:
    """Whatever a test does, the process has its handlers again afterwards."""
    former = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in former.items():
        signal.signal(each, handler)


def send(number: signal.Signals) -> None:
    """A signal to this thread; others of the process might take it although it is blocked here."""
    signal.raise_signal(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_told_and_raises_nothing(number: signal.Signals) -> None:
    told: list[bool] = []
    with stopping(lambda: told.append(True)) as asked:
        assert not asked.is_set()
        send(number)
        assert asked.is_set()
    assert told == [True]


def test_a_second_ctrl_c_interrupts_at_once_and_a_second_sigterm_does_not() -> None:
    told: list[bool] = []
    with stopping(lambda: told.append(True)):
        send(signal.SIGINT)
        send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
    assert told == [True]


def test_several_at_one_time_are_one() -> None:
    """A launcher passes on the Ctrl-C that its processes have already."""
    with stopping(apart=60.0) as asked:
        for _ in range(3):
            send(signal.SIGINT)
        assert asked.is_set()


def test_the_former_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), stopping() as asked:
        asked.wait(1 / 0)
    with stopping():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_beside_the_main_thread_nothing_is_taken_over() -> None:
    found: list[object] = []
    before = signal.getsignal(signal.SIGINT)

    def work() -> None:
        with stopping() as asked:
            found.extend([asked.is_set(), signal.getsignal(signal.SIGINT)])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert found == [False, before]


def test_blocked_signals_come_at_the_end() -> None:
    with stopping() as asked:
        with blocked(signal.SIGTERM):
            send(signal.SIGTERM)
            assert not asked.is_set()
        assert asked.is_set()
