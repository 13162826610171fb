"""How well questions find what a knowledge file tells about products.

    python scripts/measure_knowledge.py domain_knowledge.json

The file has MMAD's shape: data sets of products of kinds of damage. The questions are those of
`chats.product_questions`; each asks for one product and kind, and for some nothing is known.
`--list choosing --failures` shows what may be looked at; nobody looks at those that are reported.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anomalygpt.errors import DataError
from anomalygpt.knowledge.store import NOTHING, Found, Knowledge, quoted
from chats.product_questions import CHOOSING, REPORTED, UNCOVERED_CHOOSING, UNCOVERED_REPORTED

AMONG = 3


@dataclass(frozen=True)
class Figures:
    """How many questions of a list ended well.

    Attributes:
        first, among: of `questions`, the right passage first, and among three.
        cited: of `questions` that found something, answers that quote a passage and its source.
        declined: of `uncovered`, answered with nothing.
        failures: one line for each that did not.
    """

    questions: int
    first: int
    among: int
    found: int
    cited: int
    uncovered: int
    declined: int
    failures: tuple[str, ...]

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"right passage first: {_share(self.first, self.questions)}",
            f"right passage among {AMONG}: {_share(self.among, self.questions)}",
            f"answers that quote their source: {_share(self.cited, self.found)}",
            f"nothing known, and said so: {_share(self.declined, self.uncovered)}",
        ]


def measured(file: Path, covered: Sequence[tuple[str, str]], uncovered: Sequence[str]) -> Figures:
    """Ask all questions.

    Args:
        file: a knowledge file.
        covered: "product/kind" and a question that it answers.
        uncovered: questions that nothing answers.

    Raises:
        DataError: the file lacks something that a question asks for.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(file, Path(folder, file.name))
        knowledge = Knowledge.open(folder)
    _check(knowledge, covered)
    first = among = answered = cited = declined = 0
    failures = []
    for wanted, question in covered:
        found = knowledge.search(question, limit=AMONG)
        keys = [f"{each.passage.product}/{each.passage.kind}" for each in found]
        first += keys[:1] == [wanted]
        among += wanted in keys
        answered += bool(found)
        cited += bool(found) and _quotes(found)
        if keys[:1] != [wanted]:
            failures.append(f"{question} -> {keys}, not {wanted}")
    for question in uncovered:
        found = knowledge.search(question, limit=AMONG)
        declined += quoted(found) == NOTHING
        failures += [f"{question} -> {found[0].passage.source}"] if found else []
    return Figures(
        len(covered), first, among, answered, cited, len(uncovered), declined, tuple(failures)
    )


def _check(knowledge: Knowledge, covered: Sequence[tuple[str, str]]) -> None:
    there = {f"{each.product}/{each.kind}" for each in knowledge.passages}
    missing = sorted({key for key, _ in covered} - there)
    if missing:
        raise DataError(f"the file lacks {', '.join(missing[:3])}; give the published one")


def _quotes(found: Sequence[Found]) -> bool:
    """Whether the answer is the passage's own words, followed by where they stand."""
    answer = quoted(found[:1])
    words, _, source = answer.rpartition("” (")
    whole = " ".join(found[0].passage.text.split())
    parts = [part.strip() for part in words.removeprefix("“").split("…")]
    return all(part in whole for part in parts) and source == f"{found[0].passage.source})"


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / max(whole, 1):.1f} %)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one list, and print its figures."""
    parser = argparse.ArgumentParser(description="How well questions find what a file tells.")
    parser.add_argument("file", type=Path, help="MMAD's domain_knowledge.json")
    parser.add_argument("--list", choices=["choosing", "reported"], default="reported")
    parser.add_argument("--failures", action="store_true", help="of the list to choose by")
    options = parser.parse_args(arguments)
    if options.list == "choosing":
        figures = measured(options.file, CHOOSING, UNCOVERED_CHOOSING)
    else:
        figures = measured(options.file, REPORTED, UNCOVERED_REPORTED)
    print("\n".join(figures.lines()))
    if options.failures and options.list == "choosing":
        print("\n".join(figures.failures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
