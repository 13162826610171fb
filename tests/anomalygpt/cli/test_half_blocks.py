"""Small pictures in a terminal: where they are drawn, how large, and what is written."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from anomalygpt.cli.half_blocks import can_draw, half_blocks, picture_size


class _Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "columns", "encoding", "draws"),
    [
        ({"TERM": "xterm-256color"}, 80, "utf-8", True),
        ({"TERM": "xterm", "NO_COLOR": ""}, 80, "utf-8", True),  # empty counts as not set
        ({"TERM": "xterm", "NO_COLOR": "1"}, 80, "utf-8", False),
        ({"TERM": "dumb"}, 80, "utf-8", False),
        ({}, 80, "utf-8", False),
        ({"WT_SESSION": "x"}, 80, "utf-8", True),
        ({"TERM": "xterm"}, 10, "utf-8", False),
        ({"TERM": "xterm"}, 80, "ascii", False),
    ],
)
def test_where_pictures_are_drawn(environment, columns, encoding, draws, monkeypatch) -> None:
    screen = _Screen()
    monkeypatch.setattr(_Screen, "encoding", encoding)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", "40")
    assert can_draw(environment) is draws


def test_no_picture_into_a_file(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not can_draw({"TERM": "xterm"})


@pytest.mark.parametrize(
    ("photo", "columns", "lines", "size"),
    [
        ((400, 300), 200, 100, (60, 44)),
        ((400, 300), 30, 100, (30, 22)),
        ((100, 1000), 80, 20, (4, 40)),
        ((1000, 1), 80, 20, (60, 2)),
        ((16, 16), 80, 0, (2, 2)),
    ],
)
def test_pictures_keep_their_shape_and_fit(photo, columns, lines, size) -> None:
    assert picture_size(photo, columns, lines) == size


def test_two_pixels_in_a_letter() -> None:
    pixels = np.zeros((2, 3, 3), dtype=np.uint8)
    pixels[0, :2] = (255, 1, 2)
    pixels[1, 2] = (3, 4, 5)
    assert half_blocks(pixels) == (
        "\x1b[38;2;255;1;2;48;2;0;0;0m▀▀\x1b[38;2;0;0;0;48;2;3;4;5m▀\x1b[0m"
    )
