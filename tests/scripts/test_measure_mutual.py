"""What the table of mutual scoring says."""

from __future__ import annotations

import measure_mutual


def test_means_leave_out_what_is_not_there() -> None:
    one = dict.fromkeys(measure_mutual.COLUMNS, 0.5) | {"pixel_auroc": None}
    other = dict.fromkeys(measure_mutual.COLUMNS, 0.7)
    text = measure_mutual.table({"toy": {"the run": one}, "plate": {"the run": other}})
    assert "| toy | the run | 50.0 | – | 50.0 |" in text
    assert "| plate | the run | 70.0 | 70.0 | 70.0 |" in text
    assert "| mean | the run | 60.0 | 70.0 | 60.0 |" in text
