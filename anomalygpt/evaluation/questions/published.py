"""MMAD's published result files, their summary with its faults, and published figures.

Two faults of the summary are kept, so that a file gives here what it gives there: entries without
a letter A to E are taken out of the list while it is walked over, so that they do not count as
wrong, and the entry after each does not count at all; and a type that one data set lacks counts as
0 in the mean. `scoring` has neither.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anomalygpt.data.mmad import DETECTION, MERGED
from anomalygpt.data.questionnaires import LETTERS

Entry = Mapping[str, Any]

SOURCE = (
    "result files of the MMAD repository (jam-cc/MMAD, snapshot bad03b4 of July 2025), 1-shot, "
    "random templates, means over the four data sets; rows with a year are what the works' own "
    "pages or abstracts say, and were not checked"
)
COLUMNS = (
    "Anomaly Detection",
    "Defect Classification",
    "Defect Localization",
    "Defect Description",
    "Defect Analysis",
    "Object Classification",
    "Object Analysis",
    "Average",
    "Overkill",
    "Miss",
)


@dataclass(frozen=True)
class Published:
    """A row of the leaderboard.

    Attributes:
        model: its name.
        figures: percent in the order of `COLUMNS`; None where it was not published.
        seen: what is known of whether it saw the products in training.
    """

    model: str
    figures: tuple[float | None, ...]
    seen: str


_UNKNOWN = "not stated"


def _quoted(model: str, average: float, detection: float | None, seen: str) -> Published:
    return Published(model, (detection, *[None] * 6, average, None, None), seen)


# The authors' files, then what others say of themselves, and at the end people.
LEADERBOARD = (
    Published(
        "AnomalyGPT (train_mvtec)",
        (66.8, 27.1, 28.6, 35.8, 31.9, 28.8, 34.4, 36.2, 48.4, 17.9),
        "good parts of MVTec AD",
    ),
    Published(
        "Qwen2-VL-72B", (76.2, 62.1, 69.3, 77.1, 85.2, 92.2, 88.4, 78.6, None, 36.6), _UNKNOWN
    ),
    Published(
        "Qwen2.5-VL-72B-AWQ", (72.7, 62.3, 67.2, 73.6, 81.9, 94.3, 86.8, 77.0, None, 41.0), _UNKNOWN
    ),
    Published("GPT-4o", (67.5, 64.8, 55.0, 72.3, 83.0, 94.9, 82.7, 74.3, 32.4, 32.6), _UNKNOWN),
    Published(
        "Qwen2-VL-7B", (68.9, 57.4, 55.4, 73.6, 80.9, 91.9, 85.5, 73.4, None, 53.8), _UNKNOWN
    ),
    Published(
        "Gemini-1.5-pro", (68.6, 60.1, 58.6, 70.4, 82.5, 89.2, 82.3, 73.1, 8.2, 54.5), _UNKNOWN
    ),
    Published(
        "Qwen2.5-VL-7B", (71.1, 56.0, 60.7, 64.1, 78.3, 91.5, 83.7, 72.2, None, 34.1), _UNKNOWN
    ),
    Published(
        "InternVL2-76B", (68.2, 54.2, 56.7, 66.3, 80.5, 86.4, 82.9, 70.7, 19.3, 44.2), _UNKNOWN
    ),
    Published(
        "LLaVA-1.6-34B", (57.9, 48.8, 52.9, 71.3, 80.3, 81.1, 77.8, 67.2, 30.4, 53.7), _UNKNOWN
    ),
    Published(
        "GPT-4o-mini", (64.3, 48.6, 38.7, 63.7, 80.4, 88.6, 79.7, 66.3, 36.8, 34.5), _UNKNOWN
    ),
    Published(
        "MiniCPM-V-2.6", (57.3, 49.2, 43.3, 65.9, 75.2, 92.0, 80.8, 66.2, 19.8, 65.6), _UNKNOWN
    ),
    Published(
        "LLaVA-OneVision-7B", (51.8, 46.1, 41.8, 62.2, 69.7, 90.3, 80.9, 63.3, 1.4, 95.1), _UNKNOWN
    ),
    Published(
        "InternVL2-8B", (60.0, 43.8, 47.9, 57.6, 78.1, 74.2, 80.4, 63.1, 10.3, 69.7), _UNKNOWN
    ),
    _quoted("Anomaly-LR 7B (0-shot, 2026)", 87.15, None, "1,600 of MMAD's photos"),
    _quoted("AD-Copilot-Thinking 7B (2026)", 82.29, 73.95, "no MMAD data"),
    _quoted("AD-Copilot 7B (2026)", 78.71, 73.64, "no MMAD data"),
    _quoted("HyCo-IAD 3B (2026)", 79.09, 64.5, _UNKNOWN),
    _quoted("OmniAD 7B (2025)", 79.1, None, "one example of each category"),
    _quoted("AnomalyR1 3B (2025)", 76.96, 60.6, "600 photos of the four sets"),
    Published(
        "human expert (2026, AD-Copilot's page)",
        (95.24, 75.0, 92.31, 83.33, 94.2, 86.11, 80.37, 86.65, None, None),
        "–",
    ),
)


def published_summary(entries: Iterable[Entry]) -> dict[str, dict[str, float]]:
    """The table that MMAD's code makes of a result file.

    Args:
        entries: image, question_type, correct_answer and gpt_answer each.

    Returns:
        Percent by data set and type, in the order of their appearance, with "Average", "Overkill"
        and "Miss"; the row "Average" comes last.
    """
    listed = list(entries)
    # Those of entries that do not count, too.
    kinds = list(dict.fromkeys(_kind(entry) for entry in listed))
    counts: dict[str, dict[str, list[int]]] = {}
    for entry in _walked(listed):
        kind = _kind(entry)
        # Right and all, of good parts and of the others.
        found = counts.setdefault(entry["image"].split("/")[0], {}).setdefault(kind, [0] * 4)
        side = 0 if "good" in entry["image"] else 2
        found[side] += entry["gpt_answer"] == entry["correct_answer"]
        found[side + 1] += 1
    table = {name: _row(each, kinds) for name, each in counts.items()}
    columns = [*kinds, *("Average", "Overkill", "Miss")]
    table["Average"] = {
        name: sum(row[name] for row in table.values()) / max(1, len(table)) for name in columns
    }
    return table


def _walked(entries: list[Entry]) -> Iterator[Entry]:
    """Those that count: see the module."""
    for entry in entries:
        if entry["gpt_answer"] in tuple(LETTERS):
            yield entry
        else:
            entries.remove(entry)


def _kind(entry: Entry) -> str:
    kind = str(entry["question_type"])
    return MERGED.get(kind, kind)


def _row(counts: Mapping[str, Sequence[int]], kinds: Sequence[str]) -> dict[str, float]:
    row, good, bad = {}, 0.0, 0.0
    for kind in kinds:
        right_good, all_good, right_bad, all_bad = counts.get(kind, (0, 0, 0, 0))
        if kind == DETECTION:
            good, bad = _percent(right_good, all_good), _percent(right_bad, all_bad)
            row[kind] = (good + bad) / 2
        else:
            row[kind] = _percent(right_good + right_bad, all_good + all_bad)
    row["Average"] = sum(row.values()) / max(1, len(row))
    return row | {"Overkill": 100 - good, "Miss": 100 - bad}


def _percent(right: int, total: int) -> float:
    return 100 * right / total if total else 0.0


def summary_csv(table: Mapping[str, Mapping[str, float]]) -> str:
    """The table as text, as the published files have it."""
    packed = io.StringIO()
    writer = csv.writer(packed, lineterminator="\n")
    columns = list(table["Average"])
    writer.writerow(["", *columns])
    writer.writerows([name, *(row[each] for each in columns)] for name, row in table.items())
    return packed.getvalue()
