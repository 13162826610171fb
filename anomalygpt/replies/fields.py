"""Lines such as "Verdict: good", read as the sentences that they stand for."""

from __future__ import annotations

import re

_FIELD = re.compile(
    r"(?:^|[;,|]\s*)[\s*_#-]*(?:(?P<verdict>(?:verdict|result|status|decision|assessment|conclusion"
    r"|condition)s?)|(?P<damage>(?:damages?|defects?|anomal(?:y|ies)|flaws?|faults?|issues?)"
    r"(?: (?:found|seen|detected|visible))?)"
    r"|(?P<kind>(?:(?:damage|defect|anomaly) )?(?:kind|type|nature)"
    r"(?: of (?:damage|defect|anomaly))?|findings?)"
    r"|(?P<cause>(?:root |likely |probable )?(?:cause|reason))"
    r"|(?P<place>location|position|place|where))[*_ ]*:[*_]*\s+(?P<value>[^;|\n]+)",
    re.IGNORECASE,
)
_GOOD = re.compile(
    r"(?:good|ok|okay|fine|accept(?:ed|able)?|pass(?:ed)?|released?|in order|conforming|undamaged"
    r"|intact|no (?:defects?|damages?|anomal\w+|issues?|faults?))\b",
    re.IGNORECASE,
)
_BAD = re.compile(
    r"(?:bad|not (?:ok|good|fine)|n\.?g|nok|defective|damaged|faulty|broken|fail(?:ed|s)?"
    r"|reject(?:ed)?|scrap(?:ped)?|anomal\w+)\b",
    re.IGNORECASE,
)
_NONE = re.compile(r"(?:none|no|nothing|not found|0|zero)\s*(?:$|[.,(])", re.IGNORECASE)
_SOME = re.compile(r"(?:yes|found|present|visible|detected|seen)\b", re.IGNORECASE)
_UNTOLD = re.compile(
    r"[\[(<_.?-]|\b(?:unknown|unclear|open|none|not?|to be|tbd|see|may|might|could|can|possibl[ey]"
    r"|perhaps|maybe|often|whether|please|n/a|ask|enter|fill)\b",
    re.IGNORECASE,
)


def read_fields(sentence: str) -> list[str]:
    """What the lines of a form in a sentence say, as sentences; [] for none."""
    found = []
    for match in _FIELD.finditer(sentence):
        label = next(name for name, text in match.groupdict().items() if text and name != "value")
        if said := _read(label, match["value"].strip(" *_")):
            found.append(said)
    return found


def _read(label: str, value: str) -> str:
    if label == "verdict":
        if _GOOD.match(value):
            return "The part is fine."
        return "The part is defective." if _BAD.match(value) else ""
    if label == "damage" and _NONE.match(value):
        return "There is no damage."
    if label == "damage" and _SOME.match(value):
        return "There is damage."
    if _UNTOLD.match(value):
        return ""
    if label in ("damage", "kind"):
        return f"It is {value}" if re.match(r"(?:an?|the) ", value) else f"It is a {value}"
    if _UNTOLD.search(value):
        return ""
    return f"The cause is {value}" if label == "cause" else f"It lies at the {value}"
