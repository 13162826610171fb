"""The pages are true where a program can tell: links, options, and quoted messages.

`test_readme.py` parses whole commands of the pages in `docs`; here are anchors, pages in folders
below, commands that stand anywhere in a line, and the messages of `docs/troubleshooting.md`.
"""

from __future__ import annotations

import argparse
import ast
import re
import string
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from anomalygpt.cli.main import build_parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = ("anomalygpt", "decoder", "prompt_learner", "simulation")
# A placeholder of a message, in the source and on the page.
GAP = "…"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def outside_of_code(page: Path) -> str:
    """The page without its fenced blocks and inline code."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page: Path) -> set[str]:
    """What can follow "#" in a link to the page, as GitHub makes it from headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        kept = "".join(c for c in words if c.isalnum() or c in " -_")
        anchor, number = kept.replace(" ", "-"), 0
        while anchor in found:
            number += 1
            anchor = f"{kept.replace(' ', '-')}-{number}"
        found.add(anchor)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_anchors_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", outside_of_code(page)):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        wanted = page.parent / unquote(path) if path else page
        assert wanted.exists(), f"{name_of(page)} links to {target}"
        if anchor:
            assert anchor in anchors(wanted), f"{name_of(page)} links to {target}"


# --- commands ------------------------------------------------------------------------------------


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def calls(page: Path) -> list[list[str]]:
    """The words after `anomalygpt` in fenced blocks, up to the end of the command."""
    blocks = re.findall(
        r"^```\w*[^\n]*\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    start = r"(?:^|[\s/])anomalygpt[ ]+(?=[a-z-])"
    found = []
    for line in lines:
        if line.lstrip().startswith(("import ", "from ", "cd ", "sudo ", "journalctl ", "#")):
            continue
        parts = re.split(start, line)[1:]
        found += [re.split(r"[|;&>]|2>", part)[0].split() for part in parts]
    return found


def unknown_words(words: list[str]) -> list[str]:
    """The command, or options of it, that `build_parser` does not know."""
    parser = build_parser()
    while words and not words[0].startswith("-") and (known := subcommands(parser)):
        if words[0] not in known:
            return [words[0]]
        parser, words = known[words[0]], words[1:]
    given = [word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)]
    return [option for option in given if option not in parser._option_string_actions]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_are_known(page: Path) -> None:
    for words in calls(page):
        # What a program prints begins a line with its name and a version or an error.
        if words[0].startswith("-") or words[0] in subcommands(build_parser()):
            assert unknown_words(words) == [], f"{name_of(page)}: anomalygpt {' '.join(words)}"


def test_unknown_options_would_be_found() -> None:
    assert unknown_words(["inspect", "a.jpg", "--refrence", "b.jpg"]) == ["--refrence"]
    assert unknown_words(["data", "look", "DATA"]) == ["look"]
    assert len(calls(ROOT / "docs" / "web-app.md")) >= 4


# --- messages ------------------------------------------------------------------------------------


def literal(node: ast.AST) -> str | None:
    """A text of the source, with its placeholders as gaps; None for what is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(part) or GAP for part in node.values)
    return None


@cache
def texts_of_the_source() -> tuple[str, ...]:
    files = [path for folder in SOURCES for path in sorted((ROOT / folder).rglob("*.py"))]
    nodes = (node for path in files for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    return tuple(text for text in map(literal, nodes) if text)


def quoted() -> list[str]:
    """Inline code in the first column of the page's tables."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    cells = re.findall(r"^\| (.+?) \| .* \| .* \|$", page, re.MULTILINE)
    return [cell[1:-1] for cell in cells if cell.startswith("`") and cell.endswith("`")]


def occurs(message: str) -> bool:
    """Whether one text of the source has the message's literal parts, in their order."""
    parts = [part for part in message.split(GAP) if part.strip(string.punctuation + " ")]
    pattern = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
    return bool(parts) and any(pattern.search(text) for text in texts_of_the_source())


def test_the_page_quotes_messages() -> None:
    """Guards the next tests against a pattern that finds nothing."""
    assert len(quoted()) > 100
    assert not occurs("this … is said nowhere")


@pytest.mark.parametrize("message", quoted())
def test_quoted_messages_are_in_the_source(message: str) -> None:
    assert occurs(message)
