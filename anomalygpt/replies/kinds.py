"""Kinds of damage that are claimed as seen. No result tells a kind; who talks of kinds in general,
of what may be, or of what the user named, claims nothing."""

from __future__ import annotations

import re

from anomalygpt.replies.known import Known, places_named
from anomalygpt.replies.words import plain

# After an article only: they are as often verbs.
_VERBS = "(?:cut|tear|leak|burn|flash)"
_KIND = (
    "(?:(?:hairline )?scratch(?:es)?|scuffs?|cracks?|dents?|stains?|(?:pin|blow)?holes?|burrs?"
    "|chips?|bubbles?|blisters?|wrinkles?|smears?|delaminations?|corrosion|rust|discolou?rations?"
    "|dirt|dust|gouges?|fractures?|breakages?|deformations?|contaminations?|nicks?|pits|pitting"
    "|pores?|porosity|splinters?|(?:weld )?spatter|foreign (?:body|bodies|objects?)"
    "|missing (?:\\w+ )?(?:pieces?|parts?|components?)|short circuits?|fingerprints?|grease"
    "|inclusions?|grooves?|notch(?:es)?|abrasions?|chipped edges?|bent (?:pin|part|edge)s?"
    rf"|(?<=\bthe )missing \w+|(?<=\ba ){_VERBS})"
)
_STATE = (
    "(?:scratched|cracked|dented|stained|chipped|bent|torn|broken|loose|corroded|rusty|rusted|deformed|warped"
    "|dirty|burnt|burned|discolou?red|worn|missing|contaminated|punctured|misaligned|melted)"
)
_LEAD = (
    r"(?:there (?:is|are|was|were|seems? to be|appears? to be)"
    r"|(?:i|we|you) (?:(?:can|also|clearly|did|do) )*(?:see|saw|found|find|detect(?:ed)?"
    r"|noticed?|spot(?:ted)?|marked|identif(?:y|ied)|observed?|recognised?)"
    r"|shows?|showing|has|have|contains?|reveals?|displays?|includes?"
    r"|(?P<it>(?:it|this|that) (?:is|was|looks? like|appears? to be|seems? to be|resembles?))"
    r"|(?:these|they|those|what stands out|(?:region|box) \d+|(?<!a )defect|anomaly|damage)"
    r" (?:is|are|was|looks? like|appears? to be|seems? to be|resembles?)"
    r"|caused by|because of|marks?|named|called|likely|probably|presumably"
    r"|obviously|apparently)"
)
# Not "a brush that is made to remove dirt".
_CLAIM = re.compile(rf"\b{_LEAD} (?:(?!to\b)\w+ ){{0,4}}?(?P<kind>{_KIND})\b")
_DEFINITE = re.compile(
    rf"\b(?:the|this|these|those|two|three|several|both) (?:\w+ )?(?P<kind>{_KIND})\b"
    rf"|\b(?P<shown>{_KIND}) (?:is|are|was|were|can be) (?:\w+ )?(?:visible|present|seen|found"
    r"|there|here|apparent|noticeable|evident|located|detected)\b"
)
_OF_PART = re.compile(
    r"\b(?:the|this) (?:part|photo|image|picture|surface) (?!of\b)(?:\w+ ){0,8}?an? (?:\w+ )?"
    rf"(?P<kind>{_KIND})\b"
)
_IN_STATE = re.compile(
    rf"\b(?:is|are|was|were|looks?|seems?|been|got) (?:\w+ )?(?P<kind>{_STATE})\b(?! tools?)"
)
_ALONE = re.compile(rf"^(?:yes )?(?:an?|one|the) (?:\w+ ){{0,2}}?(?P<kind>{_KIND})(?: .*)?$")
_NOUN = re.compile(rf"\ban? (?:\w+ )?(?P<kind>{_KIND})\b")
_VERB = re.compile(r"\b(?:is|are|means?|looks?|comes?|goes|can|may|might|could|will|has|have)\b")
_BARE = re.compile(
    r"^(?:(?:deep|fine|small|large|long|thin|single|slight|light|obvious|clear|visible|badly"
    rf"|slightly|clearly|surface) )?(?:(?P<kind>{_KIND})|(?P<state>{_STATE}))"
    r"(?: (?:at|on|in|near) the .*)?$"
)
_OF_KINDS = re.compile(
    r"\b(?:look|watch|search|check) (?:out )?for\b|\btypical|\bcommon|\bkinds?\b"
)
# Who says so asks, also without a question mark.
_ASKS = re.compile(
    r"^(?:(?:please|and|so|but|now|ok|hi|hello|just|then|also|thanks) )*(?:tell|explain|describe"
    r"|give|write|list|show|define|name|draft|compare|suggest|summari[sz]e|how|what|why|where|when"
    r"|who|which|is|are|was|were|does|do|did|can|could|should|would|may|might|has|have)\b"
)
# What stands before a kind that is not claimed.
_HEDGE = re.compile(
    r"\bwhether\b|\bif (?:it|this|that|they|there|these|what \w+|the \w+)\b"
    r"|\b(?:may|might|could|would)\b(?! (?:say|see|call|find))"
    r"|\b(?:typical|usual|common|general)(?:ly)?\b|\boften\b|\bsometimes\b|\bmostly\b"
    r"|\b(?:look|looks|looking|watch|check|checks|search|searches) for\b|\bkinds? of\b"
    r"|\b(?:no|not|never|neither|nor|nothing|without)\b(?! (?:only|just|doubt))(?: \w+){0,5} ?$"
    r"|\b(?:can|do|does) not (?:\w+ )?(?:tell|say|know|show|mean)\b"
)
_PARTS = re.compile(
    r"[;:,]\s|\s+(?:but|and|so|because|since|while)\s+(?=(?:there|it|i|this|the|that|we|you)\b)"
)


def claimed_kinds(sentence: str, known: Known) -> list[str]:
    """The kinds of damage that a sentence says this photo shows, and that nobody named."""
    sentence = known.without_names(sentence)
    found = [
        kind for part in _PARTS.split(sentence.lower()) for kind in _claims(plain(part), known)
    ]
    whole = plain(sentence)
    if (alone := _ALONE.search(whole)) and not _VERB.search(whole):
        found.append(alone["kind"])
    if places_named(sentence):
        found += [
            each["kind"]
            for each in _NOUN.finditer(whole)
            if not _HEDGE.search(whole[: each.start("kind")])
        ]
    return [kind for kind in dict.fromkeys(found) if not is_named(kind, known)]


def bare_kinds(sentence: str, known: Known) -> list[str]:
    """The kind of damage that is all that a sentence says: "Cracked."."""
    match = _BARE.match(plain(known.without_names(sentence)))
    if not match or sentence.endswith((":", "?")) or _OF_KINDS.search(plain(known.asked)):
        return []
    kind = match["kind"] or match["state"]
    return [] if is_named(kind, known) else [kind]


def kinds_in(text: str) -> list[str]:
    """All kinds of damage that a text has words for."""
    return re.findall(rf"\b{_KIND}\b", plain(text))


def is_named(kind: str, known: Known) -> bool:
    """Whether the user speaks of such damage as there: who only asks for it does not,
    nor who says that there must be none."""
    stem = re.sub(r"(?:es|ed|s)$", "", kind)
    named = re.compile(rf"\b(?:the|this|that|these|those|my|our) (?:\w+ )?{re.escape(stem)}")
    stated = re.compile(rf"\b{re.escape(stem)}")
    for said in known.said:
        is_asked = said.endswith("?") or _ASKS.search(said)
        match = (named if is_asked else stated).search(said)
        if match and not _HEDGE.search(said[: match.start()]):
            return True
    return False


def _claims(part: str, known: Known) -> list[str]:
    found = []
    for pattern in (_CLAIM, _DEFINITE, _OF_PART, _IN_STATE):
        for match in pattern.finditer(part):
            if _HEDGE.search(part[: match.start(match.lastgroup or "kind")]):
                continue
            kind = match.groupdict().get("shown") or match["kind"]
            # Who asked what a word means is told what "it" is.
            is_meant = pattern is _CLAIM and match["it"]
            is_meant = is_meant or (pattern is not _CLAIM and _is_asked(kind, known))
            if not (is_meant and known.is_of_term(part)):
                found.append(kind)
    return found


def _is_asked(kind: str, known: Known) -> bool:
    return re.sub(r"(?:es|ed|s)$", "", kind) in plain(known.asked)
