"""Which numbered boxes a question names, and what it asks of them.

Numbers are those of the picture and of the table, the strongest region first.
"""

from __future__ import annotations

import re

# Stands for the last box, however many there are; nobody says it.
LAST = 10_000

_CARDINALS = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty",
)
_ORDINALS = re.findall(
    r"\w+",
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
    " thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth",
)
_VALUES = {word: n for words in (_CARDINALS, _ORDINALS) for n, word in enumerate(words)}
_VALUES["last"] = LAST

# What a picture has boxes around, in the words of those who look at it.
NOUN = (
    "(?:box(?:es)?|regions?|areas?|markings?|marks?|markers?|spots?|rectangles?|squares?|zones?"
    "|frames?|outlines?|findings?|hits?|defects?|anomal(?:y|ies)|flaws?|damages?|faults?|problems?"
    "|issues?|irregularit(?:y|ies)|blemish(?:es)?|labels?)"
)
_OTHER_NOUN = "(?:places?|rows?|items?|lines?|entr(?:y|ies))"
# The number of something else: "part number 3".
_NOT_OF = "".join(
    f"(?<!{word} )" for word in ("part", "lot", "batch", "serial", "phone", "order", "how many")
)
_NUMBER_WORD = rf"(?:{_NOT_OF}(?:numbers?|no|nr|num))"
_CARDINAL = rf"(?:minus \d{{1,3}}|\d{{1,4}}|{'|'.join(_CARDINALS)})"
_ORDINAL = rf"(?:{'|'.join(_ORDINALS)}|last)"
# A measure, or a number of things: no number of one of them.
_NO_MEASURE = (
    r"\b(?! (?:percent|mm|cm|m|px|pixels?|inch\w*|millimet\w*|times|of|by|out|boxes|regions|areas"
    r"|markings|marks|spots|rectangles|zones|frames|outlines|findings|defects|anomalies|flaws"
    r"|places|things|parts|ones)\b)"
)
_LINK = r"(?:and|or|vs|versus|with|to|(?:\w+ )?than|from|against|next to)"

_STRONG = re.compile(
    rf"\b(?:{NOUN}|{_OTHER_NOUN}) (?:{_NUMBER_WORD} )?(?P<number>{_CARDINAL}){_NO_MEASURE}"
    rf"|\b(?P<nth>{_ORDINAL}) {NOUN}\b"
)
_WEAK = re.compile(
    rf"\b{_NUMBER_WORD} (?P<number>{_CARDINAL}){_NO_MEASURE}"
    rf"|\b(?P<nth>{_ORDINAL}) (?:one|row)\b"
    rf"|\b(?P<linked>{_ORDINAL})(?=(?: one)? {_LINK} (?:the )?{_ORDINAL}\b)"
    rf"|\b(?:the|a|with|as) (?P<shown>\d{{1,3}})(?: (?:in|on) the (?:picture|photo|image|map))?$"
    rf"|\bthe (?P<seen>\d{{1,3}}) (?:in|on) the (?:picture|photo|image|map)\b"
    r"|^(?:and |or |what about |how about |what is |explain |describe |show me |the )*"
    rf"(?P<alone>\d{{1,4}}|{_ORDINAL})(?: one)?(?: please)?$"
    rf"|^(?P<paired>{_CARDINAL})(?= (?:or|and|vs|versus) {_CARDINAL}{_NO_MEASURE})"
    rf"|\b(?:which|compare|between|differ\w*|worse|larger|bigger|smaller|stronger)\b.*?"
    rf"\b(?P<compared>{_CARDINAL})(?= (?:and|or|vs|versus|with|than) {_CARDINAL}$)"
)
# What is linked to a box is one, too: "box 1 and 2", "the first and the second".
_NEXT = re.compile(
    rf"(?:(?: (?:one|{NOUN}))? {_LINK} (?:the )?(?:{NOUN} )?(?:{_NUMBER_WORD} )?| (?=\d))"
    rf"(?P<number>{_CARDINAL}|{_ORDINAL}){_NO_MEASURE}"
)

_SEVERITY = re.compile(
    r"\b(?:sever\w+|serious\w*|critical|grave|bad|badly|worr(?:y|ied|ying)|harmless|dangerous"
    r"|cosmetic|minor|major|matters?|concern\w*)\b"
)
_WHERE = re.compile(
    r"\b(?:where\w*|locat\w+|positions?|corners?|side|lies?|coordinates|show me|point"
    r"|which part)\b"
)
_SIZE = re.compile(
    r"\b(?:how (?:large|big|small|wide|long|tall|high|broad|much)|sizes?|dimensions?|areas? of"
    r"|large|big|small|tiny|cover\w*|percent\w*|pixels?|width|height|extent|share|fraction"
    r"|proportion|diameter|mm|cm|millimet\w*|inch\w*)\b"
)

# After a question about a box.
_OTHER = re.compile(rf"\bothers?(?: (?:one|ones|two|{NOUN}))?$|^(?:and )?(?:the )?others?\b")
_FOLLOWING = re.compile(rf"\b(?:next|following) (?:one|{NOUN})\b|^and (?:the )?next$")
# Not "this photo", "say that", "are there".
_IT = re.compile(
    r"\b(?:it|its|(?<!say )(?<!think )(?<!know )(?:that|this)(?! (?:part|photo|image|picture|piece"
    r"|product|object|item|unit|one)\b)|(?<!is )(?<!are )there(?! (?:is|are)\b))\b"
    r"|\b(?:that|this|the) (?:one|box|region|mark)\b"
)


def boxes_in(words: str) -> tuple[tuple[int, ...], bool]:
    """The numbers of boxes that plain words name, each once, in their order; and whether a word
    for a box stands with one, so that nothing else can be meant."""
    found: dict[int, int] = {}
    spans: list[tuple[int, int]] = []
    is_strong = False
    for pattern in (_STRONG, _WEAK):
        for match in pattern.finditer(words):
            if any(start < match.end() and match.start() < end for start, end in spans):
                continue
            is_strong = is_strong or pattern is _STRONG
            named = next(text for text in match.groupdict().values() if text)
            found[match.start()] = _value(named)
            end = match.end()
            while following := _NEXT.match(words, end):
                found[following.start("number")] = _value(following["number"])
                end = following.end()
            spans.append((match.start(), end))
    return tuple(dict.fromkeys(found[at] for at in sorted(found))), is_strong


def aspect_of(words: str, boxes: int = 1) -> str:
    """What is asked of boxes: "compare", "severity", "where", "size", or "all" there is to say."""
    if boxes > 1:
        return "compare"
    for aspect, pattern in (("severity", _SEVERITY), ("where", _WHERE), ("size", _SIZE)):
        if pattern.search(words):
            return aspect
    return "all"


def others(words: str, before: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The boxes that "the other one" or "the next one" means.

    Args:
        words: plain ones.
        before: the boxes that were spoken of.
        count: how many there are.

    Returns:
        () where the words mean neither; a number that does not exist where there is no other.
    """
    if _FOLLOWING.search(words):
        return (before[-1] + 1,)
    if _OTHER.search(words):
        return tuple(n for n in range(1, count + 1) if n not in before) or (count + 1,)
    return ()


def means_it(words: str) -> bool:
    """Whether plain words point to what was spoken of: "how large is it"."""
    return bool(_IT.search(words))


def known_words() -> list[str]:
    """The words of the patterns, which are no slips of the finger."""
    patterns = (_STRONG, _WEAK, _NEXT, _SEVERITY, _WHERE, _SIZE, _OTHER, _FOLLOWING)
    text = " ".join(pattern.pattern for pattern in patterns)
    return re.findall(r"[a-z]+", re.sub(r"\\[a-zA-Z]|\?P<\w+>", " ", text))


def _value(text: str) -> int:
    if text.startswith("minus "):
        return -int(text.removeprefix("minus "))
    return int(text) if text.isdigit() else _VALUES[text]
