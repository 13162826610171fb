"""What papers report on the same data, and how a data set is recognised as that data.

The figures are percentages. Each was found in the paper's abstract or in a text that repeats its
table, as noted beside them; the papers' own tables could not be opened where this was written.
What could not be found is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

MVTEC, VISA = "MVTec AD", "VisA"

_CATEGORIES = {
    MVTEC: frozenset(
        (
            *("bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut"),
            *("pill", "screw", "tile", "toothbrush", "transistor", "wood", "zipper"),
        )
    ),
    VISA: frozenset(
        (
            *("candle", "capsules", "cashew", "chewinggum", "fryum", "macaroni1", "macaroni2"),
            *("pcb1", "pcb2", "pcb3", "pcb4", "pipe_fryum"),
        )
    ),
}
# VisA's count is that of its one-class split, the one that few-shot papers measure.
_TEST_PHOTOS = {MVTEC: 1725, VISA: 2162}
# VisA is often converted to MVTec AD's layout.
_LAYOUTS = {MVTEC: ("mvtec",), VISA: ("visa", "mvtec")}

_ANOMALYGPT = "Gu et al. 2023, arXiv 2308.15366"
_WINCLIP = "Jeong et al. 2023, arXiv 2303.14814"
_SOURCES = {
    "AnomalyGPT": f"{_ANOMALYGPT}; trained on the other of MVTec AD and VisA",
    "WinCLIP": _WINCLIP,
    "PatchCore": f"as measured by {_WINCLIP}",
    "AnomalyDINO-S (672)": "Damm et al. 2024, arXiv 2405.14529",
}

# Mean and standard deviation over the paper's seeds; None where it was not found or not reported.
_Value: TypeAlias = "tuple[float, float | None] | None"
_Row: TypeAlias = "tuple[str, int, _Value, _Value, _Value]"

# Columns: method, shots, image AUROC, pixel AUROC, accuracy of the verdict.
# Found in 2026-11: WinCLIP, PatchCore and AnomalyDINO with 1, 2 and 4 shots in tables 1 and 2 of a
# later paper (PL-SCEA), WinCLIP with 0 and 1 shots in its abstract too; AnomalyGPT with 1 and 4
# shots in a reading of the paper that copies its table, which of 2 shots has only the accuracy on
# MVTec AD, without a spread.
_FEW_SHOT: dict[str, tuple[_Row, ...]] = {
    MVTEC: (
        ("AnomalyGPT", 1, (94.1, 1.1), (95.3, 0.1), (86.1, 1.1)),
        ("AnomalyGPT", 2, None, None, (84.8, None)),
        ("AnomalyGPT", 4, (96.3, 0.3), (96.2, 0.1), (85.0, 0.3)),
        ("WinCLIP", 0, (91.8, None), (85.1, None), None),
        ("WinCLIP", 1, (93.1, 2.0), (95.2, 0.5), None),
        ("WinCLIP", 2, (94.4, 1.3), (96.0, 0.3), None),
        ("WinCLIP", 4, (95.2, 1.3), (96.2, 0.3), None),
        ("PatchCore", 1, (83.4, 3.0), (92.0, 1.0), None),
        ("PatchCore", 2, (86.3, 3.3), (93.3, 0.6), None),
        ("PatchCore", 4, (88.8, 2.6), (94.3, 0.5), None),
        ("AnomalyDINO-S (672)", 1, (96.6, 0.4), (96.8, 0.1), None),
        ("AnomalyDINO-S (672)", 2, (96.9, 0.7), (97.0, 0.2), None),
        ("AnomalyDINO-S (672)", 4, (97.7, 0.2), (97.2, 0.1), None),
    ),
    VISA: (
        ("AnomalyGPT", 1, (87.4, 0.8), (96.2, 0.1), (77.4, 1.0)),
        ("AnomalyGPT", 4, (90.6, 0.7), (96.7, 0.1), (77.7, 0.4)),
        ("WinCLIP", 0, (78.1, None), (79.6, None), None),
        ("WinCLIP", 1, (83.8, 4.0), (96.4, 0.4), None),
        ("WinCLIP", 2, (84.6, 2.4), (96.8, 0.3), None),
        ("WinCLIP", 4, (87.3, 1.8), (97.2, 0.2), None),
        ("PatchCore", 1, (79.9, 2.9), (95.4, 0.6), None),
        ("PatchCore", 2, (81.6, 4.0), (96.1, 0.5), None),
        ("PatchCore", 4, (85.3, 2.1), (96.8, 0.3), None),
        ("AnomalyDINO-S (672)", 1, (87.4, 1.2), (97.8, 0.1), None),
        ("AnomalyDINO-S (672)", 2, (89.7, 1.3), (98.0, 0.1), None),
        ("AnomalyDINO-S (672)", 4, (92.6, 0.9), (98.2, 0.0), None),
    ),
}

_FULL_SOURCES = {
    "AnomalyGPT": _ANOMALYGPT,
    "UniAD": "You et al. 2022, arXiv 2206.03687",
}
# One model for all categories, trained on the data set's own good photos. Found in 2026-11: UniAD
# in its abstract, AnomalyGPT in the reading named above.
_FULL_DATA: dict[str, tuple[_Row, ...]] = {
    MVTEC: (
        ("AnomalyGPT", 0, (97.4, None), (93.1, None), (93.3, None)),
        ("UniAD", 0, (96.5, None), (96.8, None), None),
    ),
}


def published_figures(
    data_name: str | None, shots: Sequence[int], trained_here: bool
) -> list[dict[str, Any]]:
    """Figures of papers that were measured on the same data in the same setting.

    Args:
        data_name: "MVTec AD" or "VisA"; anything else has no published figures.
        shots: numbers of reference photos that were measured.
        trained_here: the model was trained on the data set's own good photos. That is the
            papers' full-data setting, and their few-shot figures are then no comparison.

    Returns:
        One {"method", "shots", "figures", "source"} per method and number of shots; `figures`
        maps names of `FIGURES` to [mean, standard deviation or None], both in percent.
    """
    table, sources = (_FULL_DATA, _FULL_SOURCES) if trained_here else (_FEW_SHOT, _SOURCES)
    rows = [row for row in table.get(data_name or "", ()) if row[1] in set(shots)]
    # Stable: methods keep the table's order within a number of shots.
    return [_as_dict(row, sources[row[0]]) for row in sorted(rows, key=lambda row: row[1])]


def known_data_set(layout: str, categories: Mapping[str, Mapping[str, int]]) -> str | None:
    """Whether the folder holds exactly a data set that papers measure.

    Args:
        layout: how the files lie, such as "mvtec".
        categories: per category the number of its test photos as "good" and "anomalous".

    Returns:
        "MVTec AD", "VisA", or None. A part of a data set is not the data set.
    """
    test_photos = sum(counts["good"] + counts["anomalous"] for counts in categories.values())
    for name, expected in _CATEGORIES.items():
        is_complete = set(categories) == expected and test_photos == _TEST_PHOTOS[name]
        if is_complete and layout in _LAYOUTS[name]:
            return name
    return None


def _as_dict(row: _Row, source: str) -> dict[str, Any]:
    method, shots, *values = row
    named = zip(("image_auroc", "pixel_auroc", "accuracy"), values, strict=True)
    figures = {name: list(value) for name, value in named if value is not None}
    return {"method": method, "shots": shots, "figures": figures, "source": source}
