"""One line about a run of the tests: versions, how many passed and failed, the first failure.

    python scripts/table_of_tests.py newest results.xml

The second argument is what `pytest --junitxml` wrote. Versions are those of the Python that runs.
"""

from __future__ import annotations

import platform
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

_SHOWN = ("torch", "transformers", "peft", "gradio", "timm", "numpy")


def table(versions: str, results: Path) -> str:
    """The run as a table in Markdown.

    Args:
        versions: what they are called, "newest" or "oldest".
        results: a JUnit file.
    """
    cases = list(ET.parse(results).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None]
    failed += [case for case in cases if case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in _SHOWN)
    first = f"{failed[0].get('classname')}::{failed[0].get('name')}" if failed else "none"
    passed = len(cases) - len(failed) - skipped
    return (
        "| version | passed | failed | skipped | first failure |\n|---|---|---|---|---|\n"
        f"| {versions}, Python {platform.python_version()}: {packages} "
        f"| {passed} | {len(failed)} | {skipped} | {first} |"
    )


def main(arguments: Sequence[str]) -> None:
    """Print the table of a run."""
    versions, results = arguments
    print(table(versions, Path(results)))


if __name__ == "__main__":
    main(sys.argv[1:])
