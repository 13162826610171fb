"""What a clause says against the verdict, and the causes that it states as facts."""

from __future__ import annotations

import re

from anomalygpt.replies.known import Known, places_named
from anomalygpt.replies.support import REST, THING
from anomalygpt.replies.words import plain

APART = re.compile(r"\b(?:apart from|besides|else|other|further|more)\b")
# What describes: a place, or the rest of a part, may be fine where others are not.
_FINE = re.compile(
    r"\b(?P<whole>part|object|item|piece|it|everything|all|photo|image)"
    r" (?:is|are|looks?|seems?|appears?)"
    r" (?:(?!not\b)\w+ )?(?:fine|good|ok|undamaged|in order|normal|intact|flawless|perfect"
    r"|acceptable|faultless|conforming)\b"
    r"|\bnothing (?:that |really |at all )?(?:stands|stood) out\b|\bnothing is wrong\b"
    r"|\bnot (?:have|show|contain|see|find|any|an?) (?:(?:any|an?) )?(?:\w+ )?"
    rf"(?:{THING}|issues?)\b|\b(?:no|without|free of) (?:\w+ )?(?:{THING}|issues?)\b"
    r"|\b(?:is|are|looks?|seems?) not (?:\w+ )?(?:damaged|defective|broken|faulty|affected)\b"
)
# What releases a part: no place makes that true.
_RELEASED = re.compile(
    r"\b(?:it|this|part) is an? (?:good|perfect|flawless) (?:part|one|piece)\b|\bverdict is no\b"
    r"|\bmeets? (?:all |the |your )*(?:requirements?|specifications?|standards?)\b"
    r"|\bfeel free to (?:use|ship|accept|sell|release)\b"
    r"|\b(?:can|may) (?:still )?(?:be (?:used|accepted|shipped|released|sold|passed|delivered)"
    r"|pass|go on)\b|\byou (?:can|may) (?:\w+ )?(?:accept|use|ship|release|sell) (?:it|the|this)\b"
    r"|\bsafe to use\b|\bno action (?:is )?(?:needed|required|necessary)\b"
    r"|\b(?:part|it) passe[sd]\b|\b(?:is|are) (?:\w+ ){0,2}?false alarms?\b"
    r"|\b(?:is|are) (?:just|only|merely|simply|nothing but) (?:an? |some |the )?(?:\w+ )?(?:shadow"
    r"|reflection|glare|dirt|dust|light|artefact|artifact|noise)s?\b"
    r"|\b(?:is|are|lies?|stays?|falls?|still) (?:\w+ )?within (?:the )?(?:\w+ )?tolerances?\b"
    r"|^within (?:the )?(?:\w+ )?tolerances?\b|\b(?:is|still|remains|fully) usable\b"
    r"|\bready (?:for|to) (?:be )?(?:ship\w*|us\w+|s[ae]l\w+|sold|deliver\w*|dispatch\w*)\b"
    r"|\b(?:nothing|no need|no reason) to worry\b|^(?:accepted|passed|released|all good)$"
)
_NOT_LOCAL = re.compile(r"\b(?:despite|in spite|even|regardless|although|though|marks?|regions?)\b")
_AT = re.compile(r"^(?: \w+)? (?:at|in|on|around|near|there)\b")
_DAMAGED = re.compile(
    r"\bstands? out at (?!all)|\bdiffers? at\b|\bdamage at\b|\bverdict is yes\b"
    r"|\b(?:the|this) (?:photo|part) differs\b|\b(?:it|this|part) (?:fails|is (?:\w+ )?bad)$"
    r"|\b(?:it|this|part) (?:(?:must|should) be (?:rejected|scrapped|reworked|repaired)"
    r"|needs (?:\w+ )?(?:rework|repair))\b"
    r"|\b(?:is|are|looks?|seems?) (?:(?!not\b)\w+ )?(?:damaged|defective|broken|faulty)\b"
    r"|\bthere (?:is|are|was|were|seems? to be|appears? to be) "
    rf"(?:(?!no\b|not\b|nothing\b)\w+ ){{0,2}}?{THING}\b"
    r"|\bi (?:see|found|find|detected|marked) (?:(?!no\b|not\b|nothing\b|any\b)\w+ ){0,2}?"
    rf"{THING}"
    rf"|\b(?:has|have|shows?|contains?) (?:(?!no\b|not\b|nothing\b|any\b)\w+ ){{0,2}}?{THING}\b"
    r"|\b(?:part|it|photo|everything|something) (?:is|looks|seems) not (?:fine|ok|good|in order)\b"
    r"|\bsomething (?:is|looks|seems) (?:wrong|odd|unusual|off)\b"
    r"|\b(?:would|should|must) (?:reject|scrap)\b|^(?:reject|scrap) "
)
_ACCUSED = re.compile(
    rf"\b(?:{THING}|marks?|regions?|box(?:es)?) (?:is|are|was|were|(?:has|have) been|can be)"
    r" (?:clearly |also |indeed |actually )?(?:detected|found|visible|seen|present|noticed"
    r"|identified|spotted|marked|observed)\b(?! (?:from|best|only)\b)"
    r"|\b(?:this|it|that) (?:is|was) an? (?:\w+ )?(?:bad|defective|faulty|damaged|broken|rejected)"
    r" (?:part|one|piece|product|item)\b"
    r"|\b(?:fails|failed|(?:did|does) not pass) (?:the |this |our |your )?(?:\w+ )?(?:inspection"
    r"|tests?|checks?)\b"
    r"|\b(?:it|this|part) was rejected\b"
    r"|\b(?:region|place|spot|area|mark|something)s? (?:stands?|stood) out\b"
)
_SUBJECT = (
    "(?:it|its|this|that|they|there|these|those|you|we|i|he|she|one|an?|the|your|my|our|any\\w*"
    f"|some\\w*|all|every\\w*|nobody|nothing|no|what|parts?|photos?|marks?|{THING})"
)
_HEDGE = re.compile(
    rf"\b(?:if|when|before)(?: {_SUBJECT}\b| ?$)"
    r"|\b(?:whether|until|unless|could|might|suppose)\b"
    r"|\b(?:no|nothing)\b(?! (?:doubt|question|to worry|worr(?:y|ies)|need|problem))"
    r"|\bnot (?:\w+ )?(?:say|tell|know|mean|claim|promise)\b"
    r"|\bwould(?! (?:\w+ )?(?:say|call|reject|scrap))\b"
    r"|(?:^|\b(?:and|then|to|please|should) )(?:check|verify|make sure|ensure)\b"
)
_OFTEN = "(?:often|usually|mostly|typically|sometimes|commonly|frequently|rarely|generally)"
_IT = "(?P<it>it|this|that|they|these)"
_THESE = (
    rf"(?:{_IT}|(?:the|this|that|these|those) (?:\w+ )?(?:damages?|defects?|anomal(?:y|ies)|marks?"
    r"|flaws?|regions?|spots?)|(?:box|region) \d+)"
)
_DONE = (
    "(?:dropped|hit|bent|scratched|damaged|mishandled|overloaded|overheated|forgot|overtightened)"
)
# Where it came from no photo tells.
_CAUSED = re.compile(
    rf"\bthe (?:root |likely )?cause (?:is|was)\b(?! (?:not|un\w+|hard|difficult|{_OFTEN}))"
    r"|\b(?:it|this|that|damage|defect|anomaly|region) (?:is|was|were|has been) "
    rf"(?:(?!{_OFTEN}\b)\w+ )?caused by\b"
    r"|\b(?:it|part|this) was (?:dropped|mishandled|overloaded|overheated)\b"
    r"|\b(?:operator|supplier|manufacturer) (?:made|sent|damaged|dropped|forgot|used)\b"
)
_CAME = re.compile(
    rf"\b{_THESE} (?:(?:has|have) )?(?:happened|occurred|arose|came about)\b"
    rf"|\b{_THESE.replace('?P<it>', '?P<its>')} (?:comes?|came|stems?|stemmed|results?|resulted"
    r"|arises?|arose|originates?|originated) (?:from|out of)\b"
    rf"|\b{_THESE.replace('?P<it>', '?P<made>')} (?:is|are|was|were|(?:has|have) been) "
    rf"(?:(?!{_OFTEN}\b)\w+ )?(?:made|left|produced|created|done) by\b"
    rf"|\b(?:some(?:body|one)|(?:an?|the) (?:worker|operator|machine|robot|employee|colleague))"
    rf" (?:has |must have )?{_DONE}\b"
)
_OPEN = re.compile(
    r"\b(?:how|where|why|who|what|when|which|whether|if|may|might|could|can|perhaps|maybe"
    rf"|possibl[ey]|in general|such|not|{_OFTEN})\b"
)


def against_verdict(clause: str, known: Known) -> list[str]:
    """What a clause says against the verdict."""
    words, parts = _words(clause)
    if known.inspection.is_anomalous:
        released = _unhedged(_RELEASED, words, parts)
        if REST.search(words) or APART.search(words):
            return released
        is_local = bool(places_named(clause))
        return released + [
            words[match.start() : match.end()].strip()
            for match in _FINE.finditer(words)
            if not _is_hedged(match, words, parts) and not (is_local and _is_local(match, words))
        ]
    found = _unhedged(_DAMAGED, words, parts)
    return found if known.count else found + _unhedged(_ACCUSED, words, parts)


def claimed_causes(clause: str, known: Known) -> list[str]:
    """What a clause says of how this damage came about, as a fact."""
    words, parts = _words(clause)
    found = _unhedged(_CAUSED, words, parts)
    for match in _CAME.finditer(words):
        is_of_term = known.is_term_asked and any(match.groupdict().values())
        if not is_of_term and not _OPEN.search(words[: match.end()]):
            found.append(match[0])
    return found


def _words(clause: str) -> tuple[str, list[int]]:
    """A clause as plain words, and where its parts between commas begin."""
    words, starts = "", []
    for part in re.split(r",\s", clause):
        if text := plain(part):
            words += " " if words else ""
            starts.append(len(words))
            words += text
    return words, starts


def _unhedged(pattern: re.Pattern[str], words: str, starts: list[int]) -> list[str]:
    return [
        match[0].strip()
        for match in pattern.finditer(words)
        if not _is_hedged(match, words, starts)
    ]


def _is_hedged(match: re.Match[str], words: str, starts: list[int]) -> bool:
    begin = max((start for start in starts if start <= match.start()), default=0)
    return bool(_HEDGE.search(words[begin : match.start()]))


def _is_local(match: re.Match[str], words: str) -> bool:
    """Whether it is a place that is called fine, in a clause that names one."""
    if match["whole"] is None:
        return True
    if _AT.search(words[match.end() :]):
        return True
    is_part = match["whole"] in ("part", "object", "item", "piece")
    return not is_part and not _NOT_LOCAL.search(words[: match.start()])
