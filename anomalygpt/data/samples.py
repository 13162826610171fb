"""What a data set is once it is opened: photos with their labels, still as paths."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

Split: TypeAlias = Literal["train", "validation", "test"]
Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True)
class Sample:
    """One photo and what is known about it.

    Attributes:
        image: the photo.
        category: which product it shows, such as "bottle".
        split: what the photo may be used for.
        is_anomalous: whether the part on it has a defect.
        kind: folder of the defect, such as "crack"; None for good parts.
        masks: files that show where the defects are, all of them together; () where there is none.
        reference: the photo's own good photo, in the layout of pairs.
    """

    image: Path
    category: str
    split: Split
    is_anomalous: bool
    kind: str | None = None
    masks: tuple[Path, ...] = ()
    reference: Path | None = None


@dataclass(frozen=True)
class Finding:
    """Something in a data set that somebody should look at.

    Attributes:
        severity: "error" spoils training or measuring; "warning" is worth knowing.
        path: the file or folder it is about.
        problem: what is wrong, the same words for all files with this problem.
        advice: what to do about it, likewise.
        detail: what is special about this file; may be empty.
    """

    severity: Severity
    path: Path
    problem: str
    advice: str
    detail: str = ""


@dataclass(frozen=True)
class InspectionData:
    """A data set of labelled photos; only paths, nothing is decoded.

    Attributes:
        root: its folder.
        layout: one of `constants.LAYOUT_NAMES`.
        samples: all photos, by category and split, in the order of their names.
        left_out: what does not fit the layout.
    """

    root: Path
    layout: str
    samples: tuple[Sample, ...]
    left_out: tuple[Finding, ...] = ()

    @property
    def categories(self) -> list[str]:
        """Names of the products, sorted."""
        return sorted({sample.category for sample in self.samples})

    def select(
        self,
        category: str | None = None,
        split: Split | None = None,
        is_anomalous: bool | None = None,
    ) -> list[Sample]:
        """Samples that agree with everything given; None leaves a choice open."""
        return [
            sample
            for sample in self.samples
            if category in (None, sample.category)
            and split in (None, sample.split)
            and is_anomalous in (None, sample.is_anomalous)
        ]


@dataclass
class Reading:
    """What the reader of a layout saw.

    Attributes:
        categories: names of all products in the folder, wanted or not.
        samples: the photos of the wanted ones.
        findings: what does not fit the layout; an error among them means an incomplete data set.
    """

    categories: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
