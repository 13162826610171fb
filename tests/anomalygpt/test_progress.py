"""Progress is a bar on a terminal and, seconds apart, a line in a log."""

from __future__ import annotations

import itertools

import pytest

from anomalygpt import progress
from tests.inspections import inspections


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_drawn_on_a_terminals_stderr_only(
    anomalygpt, parts, encoder_options, monkeypatch, terminal
) -> None:
    """A log file gets plain lines instead of a bar, and stdout neither."""
    monkeypatch.setattr(progress, "BAR_DELAY", -1.0)
    monkeypatch.setattr(progress, "is_watched", lambda: terminal)
    ran = anomalygpt(
        *("inspect", parts, "-r", parts / "good.png", parts / "other.png"),
        *(*encoder_options, "--json", "--batch-size", 1),
    )
    assert len(inspections(ran.out)) == 4
    assert ("4/4" in ran.err) is terminal
    assert ("references: 1 of 2, about" in ran.err) is not terminal
    assert ("photos: 1 of 4, about" in ran.err) is not terminal


def test_lines_of_a_log_are_seconds_apart(monkeypatch, capsys) -> None:
    """The first when it takes a while; then about ten seconds apart, in a long run further."""
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    monkeypatch.setattr(progress, "is_watched", lambda: False)
    told = []
    for _ in progress.with_bar(range(2000), 2000, "parts"):
        if capsys.readouterr().err:
            told.append(now)
        now += 1.0
    gaps = [later - earlier for earlier, later in itertools.pairwise(told)]
    assert told[0] <= 3
    assert gaps[0] == 10
    assert all(10 <= gap <= max(10, 0.06 * at + 1) for gap, at in zip(gaps, told, strict=False))
    assert gaps[-1] > 50
    assert list(progress.with_bar(range(1), 1)) == [0]
    assert not capsys.readouterr().err
