"""What the check of a data set found, as an object, as JSON and as text for a person."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from anomalygpt.data.opening import LAYOUTS
from anomalygpt.data.samples import Finding, Sample
from anomalygpt.files import shown

SCHEMA_VERSION = 1

_MOST_PATHS = 3
_COLUMNS = {
    "train_good": "train good",
    "validation_good": "validation good",
    "test_good": "test good",
    "test_bad": "test bad",
    "with_mask": "with mask",
}
_RARE_COLUMNS = frozenset({"validation_good"})


@dataclass(frozen=True)
class CategoryCount:
    """How many photos a category has; `with_mask` counts those of defects with a mask."""

    category: str
    train_good: int
    validation_good: int
    test_good: int
    test_bad: int
    with_mask: int


@dataclass(frozen=True)
class CheckReport:
    """What a data set holds, and what is wrong with it.

    Attributes:
        root: its folder.
        layout: one of `LAYOUTS`.
        counts: photos per category, sorted; () for instruction data.
        dialogues: number of usable dialogues; None for photos of parts.
        findings: errors first.
    """

    root: Path
    layout: str
    counts: tuple[CategoryCount, ...]
    dialogues: int | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings spoil training or measuring."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many findings are worth knowing."""
        return len(self.findings) - self.errors

    @property
    def is_ready(self) -> bool:
        """Whether training can begin: there is no error."""
        return self.errors == 0

    def to_json(self) -> str:
        """One JSON object on one line; paths are relative to the root."""
        return json.dumps(
            {
                "schema_version": SCHEMA_VERSION,
                "root": str(self.root),
                "layout": self.layout,
                "categories": [asdict(count) for count in self.counts],
                "conversations": self.dialogues,
                "findings": [
                    {**asdict(finding), "path": self._relative(finding.path)}
                    for finding in self.findings
                ],
                "errors": self.errors,
                "warnings": self.warnings,
                "ready_for_training": self.is_ready,
            }
        )

    def to_text(self) -> str:
        """A table of what is there, the findings in groups, and the verdict in the last line."""
        parts = [f"{shown(self.root)}: {LAYOUTS[self.layout].title}", self._contents()]
        parts += grouped_texts(self.root, self.findings)
        return "\n\n".join([*parts, self.verdict()])

    def verdict(self) -> str:
        """One line, such as "ready for training: no (2 errors)"."""
        numbers = [
            f"{count} {word}{'s' * (count != 1)}"
            for count, word in ((self.errors, "error"), (self.warnings, "warning"))
            if count
        ]
        found = f" ({', '.join(numbers)})" if numbers else ""
        return f"ready for training: {'yes' if self.is_ready else 'no'}{found}"

    def _contents(self) -> str:
        if self.dialogues is not None:
            return f"{self.dialogues} dialogues"
        return _table(self.counts)

    def _relative(self, path: Path) -> str:
        return _relative(self.root, path)


def grouped_texts(root: Path, findings: Sequence[Finding]) -> list[str]:
    """Findings for a person: a text of some lines for each problem, with paths from `root` on."""
    return [_group_text(root, group) for group in _grouped(findings)]


def _group_text(root: Path, group: Sequence[Finding]) -> str:
    first = group[0]
    number = f" ({len(group)})" if len(group) > 1 else ""
    lines = [f"{first.severity}: {first.problem}{number}"]
    for finding in group[:_MOST_PATHS]:
        detail = f": {finding.detail}" if finding.detail else ""
        lines.append(f"    {shown(_relative(root, finding.path))}{detail}")
    if len(group) > _MOST_PATHS:
        lines.append(f"    … and {len(group) - _MOST_PATHS} more")
    return "\n".join([*lines, f"  what to do: {first.advice}"])


def _relative(root: Path, path: Path) -> str:
    folder = root if path != root else root.parent
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def count_samples(samples: Sequence[Sample]) -> tuple[CategoryCount, ...]:
    """Photos per category, sorted by name."""
    found = []
    for name in sorted({sample.category for sample in samples}):
        mine = [sample for sample in samples if sample.category == name]
        good = [sample.split for sample in mine if not sample.is_anomalous]
        bad = [sample for sample in mine if sample.is_anomalous]
        found.append(
            CategoryCount(
                category=name,
                train_good=good.count("train"),
                validation_good=good.count("validation"),
                test_good=good.count("test"),
                test_bad=len(bad),
                with_mask=sum(bool(sample.masks) for sample in bad),
            )
        )
    return tuple(found)


def _grouped(findings: Sequence[Finding]) -> list[list[Finding]]:
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        key = (finding.severity, finding.problem, finding.advice)
        groups.setdefault(key, []).append(finding)
    return list(groups.values())


def _table(counts: Sequence[CategoryCount]) -> str:
    columns = [
        name
        for name in _COLUMNS
        if name not in _RARE_COLUMNS or any(getattr(count, name) for count in counts)
    ]
    rows = [["category", *(_COLUMNS[name] for name in columns)]]
    rows += [
        [shown(count.category), *(str(getattr(count, name)) for name in columns)]
        for count in counts
    ]
    if len(counts) > 1:
        totals = [str(sum(getattr(count, name) for count in counts)) for name in columns]
        rows.append(["all", *totals])
    return table_text(rows)


def table_text(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Lines with aligned cells; the first row names the columns.

    Args:
        rows: cells, as many in each row.
        left: so many columns, from the first on, begin at their left side.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
