"""The figures of an evaluation, by the names that they have in every result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Figures: TypeAlias = "dict[str, float | None]"


@dataclass(frozen=True)
class Figure:
    """What a figure is called and which way is better.

    Attributes:
        title: for tables.
        better: "higher" or "lower".
        meaning: one sentence for a reader who does not know it.
        of: what it judges: the score of a photo, the pixels of its map, or the verdict. It
            decides in which table it is shown.
    """

    title: str
    better: Literal["higher", "lower"]
    meaning: str
    of: Literal["score", "pixels", "verdict"]


FIGURES: dict[str, Figure] = {
    "image_auroc": Figure(
        "image AUROC",
        "higher",
        "chance that a photo with a defect has a higher score than a good one",
        "score",
    ),
    "image_ap": Figure(
        "image AP",
        "higher",
        "area under precision over recall of the photos with defects",
        "score",
    ),
    "image_f1_max": Figure(
        "image F1-max",
        "higher",
        "best F1 that any threshold on the score could reach",
        "score",
    ),
    "pixel_auroc": Figure(
        "pixel AUROC",
        "higher",
        "chance that a defect pixel has a higher map value than a good one",
        "pixels",
    ),
    "pixel_ap": Figure(
        "pixel AP",
        "higher",
        "area under precision over recall of the defect pixels",
        "pixels",
    ),
    "pixel_f1_max": Figure(
        "pixel F1-max",
        "higher",
        "best F1 that any threshold on the map could reach",
        "pixels",
    ),
    "aupro": Figure(
        "AUPRO",
        "higher",
        "mean share of each defect that is covered, over false-positive rates from 0 to 0.3",
        "pixels",
    ),
    "aupro_05": Figure(
        "AUPRO 0.05", "higher", "the same over false-positive rates from 0 to 0.05", "pixels"
    ),
    "accuracy": Figure("accuracy", "higher", "share of photos with the right yes or no", "verdict"),
    "overkill": Figure(
        "overkill", "lower", "share of good photos that were called defective", "verdict"
    ),
    "miss_rate": Figure(
        "miss rate", "lower", "share of photos with defects that were called good", "verdict"
    ),
    "oracle_accuracy": Figure(
        "oracle accuracy",
        "higher",
        "accuracy of the best threshold on the score, chosen with the test labels; nobody has it "
        "in use",
        "verdict",
    ),
    "probability_auroc": Figure(
        "P(anomaly) AUROC",
        "higher",
        "image AUROC of the assistant's probability, not of the map",
        "verdict",
    ),
    "ece": Figure(
        "ECE",
        "lower",
        "expected calibration error of P(anomaly): mean distance between what it says and how "
        "often it is so, in 15 bins",
        "verdict",
    ),
    "sure_share": Figure(
        "sure share",
        "higher",
        "share of photos that need no person, if those with the most even odds go to one until "
        "95 % of the other verdicts are right; the limit is chosen with the test labels",
        "verdict",
    ),
    "place_precision": Figure(
        "places right",
        "higher",
        "share of the named cells of the 3×3 grid that hold defect pixels",
        "verdict",
    ),
    "place_recall": Figure(
        "defects named",
        "higher",
        "share of the defects whose cell of the 3×3 grid is named",
        "verdict",
    ),
}


def figures_of(*judged: str) -> tuple[str, ...]:
    """Names of the figures that judge the score, the pixels or the verdict, in order."""
    return tuple(name for name, figure in FIGURES.items() if figure.of in judged)


PIXEL_FIGURES = figures_of("pixels")
