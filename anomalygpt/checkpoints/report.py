"""What happened to every tensor of a weight file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from anomalygpt.errors import CheckpointError

SHOWN_NAMES = 8


class Mismatch(NamedTuple):
    """A tensor that has another shape than the model needs."""

    name: str
    expected: tuple[int, ...]
    found: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} needs {self.expected}, has {self.found}"


def elide(names: Sequence[object], shown: int = SHOWN_NAMES) -> str:
    """The first few names, and how many follow."""
    text = ", ".join(str(name) for name in names[:shown])
    return f"{text} and {len(names) - shown} more" if len(names) > shown else text


@dataclass
class LoadReport:
    """The fate of every tensor: nothing is dropped without a word.

    Attributes:
        loaded: names that went into the model.
        missing: names that the model needs and the file lacks.
        unexpected: names in the file that nothing here knows.
        mismatched: names whose shape is not the model's.
        skipped: known names that are left out on purpose, with the reason.
        notes: further remarks for a person, such as which of two files won.
    """

    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[Mismatch] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True when nothing is missing, unknown or misshaped."""
        return not (self.missing or self.unexpected or self.mismatched)

    def merge(self, other: LoadReport, prefix: str = "") -> None:
        """Add the findings of `other`, its names preceded by `prefix`."""
        self.loaded += [prefix + name for name in other.loaded]
        self.missing += [prefix + name for name in other.missing]
        self.unexpected += [prefix + name for name in other.unexpected]
        self.mismatched += [item._replace(name=prefix + item.name) for item in other.mismatched]
        self.skipped |= {prefix + name: reason for name, reason in other.skipped.items()}
        self.notes += other.notes

    def raise_if_bad(self, source: object, allow_unknown: bool = False) -> None:
        """Refuse weights that are not the ones the model needs.

        Args:
            source: the file or folder the weights came from, for the message.
            allow_unknown: unknown names are left out and stay in the report.

        Raises:
            CheckpointError: something is missing, misshaped or, unless allowed, unknown.
        """
        problems = []
        if self.missing:
            problems.append(f"{len(self.missing)} missing ({elide(self.missing)})")
        if self.mismatched:
            problems.append(f"{len(self.mismatched)} misshaped ({elide(self.mismatched)})")
        if self.unexpected and not allow_unknown:
            problems.append(f"{len(self.unexpected)} unknown ({elide(self.unexpected)})")
        if not problems:
            return
        if self.missing or self.mismatched:
            advice = "check that this is the file for this model"
        else:
            advice = "check the file, or allow unknown tensors to leave these out"
        raise CheckpointError(f"{source}: {'; '.join(problems)}; {advice}")

    def summary(self) -> str:
        """A few lines for a person."""
        lines = [f"{len(self.loaded)} tensors loaded"]
        reasons: dict[str, int] = {}
        for reason in self.skipped.values():
            reasons[reason] = reasons.get(reason, 0) + 1
        lines += [f"{count} skipped: {reason}" for reason, count in reasons.items()]
        for label, names in (
            ("missing", self.missing),
            ("misshaped", self.mismatched),
            ("unknown, left out", self.unexpected),
        ):
            if names:
                lines.append(f"{len(names)} {label}: {elide(names)}")
        return "\n".join(lines + self.notes)
