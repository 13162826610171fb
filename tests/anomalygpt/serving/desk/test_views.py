"""What is shown: true to the finding, and nothing of a visitor's becomes part of the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import find_regions
from anomalygpt.serving.desk import views
from anomalygpt.serving.desk.report import report_page
from anomalygpt.serving.desk.visits import Sheet, Visit

EVIL = '<img src=x onerror="alert(1)">${alert(2)}{{3}}\'"</script>'
SIZE = (60, 90)

Make = Callable[..., Visit]


@pytest.fixture
def visit(tmp_path: Path) -> Make:
    def make(probability: float = 0.8, name: str = "part.jpg", answer: str = "Yes.") -> Visit:
        small = np.zeros((32, 32), np.float32)
        small[4:10, 20:28] = 0.9
        geometry = ImageGeometry.fit(SIZE, 32, "square")
        found = Inspection(
            geometry=geometry,
            anomaly_score=0.7,
            small_map=small,
            is_anomalous=probability > 0.5,
            anomaly_probability=probability,
            answer=answer,
            question="Is it?",
            description=None,
            regions=find_regions(small, geometry) if probability > 0.5 else [],
            level=0.5,
            image=name,
            references=(name,),
            model={"name": name, "version": "1", "encoder": "e"},
        )
        path = tmp_path / "1.jpg"
        Image.new("RGB", (SIZE[1], SIZE[0]), (90, 90, 90)).save(path)
        return Visit(1, name, path, (name,), found, None, [(name, answer)])

    return make


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(page)
    return parser.found


def test_nothing_of_a_visitor_becomes_part_of_the_page(visit: Make) -> None:
    evil = visit(name=EVIL, answer=EVIL)
    for page in (
        views.verdict(evil.inspection, 1),
        views.viewer(evil),
        views.problem(EVIL),
        views.working(EVIL, 0.5),
        report_page(evil, datetime(2026, 1, 1)),
    ):
        for tag, attributes in tags(page):
            assert tag != "script"
            assert not any(name.startswith("on") for name in attributes)
            assert (attributes.get("src") or "data:").startswith("data:")
        assert "${" not in page
        assert "{{" not in page


def test_the_verdict_says_which_way_and_how_sure(visit: Make) -> None:
    bad, good = (views.verdict(visit(p).inspection, 1) for p in (0.97, 0.2))
    assert "Something is wrong" in bad
    assert "97%" in bad
    assert "fairly sure" in bad
    assert "Looks good" in good
    assert "20%" in good
    assert "unsure" in views.verdict(visit(0.55).inspection, 1)
    assert "hint" in views.verdict(visit(0.9).inspection, 0)
    assert "3 good parts" in views.verdict(visit(0.9).inspection, 3)


def test_what_a_verdict_must_be_read_with_comes_before_its_number(visit: Make) -> None:
    found = replace(visit(0.97).inspection, cautions=("First <b>.", "Second."))
    page = views.verdict(found, 0)
    assert "First &lt;b&gt;." in page
    order = [page.index(word) for word in ("Something is wrong", "First", "Second", "97%")]
    assert order == sorted(order)
    assert "cautions" not in views.verdict(visit(0.97).inspection, 1)
    shown = visit(0.97)
    shown.inspection = found
    report = report_page(shown, datetime(2026, 1, 1))
    assert report.index("First &lt;b&gt;.") < report.index("<h2>Regions")


def test_no_certainty_is_said_where_there_is_none(visit: Make) -> None:
    """Without a photo of a good part neither words nor a number say how sure the guess is."""
    shown = visit(0.97)
    assert "97%" in views.verdict(shown.inspection, 1)
    shown.inspection = replace(shown.inspection, references=())
    for page in (views.verdict(shown.inspection, 0), report_page(shown, datetime(2026, 1, 1))):
        assert "Something is wrong" in page
        assert "97%" not in page
        assert not re.search(r"(quite |fairly |un)sure", page)


def test_a_report_has_lines_for_what_a_person_writes(visit: Make) -> None:
    shown = visit()
    assert report_page(shown, datetime(2026, 1, 1)).count("&nbsp;") == 3
    shown.sheet = Sheet("P-1", "Eva", "<i>")
    page = report_page(shown, datetime(2026, 1, 1), "abc123")
    for word in ("P-1", "Eva", "&lt;i&gt;", "abc123"):
        assert word in page


def test_boxes_lie_in_pixels_of_the_photo_and_rows_name_them(visit: Make) -> None:
    shown = visit()
    found = tags(views.viewer(shown))
    svg = next(attributes for tag, attributes in found if tag == "svg")
    assert svg["viewbox"] == f"0 0 {SIZE[1]} {SIZE[0]}"
    (region,) = shown.inspection.regions
    (box,) = [attributes for tag, attributes in found if tag == "rect"]
    x0, y0, x1, y1 = region.bbox
    assert [float(box[name] or 0) for name in ("x", "y", "width", "height")] == [
        x0, y0, x1 - x0, y1 - y0,
    ]  # fmt: skip
    marks = [a["data-region"] for tag, a in found if tag in ("g", "tr") and "data-region" in a]
    assert marks == ["1", "1"]


def test_pictures_have_words_beside_them(visit: Make) -> None:
    for tag, attributes in tags(views.viewer(visit(name="lid.jpg"))):
        if tag == "img":
            assert "alt" in attributes
        if tag == "figure":
            assert "lid.jpg: 1 marked region" in (attributes["aria-label"] or "")


def test_a_good_part_has_no_region(visit: Make) -> None:
    assert "No region stands out" in views.viewer(visit(0.1))


def test_a_report_stands_alone(visit: Make) -> None:
    page = report_page(visit(), datetime(2026, 3, 4, 5, 6))
    assert "2026-03-04 05:06" in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert "Something is wrong" in page
    assert "default-src 'none'" in page
