"""A passage of what is known about products, and how texts are cut into passages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Letters of a passage; longer ones are cut between paragraphs, and those between sentences.
LONGEST = 1600

_SENTENCE_ENDS = re.compile(
    r"(?:(?<=[.!?])|(?<=[.!?][\"”’)]))(?<![\s(]e\.g\.)(?<![\s(]i\.e\.)(?<!approx\.)(?<!\bNo\.)"
    r"(?<!\bFig\.)\s+(?=[^a-z])|(?<=[。！？])|\n+"
)
_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*\s*$")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_PRODUCT = re.compile(r"\s*(?:[*_]{2})?product(?:[*_]{2})?\s*:(?:[*_]{2})?\s*(\S.*?)\s*$", re.I)
# Lines at the beginning of a text among which its product may be named.
_FIRST_LINES = 10


# Files and first headings of this name are about no product.
_GENERAL = frozenset(
    {"handbook", "manual", "guide", "notes", "readme", "general", "overview", "index", "glossary"}
    | {"faq", "instructions", "procedures", "inspection", "quality", "knowledge", "defects"}
)


@dataclass(frozen=True)
class Passage:
    """A piece of knowledge, in the words of whoever wrote it.

    Attributes:
        text: one or more paragraphs, without control codes.
        product: what it is about, as its file calls it; None where it is about products in general.
        kind: the kind of damage or the headings above it; None where there are none.
        source: for people: the file below the folder, and the heading, page or key in it.
        title: a heading that stood inside of the text.
    """

    text: str
    product: str | None
    kind: str | None
    source: str
    title: str = ""


@dataclass(frozen=True)
class Found:
    """A passage that a question found.

    Attributes:
        passage: the whole passage.
        score: how well it fits; higher is better, and comparable within one search only.
        excerpt: those of its sentences that fit the question best, in their order, with "…" where
            some were left out; all of it where it is short.
    """

    passage: Passage
    score: float
    excerpt: str = ""


def cleaned(text: str) -> str:
    """Text with its lines, and without control codes, which could be commands to a terminal."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")
    return "\n".join(
        line if line.isprintable() else "".join(c if c.isprintable() else " " for c in line)
        for line in text.split("\n")
    )


def one_line(text: str) -> str:
    """A name or heading without line breaks and control codes."""
    return " ".join(cleaned(text).split())


def sentences(text: str) -> list[str]:
    """The sentences and list items of a text, without empty ones."""
    return [part.strip() for part in _SENTENCE_ENDS.split(text) if part and part.strip()]


def pieces(text: str) -> list[str]:
    """A text cut between paragraphs, where a paragraph is too long between sentences, and where a
    sentence is, anywhere; no piece has more than `LONGEST` letters."""
    found: list[str] = []
    for unit, joint in _units(text):
        if found and len(found[-1]) + len(joint) + len(unit) <= LONGEST:
            found[-1] += joint + unit
        else:
            found.append(unit)
    return found


def _units(text: str) -> Iterator[tuple[str, str]]:
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.strip()
        if lines and len(lines) <= LONGEST:
            yield lines, "\n\n"
            continue
        for number, sentence in enumerate(sentences(lines)):
            for start in range(0, len(sentence), LONGEST):
                yield sentence[start : start + LONGEST], " " if number or start else "\n\n"


def of_text(text: str, product: str | None, place: str) -> list[Passage]:
    """Passages of plain text: its paragraphs.

    Args:
        text: a whole file or page.
        product: what it is about, unless one of its first lines says "Product: NAME".
        place: the file, and the page, as the source.
    """
    named, text = _product_line(cleaned(text))
    return [Passage(piece, named or product, None, place) for piece in pieces(text)]


def of_markdown(text: str, product: str | None, place: str, stem: str) -> list[Passage]:
    """Passages of markdown: what stands under each heading, with the headings above it.

    Args:
        text: a whole file.
        product: what it is about; None takes a first heading that is the file's name, or a line
            "Product: NAME".
        place: the file, as the source.
        stem: the file's name without its suffix.
    """
    named, text = _product_line(cleaned(text))
    product = named or product
    found: list[Passage] = []
    for headings, body in _sections(text):
        is_product = product is not None or _letters(stem) not in _GENERAL
        if headings and is_product and _letters(headings[0]) == _letters(product or stem):
            product, headings = product or headings[0], headings[1:]
        kind = " / ".join(headings) or None
        source = f"{place}, {' / '.join(headings)}" if headings else place
        found += [Passage(piece, product, kind, source) for piece in pieces(body)]
    return found


def _sections(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Headings above, from the largest on, and the text below the last of them."""
    above: list[tuple[int, str]] = []
    lines: list[str] = []
    in_code = False
    for line in text.split("\n"):
        in_code ^= bool(_FENCE.match(line))
        heading = None if in_code else _HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        yield tuple(name for _, name in above), "\n".join(lines)
        depth, lines = len(heading[1]), []
        above = [*((level, name) for level, name in above if level < depth), (depth, heading[2])]
    yield tuple(name for _, name in above), "\n".join(lines)


def _product_line(text: str) -> tuple[str | None, str]:
    """The product that one of the first lines names, and the text without that line."""
    lines = text.split("\n")
    for number, line in enumerate(lines[:_FIRST_LINES]):
        if named := _PRODUCT.match(line):
            return named[1].strip("*_ "), "\n".join([*lines[:number], *lines[number + 1 :]])
    return None, text


def _letters(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


# MMAD writes "<Title>", a line break and "Description: …", sometimes several of them in one text.
_TITLED = re.compile(r"^\s*<([^<>\n]{1,120})>\s*$", re.MULTILINE)
_LABEL = re.compile(r"^\s*Description:\s*")


def of_entry(text: str, product: str | None, kind: str | None, source: str) -> list[Passage]:
    """Passages of one text in a JSON file; titles in angle brackets begin new ones."""
    parts = _TITLED.split(cleaned(text))
    found: list[Passage] = []
    for title, body in [("", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]:
        texts = pieces(_LABEL.sub("", body))
        found += [Passage(each, product, kind, source, title.strip()) for each in texts]
    return found
