"""References of a category: encoded once, however many trials use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anomalygpt.errors import DataError, ImageError
from anomalygpt.evaluation.protocol import CategoryPlan, Trial
from anomalygpt.evaluation.settings import MapKind
from anomalygpt.model import AnomalyGPT
from anomalygpt.progress import with_bar
from anomalygpt.references.encoded import EncodedReference
from anomalygpt.references.library import FileBanks, add_to
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
        depths: Mapping[Path, int] | None = None,
    ) -> None:
        self.skipped: dict[str, str] = {}
        self._maps = maps
        self._files = FileBanks(
            assistant.library.in_memory(),
            rotations=rotations,
            flips=flips,
            fixed_pose=fixed_pose,
            depths=depths or {},
        )

    def sets(self, plan: CategoryPlan) -> list[ReferenceSet]:
        """The references of every trial.

        Raises:
            DataError: too few of a category's good photos can be read.
        """
        wanted = {
            (path, turns)
            for trial in plan.trials
            for path in trial.order[: trial.shots]
            for turns in self._turns(trial.shots).values()
        }
        # Many turns first: the photo as it is comes with them.
        ordered = sorted(wanted, key=lambda each: (-each[1], each[0]))
        for path, turns in with_bar(ordered, len(ordered), f"references of {plan.category}"):
            self._of(path, turns)
        return [self._set(plan.category, trial) for trial in plan.trials]

    def single(self, path: Path) -> ReferenceSet | None:
        """One reference, not kept; None where it cannot be read."""
        found = self._filled([path])
        self._files.library.forget()
        return found

    def _turns(self, shots: int) -> dict[MapKind, int]:
        """Turned copies of each reference, the photo itself included, for each map."""
        return {kind: self._files.turns(shots, kind) for kind in self._maps}

    def _set(self, category: str, trial: Trial) -> ReferenceSet:
        readable: list[Path] = []
        most = max(self._turns(trial.shots).values())
        for path in trial.order:
            if len(readable) == trial.shots:
                break
            if self._of(path, most) is not None:
                readable.append(path)
        if len(readable) < trial.shots:
            reasons = "; ".join(list(self.skipped.values())[:3])
            raise DataError(
                f"{category}: only {len(readable)} of its good photos can be read, {trial.shots} "
                f"references were asked for ({reasons}); mend them or ask for fewer"
            )
        found = self._filled(readable)
        assert found is not None
        return found

    def _filled(self, paths: Sequence[Path]) -> ReferenceSet | None:
        banks: dict[int, MemoryBank] = {}
        turns_of = self._turns(len(paths))
        own: list[EncodedReference] = []
        for turns in dict.fromkeys(turns_of.values()):
            bank = banks[turns] = self._files.library.new_bank(fixed_pose=self._files.fixed_pose)
            own = []
            for path in paths:
                found = self._of(path, turns)
                if found is None:
                    return None
                mark, reference = found
                add_to(bank, reference, str(path), mark)
                own.append(reference)
        names = [str(path) for path in paths]
        return ReferenceSet(names, {kind: banks[t] for kind, t in turns_of.items()}, own)

    def _of(self, path: Path, turns: int) -> tuple[str, EncodedReference] | None:
        """A reference, encoded once; None where it cannot be read."""
        if str(path) in self.skipped:
            return None
        try:
            return self._files.encoded(path, turns)
        except ImageError as error:
            self.skipped[str(path)] = str(error)
            return None
