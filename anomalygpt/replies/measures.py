"""Numbers and sizes in a clause that no result has."""

from __future__ import annotations

import re
from collections.abc import Sequence

from anomalygpt.replies.known import Known
from anomalygpt.replies.support import ALL_OVER, NUMBERS, SEVERITY, SIZE, THING
from anomalygpt.replies.words import plain

_WORDS = "|".join(NUMBERS)
_DIGITS = r"\d+(?:[.,]\d+)*"
_UNIT = (
    "%|percent|per cent|mm|cm|km|m|µm|um|microns?|inch(?:es)?|milli\\w+|centi\\w+|metres?|meters?"
    "|g|kg|mg|grams?|kilo\\w+|°\\s?\\w?|degrees?|volts?|newtons?|n|bar|hours?|minutes?|days?|weeks?"
    "|months?|years?|euros?|dollars?|€|\\$"
)
_NUMBER = re.compile(
    rf"(?<![\w.])(?P<number>{_DIGITS})(?:\s?(?P<unit>{_UNIT})(?![\w])|(?!\w|\.\w))"
    rf"|(?<!\w)(?P<joined>{_DIGITS})(?=[a-zµ])",
    re.IGNORECASE,
)
_WORD_WITH_UNIT = re.compile(
    rf"\b(?P<number>{_WORDS}) (?P<unit>percent|per cent|milli\w+|centi\w+|micro\w+|inch(?:es)?"
    r"|metres?|meters?|grams?|kilo\w+|degrees?|hours?|days?|weeks?|years?)\b"
)
_BOX = r"(?:box(?:es)?|regions?|markings?|frames?|rectangles?|number|no\.|#)\s?"
_BOX_NUMBER = re.compile(rf"\b{_BOX}\s?(?P<number>\d+|{_WORDS})\b", re.IGNORECASE)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_NO_BOX = re.compile(rf"\bno {_BOX}", re.IGNORECASE)
_PLACES = "(?:regions?|box(?:es)?|places?|spots?|areas?|markings?|marks?)"
_COUNTED = re.compile(
    rf"\b(?P<number>\d+|{_WORDS}) (?:(?!of\b|to\b|or\b|and\b)[a-z]+ )?(?P<thing>{THING}|{_PLACES})"
    r"\b(?! of (?:a|good) )"
)
_NTH = re.compile(rf"\b({'|'.join(_ORDINALS)}) (?:{THING}|{_PLACES})\b")
_ONE = re.compile(
    rf"\b(?:only|just|exactly|single|is|see|found|find|marked) (?:one|a single)"
    rf" (?:(?!of\b|kind\b)\w+ )?(?:{THING}|{_PLACES})\b|\bonly one\b"
)
_SEVERAL = re.compile(
    rf"\b(?:several|multiple|many|both|(?:a )?few|a couple of) (?:{THING}|{_PLACES})"
)
_SURE = re.compile(r"\b(?:sure|certain\w*|probab\w*|confiden\w*|chance|likel\w*)\b")
_SHARE = re.compile(r"\b(?:photo|image|picture|area|surface|part|cover\w*|share)\b")
_PART_OF = re.compile(
    r"\b(?:half|third|quarter|most) of the (?:photo|image|picture|part|surface)\b"
)
_PIXELS = re.compile(r"\bpixels?\b|\bpx\b|\(\d+, \d+\)|[×x] ?\d")
_SAID_SIZE = re.compile(
    rf"{SIZE.pattern} (?:\w+ )?(?:{THING}|{_PLACES})\b"
    rf"|\b(?:{THING}|{_PLACES}|it|one) (?:is|are|looks?|seems?) (?:\w+ )?{SIZE.pattern}"
)
_SAID_SEVERITY = re.compile(
    rf"\b(?:{THING}|{_PLACES}|it|that) (?:is|are|looks?|seems?) (?:\w+ )?{SEVERITY.pattern}"
    rf"|{SEVERITY.pattern} (?:{THING}|{_PLACES}|by area|extent)\b"
)
_LOOSE = re.compile(r"\b(?:escape|miss|overlook|may|might|could|can|if|whether|typical\w*)\b")


def boxes_named(clause: str) -> tuple[int, ...]:
    """The numbers of boxes that a clause names."""
    return tuple(_value(found["number"]) for found in _BOX_NUMBER.finditer(clause.lower()))


def wrong_measures(clause: str, known: Known) -> list[str]:
    """Numbers, shares and sizes in a clause that are not those of the result."""
    clause = known.without_names(clause)
    clause = re.sub(r"\b8D\b", " ", clause)
    found, words = _digits(clause, known), plain(clause)
    found += [
        match[0]
        for match in _WORD_WITH_UNIT.finditer(words)
        if not _fits_unit(str(_value(match["number"])), match["unit"], clause, known)
    ]
    for match in _COUNTED.finditer(words):
        is_of_box = _BOX_NUMBER.search(words[: match.end("number")])
        if match["number"] != "one" and not is_of_box and not _is_count(match["number"], known):
            found.append(match[0])
    found += [each[0] for each in _ONE.finditer(words) if known.count != 1]
    found += [each[0] for each in _NTH.finditer(words) if _ORDINALS.index(each[1]) >= known.count]
    found += [each[0] for each in _SEVERAL.finditer(words) if known.count < 2]
    if known.count:
        found += [each[0] for each in ALL_OVER.finditer(words)]
    found += [each[0] for each in _PART_OF.finditer(words)]
    return found + _wrong_sizes(words, known)


def _digits(clause: str, known: Known) -> list[str]:
    numbers = boxes_named(clause)
    boxes = {found.start("number") for found in _BOX_NUMBER.finditer(clause)}
    is_no_box = bool(_NO_BOX.search(clause))
    found = []
    for match in _NUMBER.finditer(clause):
        if match["joined"]:
            # "2mm" is read as "2 mm"; "2nd" is a number of a box.
            unit = re.match(rf"(?:{_UNIT})\b", clause[match.end() :], re.IGNORECASE)
            text, unit_text = match["joined"], unit[0] if unit else ""
        else:
            text, unit_text = match["number"], match["unit"] or ""
        if match.start() in boxes:
            is_right = (text in map(str, range(1, known.count + 1))) is not is_no_box
        elif unit_text:
            is_right = _fits_unit(text, unit_text, clause, known)
        else:
            is_right = _is_told(text, clause, numbers, known)
        if not is_right:
            found.append(text)
    return found


def _fits_unit(text: str, unit: str, clause: str, known: Known) -> bool:
    """Only percentages are in results; a photo has no scale."""
    if unit.lower() not in ("%", "percent", "per cent"):
        return False
    words, inspection = plain(clause), known.inspection
    probability = inspection.anomaly_probability
    sure = [] if probability is None else [probability, 1 - probability]
    shares = [region.area_fraction for region, _ in known.meant(boxes_named(clause))]
    shares.append(known.facts.total_fraction)
    if re.search(r"\bunder 0\.1\b", clause):
        return any(share < 0.0005 for share in shares)
    if _SURE.search(words):
        # Said of the same clause: "97 % sure".
        return _is_share(text, sure) or (bool(_SHARE.search(words)) and _is_share(text, shares))
    return _is_share(text, shares)


def _is_share(text: str, shares: Sequence[float]) -> bool:
    """As precise as it is said: 0.61 % is not 0.58 %, which a score may have been taken for."""
    if not re.fullmatch(r"\d+(?:[.,]\d+)?", text):
        return False
    whole, _, decimals = text.replace(",", ".").partition(".")
    slack = 0.5 * 10 ** -len(decimals) + 1e-9
    said = float(f"{whole}.{decimals or 0}")
    return any(abs(said - 100 * share) <= slack for share in shares)


def _is_told(text: str, clause: str, numbers: tuple[int, ...], known: Known) -> bool:
    inspection = known.inspection
    if re.search(rf"\b{re.escape(text)} (?:photos?|references?|good)\b", clause):
        return text == str(len(inspection.references))
    probability = inspection.anomaly_probability
    scores = {f"{region.score:.2f}" for region, _ in known.meant(numbers)}
    scores.add(f"{inspection.level:.2f}")
    if not numbers and not known.about:
        # Of the photo as a whole; a box has its own.
        scores.add(f"{inspection.anomaly_score:.2f}")
        scores |= set() if probability is None else {f"{probability:.2f}"}
    if "." in text or "," in text:
        return text in scores
    if _PIXELS.search(clause):
        edges = [region.bbox for region, _ in known.meant(numbers)]
        sides = {side for x0, y0, x1, y1 in edges for side in (x0, y0, x1, y1, x1 - x0, y1 - y0)}
        if int(text) in sides | {*inspection.image_size}:
            return True
    # Scores lie between 0 and 1.
    told = {0, 1, *range(known.count + 1)}
    return int(text) in told or any(re.search(rf"\b{text}\b", said) for said in known.said)


def _wrong_sizes(words: str, known: Known) -> list[str]:
    # Who asked what a word means is told how large such things are.
    if _LOOSE.search(words) or known.is_of_term(words):
        return []
    meant = known.meant(boxes_named(words))
    sizes = {plain(each.size) for _, each in meant}
    severities = {each.severity for _, each in meant} | {known.facts.severity}
    found = []
    for match in _SAID_SIZE.finditer(words):
        found += [size for size in SIZE.findall(match[0]) if size not in sizes]
    for match in _SAID_SEVERITY.finditer(words):
        found += [each for each in SEVERITY.findall(match[0]) if each not in severities]
    return found


def _is_count(text: str, known: Known) -> bool:
    return _value(text) == known.count


def _value(text: str) -> int:
    return int(text) if text.isdigit() else NUMBERS.index(text.lower())
