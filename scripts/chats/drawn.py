"""Whether an answer says what is drawn: the number, places and sizes of the regions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from anomalygpt.constants import LOCATIONS
from anomalygpt.results.inspection import Inspection
from chats.judging import answer_about, read, stated_count
from simulation import Defect
from simulation.dialogues import facts_of

Drawn = Mapping[str, Any]

# Shares are said with one digit behind the point.
_SHARE = re.compile(r"(\d+(?:\.\d+)?) ?(?:%|percent)")
_PROBABILITY = re.compile(r"probability[^.;,)]*?\d+ ?(?:%|percent)")
_TINY = "under 0.1 %"
_NOT_THERE = re.compile(
    r"\b(?:there (?:is|are)|i (?:drew|see|marked)) (?:no|only|just|not)\b|\bdoes not exist\b"
    r"|\bno (?:such )?(?:box|region|mark)|\bnothing (?:is |that )?(?:marked|drawn|stands out)\b"
)
_SURE = re.compile(r"\bsure\b|\bguess\b|\bprobability\b|\blook for yourself\b|\bunsure\b")


def drawn_of(inspection: Inspection) -> dict[str, Any]:
    """What the picture and the table show, as plain values for a record."""
    mask = inspection.mask() if inspection.regions else None
    cells: tuple[str, ...] = ()
    if mask is not None and mask.any():
        cells = facts_of([Defect.from_mask(mask)], mask.shape).cells
    return {
        "damaged": bool(inspection.is_anomalous),
        "cells": list(cells),
        "regions": [
            {
                "place": region.location,
                "share": region.area_fraction,
                "box": list(region.bbox),
                "score": region.score,
            }
            for region in inspection.regions
        ],
    }


def is_as_drawn(
    kind: str, boxes: Sequence[int], place: str | None, answer: str, drawn: Drawn
) -> bool | None:
    """Whether an answer tells what was asked for, as it is drawn, and nothing else.

    Args:
        kind: of `questions` or `plain_questions`.
        boxes: numbers that were asked about.
        place: what was asked about, of `LOCATIONS`.
        answer: the words.
        drawn: from `drawn_of`.

    Returns:
        None where the picture does not decide.
    """
    if kind == "unanswerable":
        return read(answer).declined
    if read(answer).declined or not _is_borne_out(answer, drawn):
        return False
    if boxes:
        return _about_boxes(kind, boxes, answer, drawn)
    if kind in ("cell", "confirm"):
        return _about_place(place or "", answer, drawn)
    return _about_all(kind, answer, drawn)


def misplaced(answer: str, place: str | None, drawn: Drawn) -> set[str]:
    """Places where an answer says that something is, and where nothing is drawn; one that was
    asked about may also be reached from another place."""
    known = {region["place"] for region in drawn["regions"]}
    if place in drawn["cells"]:
        known.add(str(place))
    return set(read(answer).places) - known


def _is_borne_out(answer: str, drawn: Drawn) -> bool:
    """No share and no number of regions differs from what is drawn."""
    regions = drawn["regions"]
    shares = [region["share"] for region in regions]
    known = [0.0, *shares, min(1.0, sum(shares))]
    said = _SHARE.findall(_PROBABILITY.sub(" ", answer))
    count = read(answer).count
    if count is not None and count != len(regions):
        return False
    return all(any(_is_share(text, share) for share in known) for text in said)


def _is_share(text: str, share: float) -> bool:
    """As written, or roughly where it is said in whole numbers."""
    return text == _percent(share) or ("." not in text and abs(int(text) - 100 * share) <= 1)


def _about_boxes(kind: str, boxes: Sequence[int], answer: str, drawn: Drawn) -> bool:
    regions = drawn["regions"]
    missing = [number for number in boxes if not 1 <= number <= len(regions)]
    if missing:
        there = all(f"{number}" in answer for number in missing)
        return there and bool(_NOT_THERE.search(answer.lower()))
    named = [regions[number - 1] for number in boxes]
    if not all(re.search(rf"\b{number}\b", answer) for number in boxes):
        return False
    if set(_places_named(answer)) - {each["place"] for each in named}:
        return False
    has_places = all(each["place"] in answer for each in named)
    has_sizes = all(_has_size(answer, each) for each in named)
    if kind == "box_size":
        return has_sizes
    return has_places and (has_sizes or kind == "box_where")


def _about_place(place: str, answer: str, drawn: Drawn) -> bool | None:
    says = answer_about(answer, place)
    at_it = {place}
    if place in ("top", "bottom", "left", "right"):
        # "The top" may be the cell or the whole upper third.
        at_it |= {cell for cell in LOCATIONS if place in cell.split()}
    regions = [region["place"] for region in drawn["regions"]]
    if place in regions:
        return says is True
    if at_it & {*drawn["cells"], *regions}:
        return None if says is not None else False
    return says is False


def _about_all(kind: str, answer: str, drawn: Drawn) -> bool | None:
    regions, reading = drawn["regions"], read(answer)
    if kind in ("anomaly", "ok", "doubt"):
        return reading.verdict == drawn["damaged"]
    if kind == "count":
        return stated_count(answer) == len(regions)
    if kind == "sure":
        return bool(_SURE.search(answer.lower()))
    if not regions:
        # Nothing is drawn: nothing may be named.
        return not reading.places
    if kind == "where":
        return {region["place"] for region in regions} == reading.places
    if kind == "size":
        return any(_has_size(answer, region) for region in regions) or (
            _percent(sum(region["share"] for region in regions)) in answer
        )
    if kind in ("worst", "largest", "smallest"):
        return _chosen(kind, answer, regions)
    if kind == "list":
        return all(
            region["place"] in answer and re.search(rf"\b{number}\b", answer)
            for number, region in enumerate(regions, start=1)
        )
    return None


def _chosen(kind: str, answer: str, regions: Sequence[Drawn]) -> bool:
    def share(number: int) -> float:
        return float(regions[number]["share"])

    order = range(len(regions))
    at = 0 if kind == "worst" else (max if kind == "largest" else min)(order, key=share)
    return bool(re.search(rf"\b{at + 1}\b", answer)) and regions[at]["place"] in answer


def _places_named(answer: str) -> list[str]:
    """Every place in it, whatever is said of it."""
    names = "|".join(sorted(LOCATIONS, key=len, reverse=True))
    return re.findall(rf"\b({names})\b", answer)


def _has_size(answer: str, region: Drawn) -> bool:
    x0, y0, x1, y1 = region["box"]
    share = _percent(region["share"])
    in_pixels = re.search(rf"\b{x1 - x0} ?(?:×|x|by) ?{y1 - y0}\b", answer)
    return bool(in_pixels) or f"{share} %" in answer or (share == "0.1" and _TINY in answer)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}" if share >= 0.0005 else "0.1"
