"""docs/architecture.md and docs/glossary.md name what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text(encoding="utf-8")
PACKAGES = ("anomalygpt", "decoder", "prompt_learner", "simulation")
# A person's own name for something new.
PLACEHOLDER = "NAME"


def named() -> list[str]:
    """What stands in backticks, outside of the picture."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))


def test_every_room_has_its_line() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (\S.*) \|$", TEXT, re.MULTILINE)
    rooms = {name for name, _ in rows}
    there = {
        path.parent.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    assert len(rooms) == len(rows)
    assert rooms == (there - {"anomalygpt"}) | {"anomalygpt/weights", "scripts", "tests"}


def test_the_modules_that_lie_in_no_room_are_named() -> None:
    text = TEXT[TEXT.index("Modules directly in") : TEXT.index("| room |")]
    loose = {path.stem for path in (ROOT / "anomalygpt").glob("[!_]*.py")}
    assert set(re.findall(r"`(\w+)`", text)) == loose


@pytest.mark.parametrize("path", sorted({n for n in named() if "/" in n and " " not in n}))
def test_every_file_is_there(path: str) -> None:
    """But the new one, whose folder is."""
    place = ROOT / path
    place = place.parent if PLACEHOLDER in place.name else place
    assert place.exists() or (ROOT / "anomalygpt" / path).exists(), path


def test_what_is_called_by_name_is_in_the_code() -> None:
    pages = TEXT + (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    sources = "".join(
        path.read_text(encoding="utf-8")
        for folder in (*PACKAGES, "tests")
        for path in (ROOT / folder).rglob("*.py")
    )
    # Names of classes, functions and constants; words in small letters may be anything.
    for name in set(re.findall(r"`(\w*(?:[a-z][A-Z]|_)\w*)(?:\([^`]*\))?`", pages)):
        assert re.search(rf"\b{name}\b", sources), f"`{name}` is nowhere in the code"
