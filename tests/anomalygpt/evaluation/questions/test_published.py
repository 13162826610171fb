"""MMAD's own summary, with its faults, and its leaderboard."""

from __future__ import annotations

import csv
import io
from types import SimpleNamespace

import pytest

from anomalygpt.evaluation.questions.published import (
    COLUMNS,
    LEADERBOARD,
    published_summary,
    summary_csv,
)


@pytest.mark.parametrize("name", ["plain", "bad_letters", "last_type_missing"])
def test_recorded_mmad_summaries_are_reproduced(asking: SimpleNamespace, name: str) -> None:
    table = published_summary(asking.recorded(f"results_{name}.json"))
    wanted = (asking.folder / f"results_{name}_summary.csv").read_text(encoding="utf-8")
    theirs, ours = (
        list(csv.DictReader(io.StringIO(text))) for text in (wanted, summary_csv(table))
    )
    assert [list(row) for row in ours] == [list(row) for row in theirs]
    for row, their in zip(ours, theirs, strict=True):
        assert row.pop("") == their.pop("")
        assert {key: float(value) for key, value in row.items()} == pytest.approx(
            {key: float(value) for key, value in their.items()}, abs=1e-9
        )


def entry(image: str, kind: str, right: str, given: str) -> dict[str, str]:
    return {"image": image, "question_type": kind, "correct_answer": right, "gpt_answer": given}


def test_the_fault_of_mmad_that_the_entry_after_a_bad_one_does_not_count() -> None:
    kind = "Defect Analysis"
    listed = [entry(f"X/a/b/bad/{n}.png", kind, "A", given) for n, given in enumerate("A?BA")]
    # "?" goes, and with it the "B" that is wrong.
    assert published_summary(listed)["X"][kind] == 100
    assert [each["gpt_answer"] for each in listed] == ["A", "?", "B", "A"]  # the list is ours


def test_mmad_rows_of_the_leaderboard_are_whole() -> None:
    assert len({each.model for each in LEADERBOARD}) == len(LEADERBOARD)
    for each in LEADERBOARD:
        assert len(each.figures) == len(COLUMNS)
        assert each.seen
        told = each.figures[:7]
        if None not in told:
            # Averages are of the seven types.
            assert sum(told) / 7 == pytest.approx(each.figures[7], abs=0.12)
