"""The page holds all that it shows, and nothing that a user wrote becomes code."""

from __future__ import annotations

import base64
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from anomalygpt.evaluation.figures.figures import FIGURES
from anomalygpt.evaluation.reports.html_report import html_report
from anomalygpt.evaluation.reports.published import published_figures

Made = SimpleNamespace
EMPTY = {"meta", "img", "br", "link", "input", "hr"}
# Where a browser fetches what an attribute names.
LOADING = {"src", "srcset", "href", "poster", "data", "action", "background"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on tags that do not close each other."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def page(made: Made, tmp_path: Path):
    """Builds the page without charts, which take most of the time."""

    def build() -> Page:
        return Page(html_report(made.results, [], tmp_path))

    return build


def test_a_whole_page(made: Made, tmp_path: Path) -> None:
    shown = Page(html_report(made.results, made.photos, tmp_path))
    assert len(shown.all("svg")) == 3
    assert shown.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in shown.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    for needed in (made.results["command"], "0123abcd", "torch 2.9.0", "cookie/train/good/003.jpg"):
        assert needed in shown.text
    for figure in FIGURES.values():
        assert figure.meaning in shown.text


def test_links_lead_to_sections_that_are_there(page) -> None:
    shown = page()
    identities = [attributes["id"] for _, attributes in shown.tags if "id" in attributes]
    assert len(identities) == len(set(identities))
    links = [attributes["href"] for attributes in shown.all("a")]
    assert links
    assert all(link[0] == "#" and link[1:] in identities for link in links)


def test_nothing_is_loaded_from_outside(made: Made, tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / made.results["examples"][0]["overlay"])
    made.results["published"] = published_figures("MVTec AD", [1, 4], False)
    text = html_report(made.results, made.photos, tmp_path)
    for tag, attributes in Page(text).tags:
        assert tag not in {"script", "link", "iframe", "object", "embed"}
        for name, value in attributes.items():
            if name.split(":")[-1] in LOADING:
                assert value.startswith(("#", "data:image/")), (tag, name)
            assert not name.startswith("on")
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_pictures_lie_within_the_page(made: Made, tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    example = made.results["examples"][0]
    Image.new("RGB", (8, 8), "red").save(tmp_path / example["overlay"])
    shown = Page(html_report(made.results, [], tmp_path))
    (picture,) = shown.all("img")
    kind, _, content = picture["src"].partition(";base64,")
    assert kind == "data:image/jpeg"
    assert base64.b64decode(content) == (tmp_path / example["overlay"]).read_bytes()
    assert "000.jpg" in picture["alt"]


def test_a_missing_picture_is_named(made: Made, page) -> None:
    made.results["examples"][1]["overlay"] = None
    made.results["examples"][2]["overlay"] = "no/such.svg"
    shown = page()
    assert not shown.all("img")
    assert shown.text.count("The picture is missing.") == len(made.results["examples"])


def test_a_card_tells_what_happened(made: Made, page) -> None:
    text = page().text
    for needed in (
        *("wrong: missed", "right, closest to a miss", "wrong: false alarm"),
        *("right, closest to a false alarm", "bad/000.jpg", "score 0.457, P(anomaly) 0.321"),
        *("Is there any anomaly in the image?", "No, there is no anomaly in the image."),
    ):
        assert needed in text
    for example in made.results["examples"]:
        example.update(question=None, answer=None, probability=None, threshold=0.5125)
    text = page().text
    assert "score 0.457, threshold 0.512" in text
    assert "Is there any anomaly in the image?" not in text


def test_nothing_that_a_user_wrote_is_code(made_with, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"
    made = made_with(categories=(evil, "nut"), shots=(1,), seeds=(0,))
    made.results["skipped"] = [{"path": evil, "reason": evil}]
    made.results["command"] = evil
    made.results["rules"] = {evil: evil}
    made.results["model"]["name"] = evil
    made.results["versions"] = {evil: evil}
    for example in made.results["examples"]:
        example.update(question=evil, answer=evil, image=f"x/{evil}", defect=evil, overlay=evil)
    for row in made.results["rows"]:
        row["references"] = [evil]
    shown = Page(html_report(made.results, made.photos, tmp_path))
    assert not shown.all("script")
    assert not shown.all("img")
    assert evil in shown.text


def test_undefined_figures_are_a_dash(page) -> None:
    shown = page()
    assert "–" in [words.strip() for words in shown.words]
    assert "None" not in shown.text
    assert not re.search(r"\bnan\b", shown.text)
    assert "–: not defined here (for example no masks)." in shown.text


def test_a_part_is_named_as_one(made: Made, page) -> None:
    assert "ONLY A PART" not in page().text
    made.results["settings"]["limit"] = 5
    shown = page()
    assert "ONLY A PART OF THE DATA WAS MEASURED (limit 5)" in shown.text
    assert any(attributes.get("role") == "alert" for attributes in shown.all("p"))


def test_sections_without_content_are_left_out(made_with, tmp_path: Path) -> None:
    made = made_with(verdicts=("threshold",))
    made.results.update(examples=[], skipped=[], latency_ms={}, peak_memory_mb={})
    text = Page(html_report(made.results, [], tmp_path)).text
    for title in ("over a threshold", "Scores", "Worst photos", "Skipped", "Time and memory"):
        assert title not in text
    assert "the threshold is right on" in text


def test_all_optional_sections(made: Made, page) -> None:
    made.results["published"] = published_figures("MVTec AD", [1], False)
    made.results["skipped"] = [{"path": "a.jpg", "reason": "cannot be read"}]
    text = page().text
    for title in ("over a threshold", "Published figures", "Worst photos", "cannot be read"):
        assert title in text
    assert "this run, normalised map" in text


def test_tables_scroll_in_a_frame_of_their_own(page) -> None:
    shown = page()
    frames = [div for div in shown.all("div") if div.get("class") == "scroll"]
    assert len(frames) == len(shown.all("table"))
    assert all(frame["tabindex"] == "0" and frame["aria-label"] for frame in frames)


def test_runs_lie_in_folds(made: Made, page) -> None:
    shown = page()
    assert len([d for d in shown.all("details") if d.get("class") == "category"]) == 2
    assert shown.text.count("Every run (12)") == 2


def test_pairs_have_neither_seed_nor_references(made_with, tmp_path: Path) -> None:
    made = made_with(seeds=(None,), shots=(1,))
    for row in made.results["rows"]:
        row["references"] = []
    for example in made.results["examples"]:
        example["seed"] = None
    text = Page(html_report(made.results, [], tmp_path)).text
    assert "References of every run" not in text
    assert "One run: nothing can be said about the spread over seeds." in text
    assert "None" not in text


def test_a_run_without_any_figure(made: Made, page) -> None:
    made.results.update(summary=[], rows=[], examples=[])
    assert "Evaluation of demo" in page().text


def test_the_same_results_give_the_same_page(made: Made, tmp_path: Path) -> None:
    texts = {html_report(made.results, made.photos, tmp_path) for _ in range(2)}
    assert len(texts) == 1
