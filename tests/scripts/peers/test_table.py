"""The tables, and what they say of what cannot be told."""

from __future__ import annotations

from typing import Any

from peers.table import table
from peers.trials import Outcome


def outcome(image: float, pixel: float | None, milliseconds: float, failure: str = "") -> Any:
    figures = {"image_auroc": image, "pixel_auroc": pixel, "aupro": pixel and pixel / 2}
    if failure:
        figures = dict.fromkeys(figures)
    return Outcome(12.4, failure or None, figures, [milliseconds] * 3)


def test_the_table_says_what_cannot_be_told() -> None:
    """`plate` has masks and `toy` has none; one method fails on one of them, one on both."""
    rows = {
        "ours, normalised": {
            "plate": [outcome(0.8, 0.9, 20.0), outcome(1.0, 0.7, 20.0)],
            "toy": [outcome(0.6, None, 20.0), outcome(0.8, None, 20.0)],
        },
        "half": {
            "plate": [outcome(0.5, 0.5, 30.0)] * 2,
            "toy": [outcome(0, None, 0, "no luck")] * 2,
        },
        "none": dict(dict.fromkeys(("plate", "toy"), [outcome(0, None, 0, "singular")] * 2)),
    }
    lines = table(1, rows, ["plate", "toy"]).splitlines()
    assert lines[0] == "## 1 reference"
    assert lines[2].startswith("| method | image AUROC | plate | toy | pixel AUROC | AUPRO |")
    assert len({text.count("|") for text in lines[2:7]}) == 1
    assert lines[4] == (
        "| ours, normalised | 0.800 ± 0.100 | 0.900 | 0.700 | 0.800 | 0.400 | 20.0 | 1.00 | 12 |"
    )
    assert lines[5] == "| half | – | 0.500 | – | 0.500 | 0.250 | 30.0 | 1.50 | 12 |"
    assert lines[6] == "| none | – | – | – | – | – | – | – | – |"
    assert lines[8:] == ["- half failed on toy: no luck", "- none failed: singular"]


def test_one_seed_has_no_deviation() -> None:
    rows = {"ours, normalised": {"plate": [outcome(0.8, 0.9, 20.0)]}}
    text = table(4, rows, ["plate"])
    assert "## 4 references" in text
    assert "| ours, normalised | 0.800 | 0.800 |" in text


def test_a_method_that_fails_where_masks_are_has_no_figures_of_the_map() -> None:
    """Its mean over the other categories would be compared with means over all."""
    rows = {
        "ours, normalised": {name: [outcome(0.8, 0.9, 20.0)] for name in ("plate", "nut")},
        "half": {"plate": [outcome(0.5, 0.5, 30.0)], "nut": [outcome(0, None, 0, "no luck")]},
    }
    lines = table(1, rows, ["plate", "nut"]).splitlines()
    assert lines[5] == "| half | – | 0.500 | – | – | – | 30.0 | 1.50 | 12 |"
