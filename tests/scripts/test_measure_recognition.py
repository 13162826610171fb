"""Which product a photo shows, counted over small made sets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import measure_recognition
from anomalygpt.errors import ConfigError


def test_the_counts(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two sets of the same stripes: without the own one, the other is taken."""
    folders = [str(data / "plate"), str(data / "toy")]
    assert measure_recognition.main([*folders, "--most", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("likeness from 0.76 on")
    counts = {}
    for line in lines[1:]:
        found = re.fullmatch(r"(\w+): (\d+) photos; (\d+), (\d+), (\d+); (\d+)", line)
        assert found is not None, line
        counts[found[1]] = [int(number) for number in found.groups()[1:]]
    assert counts.keys() == {"plate", "toy", "all"}
    assert counts["plate"][0] == counts["toy"][0] == 3
    for photos, right, unknown, another, alone in counts.values():
        assert right + unknown + another == photos
        assert unknown <= alone <= photos
    assert counts["all"] == [a + b for a, b in zip(counts["plate"], counts["toy"], strict=True)]


def test_a_model_that_says_nothing_about_likeness(data: Path, talker: Path) -> None:
    with pytest.raises(ConfigError, match="least_likeness"):
        measure_recognition.main([str(data / "plate"), "--model", str(talker)])
