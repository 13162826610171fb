"""The page of a run: the worst first, errors listed, nothing from outside."""

from __future__ import annotations

import re

from anomalygpt.bulk.run import How, inspect_photos
from anomalygpt.bulk.sources import Found, find_photos
from anomalygpt.bulk.summary import MOST_LINES, counts, draw, summary_page, worst_first
from anomalygpt.bulk.table import Row, row_of
from anomalygpt.errors import ImageError


def row(image: str, probability: float | None, score: float, verdict: str | None = None) -> Row:
    made = row_of(Found(image, "", 1, ""), ImageError("-"), 0.0)
    return made | {
        "error": None,
        "probability": probability,
        "score": score,
        "verdict": verdict,
        "regions": '[{"location": "top left", "area_fraction": 0.02}]',
    }


BAD = row_of(Found("<b>&.png", "", 1, ""), ImageError("<script> is no photo"), 0.0)


def test_the_worst_come_first_and_errors_apart() -> None:
    rows = [row("a", 0.2, 0.9), BAD, row("b", 0.8, 0.1), row("c", 0.8, 0.2)]
    assert [each["image"] for each in worst_first(rows)] == ["c", "b", "a"]
    assert [each["image"] for each in worst_first([row("a", None, 0.1), row("b", None, 0.3)])] == [
        "b",
        "a",
    ]


def test_counts_add_up() -> None:
    rows = [row("a", 0.9, 0.9, "damaged"), row("b", 0.1, 0.1, "good"), row("c", None, 0.1), BAD]
    assert counts(rows) == dict.fromkeys(
        ("damaged", "good", "without a verdict", "could not be inspected"), 1
    )
    assert counts(rows[:1]) == {"damaged": 1}


def test_a_page_loads_nothing_and_shows_names_as_they_are() -> None:
    rows = [*(row(f"{number:04}.png", 0.5, 0.5, "good") for number in range(MOST_LINES + 5)), BAD]
    text = summary_page(rows, {"0000.png": b"\xff\xd8"}, "Night <3>", {"category": "nut"})
    assert "<script>" not in text
    assert "&lt;script&gt; is no photo" in text
    assert "&lt;b&gt;&amp;.png" in text
    assert "<h1>Night &lt;3&gt;</h1>" in text
    assert "and 5 more" in text
    assert "top left (2.0 %)" in text
    assert not re.search(r'(src|href)="(?!data:)', text)


def test_pictures_of_photos_that_are_gone_are_left_out(assistant, bank, parts) -> None:
    found, _ = find_photos([str(parts / "good.png"), str(parts / "stained.png")])
    rows = inspect_photos(assistant, bank, found, How(map_only=True))
    places = {found[0].image: "/gone.png", found[1].image: found[1].place}
    drawn = draw(assistant, bank, rows, places, How(map_only=True))
    assert list(drawn) == [found[1].image]
    assert drawn[found[1].image].startswith(b"\xff\xd8\xff")
