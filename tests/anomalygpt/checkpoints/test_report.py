from __future__ import annotations

import pytest

from anomalygpt.checkpoints import LoadReport, Mismatch
from anomalygpt.errors import CheckpointError


def test_a_good_report_raises_nothing():
    report = LoadReport(loaded=["a"], skipped={"b": "not used"})
    assert report.ok
    report.raise_if_bad("file.pth")


def test_error_is_one_line_and_elides_long_lists():
    report = LoadReport(missing=[f"layer.{n}" for n in range(30)])
    with pytest.raises(CheckpointError) as caught:
        report.raise_if_bad("file.pth")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("file.pth: 30 missing (layer.0, ")
    assert "layer.7 and 22 more" in message
    assert "layer.8" not in message


def test_misshaped_names_both_shapes():
    report = LoadReport(mismatched=[Mismatch("w", (2, 3), (3, 2))])
    with pytest.raises(CheckpointError, match=r"w needs \(2, 3\), has \(3, 2\)"):
        report.raise_if_bad("f", allow_unknown=True)


def test_unknown_names_can_be_allowed_but_missing_ones_cannot():
    LoadReport(unexpected=["x"]).raise_if_bad("f", allow_unknown=True)
    with pytest.raises(CheckpointError, match=r"1 unknown \(x\)"):
        LoadReport(unexpected=["x"]).raise_if_bad("f")
    with pytest.raises(CheckpointError, match="1 missing"):
        LoadReport(missing=["x"]).raise_if_bad("f", allow_unknown=True)


def test_merge_and_summary():
    report = LoadReport(loaded=["a"], notes=["a note"])
    report.merge(
        LoadReport(
            loaded=["b"],
            missing=["m"],
            unexpected=["u"],
            mismatched=[Mismatch("s", (1,), (2,))],
            skipped={"k": "not used", "l": "not used"},
        ),
        prefix="decoder.",
    )
    assert report.loaded == ["a", "decoder.b"]
    assert report.mismatched[0].name == "decoder.s"
    assert report.summary().splitlines() == [
        "2 tensors loaded",
        "2 skipped: not used",
        "1 missing: decoder.m",
        "1 misshaped: decoder.s needs (1,), has (2,)",
        "1 unknown, left out: decoder.u",
        "a note",
    ]
