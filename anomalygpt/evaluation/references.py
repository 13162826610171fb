"""References of a category: encoded once, however many trials use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anomalygpt.errors import DataError, ImageError
from anomalygpt.evaluation.protocol import CategoryPlan, Trial
from anomalygpt.evaluation.settings import MapKind
from anomalygpt.images.detail import Detail
from anomalygpt.model import AnomalyGPT
from anomalygpt.progress import with_bar
from anomalygpt.references.banks import FileBanks
from anomalygpt.references.encoded import EncodedReference
from anomalygpt.references.filling import Named, fill
from decoder import MemoryBank


@dataclass(frozen=True)
class ReferenceSet:
    """The references of one trial.

    Attributes:
        names: files of the references; () without any.
        banks: what photos are compared with, by formulation of the map: they keep other numbers of
            turned copies.
        encoded: what each reference gave.
    """

    names: Sequence[str]
    banks: Mapping[MapKind, MemoryBank]
    encoded: Sequence[EncodedReference]


class References:
    """Encoded references by path; those that cannot be read give way to the next of their order.

    Attributes:
        skipped: references that could not be read, with the reason.
    """

    def __init__(
        self,
        assistant: AnomalyGPT,
        maps: Sequence[MapKind],
        *,
        rotations: int | None,
        flips: bool,
        fixed_pose: bool = False,
        detail: Detail = "auto",
        depths: Mapping[Path, int] | None = None,
    ) -> None:
        self.skipped: dict[str, str] = {}
        self._maps = maps
        self._files = FileBanks(
            assistant.library.in_memory(),
            rotations=rotations,
            flips=flips,
            fixed_pose=fixed_pose,
            detail=detail if "normalised" in maps else "whole",
            depths=depths or {},
        )

    def sets(self, plan: CategoryPlan) -> list[ReferenceSet]:
        """The references of every trial.

        Raises:
            DataError: too few of a category's good photos can be read.
        """
        wanted = {
            (path, self._turns(trial.shots), number)
            for trial in plan.trials
            for number, path in enumerate(trial.order[: trial.shots])
        }
        # Many turns first: the photo as it is comes with them.
        ordered = sorted(wanted, key=lambda each: (-each[1], each[2], each[0]))
        for path, turns, number in with_bar(
            ordered, len(ordered), f"references of {plan.category}"
        ):
            self._of(path, turns, number)
        # Those that lie freely are turned here.
        trials = with_bar(plan.trials, len(plan.trials), f"trials of {plan.category}")
        return [self._set(plan.category, trial) for trial in trials]

    def single(self, path: Path) -> ReferenceSet | None:
        """One reference, not kept; None where it cannot be read."""
        found = None if self._of(path, self._turns(1)) is None else self._filled([path])
        self._files.library.forget()
        return found

    def _turns(self, shots: int) -> int:
        """Most turned copies of each reference, the photo itself included, as far as their number
        tells."""
        return max(self._files.turns(shots, kind) for kind in self._maps)

    def _set(self, category: str, trial: Trial) -> ReferenceSet:
        readable: list[Path] = []
        most = self._turns(trial.shots)
        for path in trial.order:
            if len(readable) == trial.shots:
                break
            if self._of(path, most, len(readable)) is not None:
                readable.append(path)
        if len(readable) < trial.shots:
            reasons = "; ".join(list(self.skipped.values())[:3])
            raise DataError(
                f"{category}: only {len(readable)} of its good photos can be read, {trial.shots} "
                f"references were asked for ({reasons}); mend them or ask for fewer"
            )
        return self._filled(readable)

    def _filled(self, paths: Sequence[Path]) -> ReferenceSet:
        made: dict[int, MemoryBank] = {}
        banks: dict[MapKind, MemoryBank] = {}
        turns = 1

        def read(turns: int) -> list[Named]:
            return [
                (str(path), *self._files.encoded(path, turns, number))
                for number, path in enumerate(paths)
            ]

        for kind in self._maps:
            bank = self._files.new_bank()
            turns = fill(bank, read, len(paths), kind, self._files.rotations) if paths else 1
            banks[kind] = made.setdefault(turns, bank)
        own = [each[2] for each in read(turns)]
        return ReferenceSet([str(path) for path in paths], banks, own)

    def _of(self, path: Path, turns: int, number: int = 0) -> tuple[str, EncodedReference] | None:
        """Reference `number` of a bank, encoded once; None where it cannot be read."""
        if str(path) in self.skipped:
            return None
        try:
            return self._files.encoded(path, turns, number)
        except ImageError as error:
            self.skipped[str(path)] = str(error)
            return None
