"""How texts are cut into passages."""

from __future__ import annotations

import pytest

from anomalygpt.knowledge.passages import (
    LONGEST,
    cleaned,
    of_entry,
    of_markdown,
    of_text,
    pieces,
    sentences,
)


def test_headings_say_what_a_passage_is_about() -> None:
    text = "Before.\n\n# Nut\n\nOne.\n\n## B\n\nTwo.\n\n```\n# no heading\n```\n\n# C #\nThree."
    found = of_markdown(text, "nut", "nut/a.md", "a")
    assert [(each.kind, each.source) for each in found] == [
        (None, "nut/a.md"),
        (None, "nut/a.md"),
        ("B", "nut/a.md, B"),
        ("C", "nut/a.md, C"),
    ]
    assert found[2].text == "Two.\n\n```\n# no heading\n```"
    assert {each.product for each in found} == {"nut"}


@pytest.mark.parametrize(
    ("text", "stem", "product", "kind"),
    [
        ("# Metal nut\n\n## Rust\n\nBrown.", "metal_nut", "Metal nut", "Rust"),
        ("# Handbook of all\n\n## Rust\n\nBrown.", "handbook", None, "Handbook of all / Rust"),
        ("# Handbook\n\n## Rust\n\nBrown.", "handbook", None, "Handbook / Rust"),
        ("# Notes\n\n**Product:** valve 3\n\n## Rust\n\nBrown.", "x", "valve 3", "Notes / Rust"),
        ("product: valve 3\n\nBrown.", "x", "valve 3", None),
    ],
)
def test_whom_a_file_outside_of_folders_is_about(
    text: str, stem: str, product: str | None, kind: str | None
) -> None:
    (found,) = of_markdown(text, None, f"{stem}.md", stem)
    assert (found.product, found.kind, found.text) == (product, kind, "Brown.")


def test_a_text_names_its_product_in_a_line() -> None:
    (found,) = of_text("Product: valve 3\nBrown spots.", None, "a.txt")
    assert found.product == "valve 3"
    assert found.text == "Brown spots."
    late = "\n".join(["A line."] * 12 + ["Product: valve"])
    assert of_text(late, None, "a.txt")[0].product is None


def test_titles_in_angle_brackets_begin_passages() -> None:
    """As MMAD writes them; a sign in the text is none."""
    text = " <Rust>\n Description: Brown, < 2 mm.\n\n <Dents>\n Description: Hollows.\n"
    found = of_entry(text, "nut", "bad", "k.json, nut / bad")
    assert [(each.title, each.text) for each in found] == [
        ("Rust", "Brown, < 2 mm."),
        ("Dents", "Hollows."),
    ]
    assert {(each.product, each.kind) for each in found} == {("nut", "bad")}


def test_no_piece_is_too_long_and_nothing_is_lost() -> None:
    words = [f"word{number}" for number in range(3000)]
    text = ". ".join(" ".join(words[start : start + 20]) for start in range(0, 1500, 20)) + ".\n\n"
    text += "x".join(words[1500:])
    found = pieces(text)
    assert len(found) > 10
    assert max(map(len, found)) <= LONGEST
    assert "".join("".join(found).split()) == "".join(text.split())
    assert pieces(" \n\n \n") == []
    assert pieces("One.\n\nTwo.") == ["One.\n\nTwo."]


def test_sentences() -> None:
    text = 'It is 1.5 mm, e.g. Here. Is it? "Yes." Then go on.\n- a list\n- of two'
    assert sentences(text) == [
        "It is 1.5 mm, e.g. Here.",
        "Is it?",
        '"Yes."',
        "Then go on.",
        "- a list",
        "- of two",
    ]


def test_control_codes_are_taken_out() -> None:
    assert cleaned("a\x1b[31mb\r\nc\td\x00\ud800") == "a [31mb\nc d  "
