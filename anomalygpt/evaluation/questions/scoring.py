"""How many answers are right: by type, data set and product, against guessing, with intervals.

Intervals are of 95 %, by drawing photos anew (bootstrap): questions about one photo stand and fall
together. Photos are drawn within their data set. An answer that cannot be told counts as wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from anomalygpt.data.mmad import DETECTION, KINDS
from anomalygpt.evaluation.figures.image_figures import probability_figures

# Rounds of drawing, their seed, and what is cut off at either end.
ROUNDS, SEED, TAIL = 1000, 0, 0.025
POOLED = "all questions"

Figure: TypeAlias = "dict[str, Any]"
Figures: TypeAlias = "dict[str, Figure]"


@dataclass(frozen=True)
class Scored:
    """One question and how it went.

    Attributes:
        kind: the type that it counts for; `mmad.DETECTION` for every question of detection.
        is_right: the right option.
        is_unparsed: no option could be told; never right.
        options: how many there were.
        group: a further division; "" without one.
    """

    kind: str
    is_right: bool
    is_unparsed: bool
    options: int
    group: str = ""


@dataclass(frozen=True)
class ScoredPhoto:
    """One photo with all its questions.

    Attributes:
        data_set, category: such as "DS-MVTec" and "DS-MVTec/bottle".
        is_anomalous: whether the part has a defect.
        probability: P(anomaly), in [0, 1]; None where nobody knows.
        questions: how each went.
    """

    data_set: str
    category: str
    is_anomalous: bool
    probability: float | None
    questions: tuple[Scored, ...]


def score(photos: Sequence[ScoredPhoto]) -> dict[str, Any]:
    """All figures of a trial.

    Args:
        photos: in any order.

    Returns:
        {"data_sets": {name: figures}, "mean": figures, "pooled": figures, "categories": {name:
        figures without intervals}, "groups": {name: figure}}. Figures are by type, and "average",
        "overkill", "miss", "auroc", "ece"; each figure is {"value", "low", "high", "questions",
        "unparsed", "guessing"}, shares in [0, 1], None where undefined. Detection is the mean of
        good parts and of defective ones; "mean" weighs data sets alike, "pooled" photos.
    """
    names = list(dict.fromkeys(photo.data_set for photo in photos))
    kinds = _kinds(photos)
    chance = np.random.default_rng(SEED)
    tables = [
        _Table.of([photo for photo in photos if photo.data_set == name], kinds, chance)
        for name in names
    ]
    pooled = _Table.joined(tables)
    return {
        "data_sets": {name: table.figures() for name, table in zip(names, tables, strict=True)},
        "mean": _mean(tables),
        "pooled": pooled.figures(),
        "categories": {
            name: _Table.of(
                [photo for photo in photos if photo.category == name], kinds, None
            ).figures()
            for name in sorted({photo.category for photo in photos})
        },
        "groups": _groups(photos),
    }


def _kinds(photos: Sequence[ScoredPhoto]) -> list[str]:
    """All types, in the published order, unknown ones last."""
    found = dict.fromkeys(each.kind for photo in photos for each in photo.questions)
    return [kind for kind in KINDS if kind in found] + [kind for kind in found if kind not in KINDS]


@dataclass(frozen=True)
class _Table:
    """Counts of some photos, and of the same photos drawn anew.

    Attributes:
        photos: whom it counts.
        kinds: types of questions.
        weights: (rounds + 1, photos), how often each photo counts; the first row is all once.
    """

    photos: Sequence[ScoredPhoto]
    kinds: Sequence[str]
    weights: np.ndarray

    @classmethod
    def of(
        cls, photos: Sequence[ScoredPhoto], kinds: Sequence[str], chance: np.random.Generator | None
    ) -> _Table:
        """
        Args:
            photos: at least one.
            kinds: types of questions.
            chance: None draws nothing, and there are no intervals.
        """
        count = len(photos)
        once = np.ones((1, count))
        if chance is None:
            return cls(photos, kinds, once)
        drawn = chance.multinomial(count, np.full(count, 1 / count), size=ROUNDS)
        return cls(photos, kinds, np.vstack([once, drawn]))

    @classmethod
    def joined(cls, tables: Sequence[_Table]) -> _Table:
        """All data sets as one, drawn as they were."""
        photos = [photo for table in tables for photo in table.photos]
        return cls(photos, tables[0].kinds, np.hstack([table.weights for table in tables]))

    def figures(self) -> Figures:
        """What the photos give, by name."""
        return {name: _figure(each, *self.counts(name)) for name, each in self.values.items()}

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """(rounds + 1,) each: of the photos themselves first; NaN where undefined."""
        good = self._accuracy(DETECTION, lambda photo: not photo.is_anomalous)
        bad = self._accuracy(DETECTION, lambda photo: photo.is_anomalous)
        found = {
            kind: (good + bad) / 2 if kind == DETECTION else self._accuracy(kind)
            for kind in self.kinds
        }
        average = _nan_mean(list(found.values()))
        return {
            **found,
            "average": average,
            "overkill": 1 - good,
            "miss": 1 - bad,
            "auroc": self._auroc(),
            "ece": self._calibration(),
        }

    def _accuracy(
        self, kind: str, counts: Callable[[ScoredPhoto], bool] = lambda photo: True
    ) -> np.ndarray:
        asked, right = (
            np.array(
                [
                    sum(
                        each.kind == kind and (each.is_right or not only_right)
                        for each in photo.questions
                    )
                    if counts(photo)
                    else 0
                    for photo in self.photos
                ],
                float,
            )
            for only_right in (False, True)
        )
        total = self.weights @ asked
        return np.divide(
            self.weights @ right, total, out=np.full(len(total), np.nan), where=total > 0
        )

    def _known(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Probabilities, whether the part has a defect, and the weights of these photos."""
        known = [row for row, photo in enumerate(self.photos) if photo.probability is not None]
        values = np.array([self.photos[row].probability for row in known], float)
        damaged = np.array([self.photos[row].is_anomalous for row in known], bool)
        return values, damaged, self.weights[:, known]

    def _auroc(self) -> np.ndarray:
        """Share of pairs of a defective photo and a good one that P(anomaly) puts in order."""
        values, damaged, weights = self._known()
        if not len(values):
            return np.full(len(weights), np.nan)
        _, place = np.unique(values, return_inverse=True)
        bad, good = (np.zeros((len(weights), int(place.max()) + 1)) for _ in range(2))
        for row, (step, is_bad) in enumerate(zip(place, damaged, strict=True)):
            (bad if is_bad else good)[:, step] += weights[:, row]
        below = np.cumsum(good, axis=1) - good / 2
        pairs = bad.sum(axis=1) * good.sum(axis=1)
        return np.divide(
            (bad * below).sum(axis=1), pairs, out=np.full(len(pairs), np.nan), where=pairs > 0
        )

    def _calibration(self) -> np.ndarray:
        """Expected calibration error, of the photos themselves alone."""
        values, damaged, weights = self._known()
        found = np.full(len(weights), np.nan)
        if len(values):
            error = probability_figures(values, damaged)["ece"]
            found[0] = np.nan if error is None else error
        return found

    def counts(self, name: str) -> tuple[int, int, float | None]:
        """Questions, those without a letter, and the share that guessing gets right."""
        if name in ("overkill", "miss"):
            wanted = {"overkill": False, "miss": True}[name]
            questions = [
                each
                for photo in self.photos
                for each in photo.questions
                if each.kind == DETECTION and photo.is_anomalous == wanted
            ]
        elif name in ("auroc", "ece"):
            return sum(photo.probability is not None for photo in self.photos), 0, None
        else:
            questions = [
                each
                for photo in self.photos
                for each in photo.questions
                if name in ("average", each.kind)
            ]
        unparsed = sum(each.is_unparsed for each in questions)
        if name == "average":
            levels = [self.counts(kind)[2] for kind in self.kinds]
            known = [level for level in levels if level is not None]
            return len(questions), unparsed, sum(known) / len(known) if known else None
        if name in ("overkill", "miss"):
            return len(questions), unparsed, None
        chances = [1 / each.options for each in questions]
        return len(questions), unparsed, sum(chances) / len(chances) if chances else None


def _mean(tables: Sequence[_Table]) -> Figures:
    """Each data set the same, in every round."""
    values = [table.values for table in tables]
    found = {}
    for name in values[0]:
        counts = [table.counts(name) for table in tables]
        levels = [level for _, _, level in counts if level is not None]
        found[name] = _figure(
            _nan_mean([each[name] for each in values]),
            sum(each[0] for each in counts),
            sum(each[1] for each in counts),
            sum(levels) / len(levels) if levels else None,
        )
    return found


def _groups(photos: Sequence[ScoredPhoto]) -> Figures:
    """Accuracy by a further division, all photos pooled."""
    names = dict.fromkeys(each.group for photo in photos for each in photo.questions if each.group)
    found = {}
    for name in names:
        own = [
            ScoredPhoto(
                photo.data_set,
                photo.category,
                photo.is_anomalous,
                None,
                tuple(
                    Scored(name, each.is_right, each.is_unparsed, each.options)
                    for each in photo.questions
                    if each.group == name
                ),
            )
            for photo in photos
        ]
        table = _Table.of(own, [name], np.random.default_rng(SEED))
        found[name] = table.figures()[name]
    return found


def _figure(values: np.ndarray, questions: int, unparsed: int, guessing: float | None) -> Figure:
    drawn = values[1:][~np.isnan(values[1:])]
    low, high = np.quantile(drawn, (TAIL, 1 - TAIL)) if len(drawn) else (np.nan, np.nan)
    return {
        "value": _number(values[0]),
        "low": _number(low),
        "high": _number(high),
        "questions": questions,
        "unparsed": unparsed,
        "guessing": guessing,
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _nan_mean(rows: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of what is defined, NaN where nothing is."""
    values = np.array(rows)
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def percent(figure: Mapping[str, Any], *, interval: bool = True) -> str:
    """A figure for a table, such as "71.4 (63.0–79.1)"; "–" where it is undefined."""
    if figure["value"] is None:
        return "–"
    shown = f"{100 * figure['value']:.1f}"
    if not interval or figure["low"] is None:
        return shown
    return f"{shown} ({100 * figure['low']:.1f}–{100 * figure['high']:.1f})"
