"""What the doctor has found: facts, doubts and faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FINE, DOUBTFUL, BROKEN = 0, 1, 2

_GB = 1e9


@dataclass
class Findings:
    """What was found, as plain JSON values, and what is wrong with it.

    Attributes:
        sections: facts under their headings.
        doubts: what may get in the way, each with what to do.
        faults: what makes answers impossible or wrong, each with what to do.
    """

    sections: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        """0 fine, 1 doubtful, 2 broken."""
        return BROKEN if self.faults else DOUBTFUL if self.doubts else FINE

    def to_dict(self) -> dict[str, Any]:
        """All of it, with the exit status, as plain JSON values."""
        return {
            "status": self.status,
            **self.sections,
            "doubts": self.doubts,
            "faults": self.faults,
        }


def free_of(values: Mapping[str, Any]) -> str:
    total, free = values["memory_bytes"], values["memory_free_bytes"]
    if total is None:
        return "unknown"
    return f"{gigabytes(free)} of {gigabytes(total)} free"


def gigabytes(count: int) -> str:
    return f"{count / _GB:.1f} GB" if count >= _GB / 10 else f"{count / 1e6:.0f} MB"


def one_line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__
