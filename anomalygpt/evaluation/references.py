"""References of a category: encoded once, however many trials use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anomalygpt.errors import DataError, ImageError
from anomalygpt.evaluation.protocol import CategoryPlan, Trial
from anomalygpt.model import AnomalyGPT, ReferenceViews
from anomalygpt.progress import with_bar
from decoder import MemoryBank


@dataclass(frozen=True)
class ReferenceSet:
    """The references of one trial.

    Attributes:
        bank: what photos are compared with; empty without references.
        views: what each reference gave, in the order of the bank's names.
    """

    bank: MemoryBank
    views: Sequence[ReferenceViews]


class References:
    """Encoded references by path; those that cannot be read give way to the next of their order.

    Attributes:
        skipped: references that could not be read, with the reason.
    """

    def __init__(self, assistant: AnomalyGPT, rotations: int, flips: bool) -> None:
        self.skipped: dict[str, str] = {}
        self._assistant = assistant
        self._rotations = rotations
        self._flips = flips
        self._views: dict[Path, ReferenceViews | None] = {}

    def sets(self, plan: CategoryPlan) -> list[ReferenceSet]:
        """The references of every trial.

        Raises:
            DataError: too few of a category's good photos can be read.
        """
        wanted = list(dict.fromkeys(p for trial in plan.trials for p in trial.order[: trial.shots]))
        for path in with_bar(wanted, len(wanted), f"references of {plan.category}"):
            self._of(path)
        return [self._set(plan.category, trial) for trial in plan.trials]

    def single(self, path: Path) -> ReferenceSet | None:
        """One reference, not kept; None where it cannot be read."""
        views = self._read(path)
        return None if views is None else self._filled([(path, views)])

    def _set(self, category: str, trial: Trial) -> ReferenceSet:
        found: list[tuple[Path, ReferenceViews]] = []
        for path in trial.order:
            if len(found) == trial.shots:
                break
            views = self._of(path)
            if views is not None:
                found.append((path, views))
        if len(found) < trial.shots:
            reasons = "; ".join(list(self.skipped.values())[:3])
            raise DataError(
                f"{category}: only {len(found)} of its good photos can be read, {trial.shots} "
                f"references were asked for ({reasons}); mend them or ask for fewer"
            )
        return self._filled(found)

    def _filled(self, found: Sequence[tuple[Path, ReferenceViews]]) -> ReferenceSet:
        bank = MemoryBank(self._assistant.encoder_id)
        for path, (views, varied) in found:
            bank.add(views, name=str(path), varied=varied)
        return ReferenceSet(bank, [views for _, views in found])

    def _of(self, path: Path) -> ReferenceViews | None:
        if path not in self._views:
            self._views[path] = self._read(path)
        return self._views[path]

    def _read(self, path: Path) -> ReferenceViews | None:
        try:
            return self._assistant.reference_views(path, self._rotations, self._flips)
        except ImageError as error:
            self.skipped[str(path)] = str(error)
            return None
