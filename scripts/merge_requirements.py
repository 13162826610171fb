"""Merge lists of exact versions, one for each Python, into one list with markers.

    python scripts/merge_requirements.py 3.10.txt 3.11.txt … > oldest.txt

The name of a file is the version of Python that its lines `name==version` are for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def merge(lists: Mapping[str, Sequence[str]]) -> list[str]:
    """Lines for all Pythons together.

    Args:
        lists: of each version of Python, oldest first, its lines `name==version`.

    Returns:
        One line for each name and version, without a marker where all Pythons have it, sorted.
    """
    users: dict[str, list[str]] = {}
    for python, lines in lists.items():
        for line in lines:
            users.setdefault(line, []).append(python)
    return sorted(
        line if len(pythons) == len(lists) else f"{line} ; {_marker(pythons)}"
        for line, pythons in users.items()
    )


def _marker(pythons: Sequence[str]) -> str:
    return " or ".join(f"python_version == '{python}'" for python in pythons)


def main(paths: Sequence[str]) -> None:
    """Read the files and print what they are together."""
    read = {Path(path).stem: Path(path).read_text(encoding="utf-8").split("\n") for path in paths}
    lists = {python: [line for line in lines if "==" in line] for python, lines in read.items()}
    print("\n".join(merge(lists)))


if __name__ == "__main__":
    main(sys.argv[1:])
