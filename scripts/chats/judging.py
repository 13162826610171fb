"""What an answer says, read off its words: verdict, places, count, and whether it declines.

An answer is cut into clauses. Each speaks of damage, says that something is fine, declines, or
does neither; a place belongs to what its clause says, so that "the top is fine" names no damage.
The words are those of `simulation.dialogues.english.answers` and others that mean the same. What
cannot be read is None or empty and never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Tone = Literal["damaged", "fine", "denied"]


@dataclass(frozen=True)
class Reading:
    """What one answer says.

    Attributes:
        leading: True where it begins with "Yes", False where it begins with "No", else None.
        worded: whether the other words say that something is wrong; None where they do not tell.
        places: of the nine places, where it says that something is wrong.
        denied: of the nine places, where it says that nothing is wrong.
        count: how many defects it states; None where it states no number.
        declined: it says that it cannot tell, and nothing about damage; or it begins so, of
            something else than damage, and tells the result instead.
    """

    leading: bool | None
    worded: bool | None
    places: frozenset[str]
    denied: frozenset[str]
    count: int | None
    declined: bool

    @property
    def verdict(self) -> bool | None:
        """Whether something is wrong. "Yes" and "No" come before all other words: our templates
        begin no other answer with them, and they are what the verdict is taken from."""
        return self.worded if self.leading is None else self.leading

    @property
    def contradicts_itself(self) -> bool:
        """It begins with "No" and speaks of damage, or with "Yes" and says that all is fine."""
        return None not in (self.leading, self.worded) and self.leading != self.worded


# --- words --------------------------------------------------------------------------------------

_THING = (
    r"(?:defects?|anomal(?:y|ies)|flaws?|irregularit(?:y|ies)|faults?|damages?|problems?|issues?"
    r"|damaged (?:spots?|areas?|places?)|abnormalit(?:y|ies)|deviations?|blemish(?:es)?)"
)
_MARK = r"(?:scratch(?:es)?|cracks?|holes?|stains?|dents?|chips?|burrs?|missing parts?|cuts?)"
_GOOD = (
    r"(?:fine|undamaged|in (?:good )?order|clean|intact|flawless|ok|okay|all right|unharmed"
    r"|in good (?:condition|shape)|(?:looks?|seems?|is|are|be) (?:\w+ )?(?:normal|good)(?! for)"
    r"|as (?:it|they) should(?: be)?|matches the reference|like the reference"
    r"|the same as the reference)"
)
_ODD = r"(?:wrong|unusual|abnormal|suspicious|odd|strange|off|out of place|anomalous)"

_PIECES = re.compile(
    r"[.!?;:]+(?=\s|$)"
    r"|,?\s\b(?:but|so(?! (?:does|is) the rest)|because|since|while"
    r"|whereas|though|although|however|except|unlike|instead"
    r"|other than|apart from|which)\b"
    r"|(?:,| and),? (?=(?:the|this) [\w ]{1,25}? (?:is|are|looks?|shows?|seems?|has|have)\b)"
)
_SENTENCES = re.compile(r"[.!?]+(?:\s+|$)")

# Of itself, and offers: these state nothing about the photo.
_ABOUT_ITSELF = re.compile(
    r"\b(?:i am only fairly sure|this is unsure|this is a guess|ask me"
    r"|i only (?:speak|talk|look|see|know)|i am (?:an?|glad|ready)\b"
    r"|i (?:look for|look at photos|inspect|compare|mark|go through)"
    r"|i can (?:tell you|only speak|still inspect|compare)|an anomaly is|show me)"
)
# Who leads back to the photo declines as well.
_LED_BACK = re.compile(
    r"\b(?:(?:i|and) only (?:speak|talk) about the (?:image|photo|picture|part|object|item)"
    r"|only here to inspect|beside my task|can only help with|let us stay with)\b"
)
_SUPPOSED = re.compile(r"\b(?:whether|if)\b.*")
_UNTOLD = re.compile(
    r"\b(?:(?:can|could)(?: ?not) (?:really |possibly )?(?:be )?(?:see|seen|tell|told|know|known"
    r"|say|said|determined?|judged?|answer|guess|estimate|compare)"
    r"|(?:unable|impossible|not able|not possible|no way) to (?:\w+ )?"
    r"(?:see|tell|know|say|determine|judge|answer)"
    r"|(?<!reference )(?:does|do) not (?:show|tell|reveal|say)|do not know|not known|no idea"
    r"|not (?:\w+ ){0,2}visible in (?:the|this|a)|beyond what|need other sources"
    r"|not have (?:that|this|the|any) information"
    r"|(?:have|was given|was not given|have not given me) (?:no|a) (?:information|reference)"
    r"|no information|there is no reference|none was given)\b"
)

_NOT_FINE = re.compile(
    rf"\bnot (?:\w+ ){{0,3}}?{_GOOD}|\b(?:does|do) not look (?:\w+ ){{0,2}}?as (?:it|they) should"
)
_NO_DAMAGE = re.compile(
    rf"\b(?:no|without|free (?:of|from)|not (?:\w+ ){{0,6}}?any)\b (?:[\w-]+ ){{0,3}}?{_THING}\b"
    rf"|\b(?:no|not (?:\w+ ){{0,2}}?any) differences?\b"
    rf"|\b(?:nothing|not (?:\w+ ){{0,2}}?anything)(?: [\w]+){{0,4}}? (?:{_ODD}|stands? out)\b"
    rf"|\b(?:find|found|see|saw|notice) nothing\b(?! like| to)"
    rf"|\bnothing (?:is |was )?(?:visible|found|here|there)\b"
    rf"|\b(?:count|see|find) (?:none|zero)\b|^(?:none|zero)$|\bcount is zero\b|\bnot damaged\b"
    r"|\b(?:\w+ ){0,4}?(?<![.\d])(?:0|zero) ?(?:percent|per cent|%)"
)
# One kind that is not there says nothing of the others.
_NOT_THAT_KIND = re.compile(
    r"\b(?:not (?:see|find|call (?:it|this|that)|have|show)"
    r"|nothing like|less like|looked for) an? [\w-]+(?: (?:part|edge|object|area|spot))?"
)
_NOT_THERE = re.compile(
    r"\bnot (?:really |quite |exactly )?(?:at|in|on) the\b|\bneither\b|\b(?:does|do|is|are) not$"
)
_FINE = re.compile(rf"\b{_GOOD}\b")
_DAMAGED = re.compile(
    rf"\b(?:{_THING}|{_MARK}|damaged|defective|faulty|broken|affected"
    rf"|(?:something|is|are|looks?) (?:is |looks? )?{_ODD}|differ(?:s|ences?)? |different)\b"
)
_LOCAL = re.compile(
    r"\bthere\b(?! (?:is|are|was|were|may|might|could|seems?|does|do|did|has|have)\b)"
    r"|\b(?:this|that|the) (?:area|place|spot|region|part of)\b"
    r"|\b(?:upper|lower|left|right|top|bottom|middle)[ -](?:hand )?(?:part"
    r"|third|half|side|edge)\b"
)
_REST = re.compile(r"\b(?:rest|elsewhere|(?:every|any)where else|everything else|other areas)\b")

_EXACT = re.compile(
    r"^(?:exactly|indeed|correct|right|partly|precisely|i can confirm|that is (?:correct|right"
    r"|the place|one place|where))\b|\bi (?:do )?confirm\b"
)
_REACHED = re.compile(r"\bit is (?:partly |only partly )?affected\b|\binto (?:it|there)\b")
_ELSEWHERE = re.compile(r"\b(?:not the place|see it elsewhere|it is elsewhere|rather at)\b")

# --- places -------------------------------------------------------------------------------------

_ROWS = {"top": "top", "upper": "top", "bottom": "bottom", "lower": "bottom"}
_MIDDLES = ("center", "centre", "middle", "central")
_LARGER = r"(?![ -](?:hand|part|third|half|side|edge|row|column|border|margin|rim)\b)"
_AFTER = r"(?:(?<=\bthe )|(?<=\band )|(?<=\bor )|(?<=, )|(?<=\bat )|(?<=\bvery )|(?<=\bfar )|^)"
_MIDDLE = "(?:center|centre|middle|central)"
_PLACE = re.compile(
    rf"\b(?P<row>top|upper|bottom|lower)[ -](?P<side>left|right|{_MIDDLE})\b"
    rf"|\b{_MIDDLE}[ -](?P<edge>left|right|top|bottom)\b{_LARGER}"
    rf"|\b(?P<before>left|right)[ -]{_MIDDLE}\b"
    rf"|{_AFTER}(?P<one>top|bottom|left|right|{_MIDDLE})\b{_LARGER}(?! (?:away|now|at the)\b)"
)


def _places(clause: str) -> Iterator[str]:
    """Each place that a clause names, by the name that the simulation gives it."""
    for found in _PLACE.finditer(clause):
        if found["row"] is not None:
            row, side = _ROWS[found["row"]], found["side"]
            yield row if side in _MIDDLES else f"{row} {side}"
        else:
            one = found["edge"] or found["before"] or found["one"]
            yield "center" if one in _MIDDLES else one


# --- numbers ------------------------------------------------------------------------------------

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_MANY = rf"(?P<number>\d{{1,4}}|{'|'.join(_NUMBERS[2:])})"
_COUNTED = (
    r"(?:regions|defects|anomalies|flaws|irregularities|faults|damaged (?:spots|areas|places)"
    r"|problems|of them|in total|places|abnormalities|boxes)"
)
_SEVERAL = re.compile(
    rf"\b{_MANY} (?!percent|per cent)(?:[a-z-]+,? ){{0,3}}?{_COUNTED}\b"
    rf"|(?:^|\. ){_MANY.replace('number', 'first')}(?= ?[.:,;!]|$)"
    rf"|\b(?:count|see|find|found|there are|of the) {_MANY.replace('number', 'bare')}"
    rf"(?= ?[.:,;!]|$| is\b| at\b| in\b)"
)
_SINGLE = re.compile(
    rf"\b(?:an?|one|1|single) (?:(?!of\b|the\b|with\b|no\b|in\b|at\b|for\b|from\b|photo\b|good\b)"
    rf"[a-z-]+,? ){{0,3}}?(?:{_THING})\b"
    r"|\b(?:only|just|exactly|single) (?:one|1)\b(?! (?:photo|look))"
    r"|(?:^|\. )(?:one|1)(?= ?[.:,;!]|$)"
    r"|\b(?:count|see|find|found) (?:one|1)(?= ?[.:,;!]|$)"
    r"|\b(?:one|1) (?:region|box)\b"
)
_UNCOUNTED = re.compile(r"\bdamages?$|\bproblems?$|\bissues?$|\bdamaged places?$")


def _count(said: str, found_none: bool) -> int | None:
    """How many defects a text states; `found_none` where it says that there is no damage."""
    for match in _SEVERAL.finditer(said):
        number = match["number"] or match["first"] or match["bare"]
        return int(number) if number.isdigit() else _NUMBERS.index(number)
    for match in _SINGLE.finditer(said):
        # "A problem" may be three scratches.
        if not _UNCOUNTED.search(match[0]):
            return 1
    return 0 if found_none else None


# --- reading ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Clause:
    """One clause: its words, what it says ("denied" of places alone), and its places."""

    words: str
    tone: Tone | None
    places: tuple[str, ...]

    @property
    def is_local(self) -> bool:
        """It speaks of a part of the photo only."""
        return bool(self.places) or _LOCAL.search(self.words) is not None

    @property
    def is_rest(self) -> bool:
        """It speaks of all that was not named before."""
        return _REST.search(self.words) is not None


def read(answer: str) -> Reading:
    """Read an answer; words that are not known say nothing."""
    leading, said = _leading(_plain(answer))
    clauses, untold = _clauses(said)
    damaged = any(clause.tone == "damaged" for clause in clauses)
    fine = [clause for clause in clauses if clause.tone == "fine"]
    local = any(clause.is_local for clause in fine)
    rest = any(clause.is_rest for clause in fine)
    all_fine = (local and rest) or any(not (c.is_local or c.is_rest) for c in fine)
    places = frozenset(p for c in clauses if c.tone in ("damaged", None) for p in c.places)
    denied = frozenset(p for c in clauses if c.tone in ("fine", "denied") for p in c.places)
    known = " . ".join(clause.words for clause in clauses)
    count = _count(known, found_none=all_fine and not damaged and not places)
    worded = True if damaged or places or count else False if all_fine or count == 0 else None
    silent = untold and worded is None and leading is None and not denied
    declined = silent or (leading is None and _begins_by_declining(said))
    return Reading(leading, worded, places, denied - places, count, declined)


def stated_count(answer: str) -> int | None:
    """How many defects an answer to "how many" states; who says that all is fine states none."""
    reading = read(answer)
    return 0 if reading.count is None and reading.verdict is False else reading.count


def answer_about(answer: str, place: str) -> bool | None:
    """What it answers to a question about one place.

    Args:
        answer: to "Is the center fine?" or "Is it at the center?".
        place: the one that was asked about, of the nine.

    Returns:
        True where something is wrong at that place, False where nothing is, None where the
        answer does not tell.
    """
    reading = read(answer)
    if place in reading.places:
        return True
    if place in reading.denied:
        return False
    said = _plain(answer)
    if _ELSEWHERE.search(said):
        return False
    if _EXACT.search(said) or _REACHED.search(said):
        return True
    clauses, _ = _clauses(_leading(said)[1])
    for clause in clauses:
        # "It", "there": what was asked about.
        if clause.tone in ("damaged", "fine") and not clause.places and not clause.is_rest:
            return clause.tone == "damaged"
    return False if reading.places or reading.verdict is False else reading.verdict


def _begins_by_declining(said: str) -> bool:
    first = _SUPPOSED.sub("", _PIECES.split(said)[0])
    return bool(_UNTOLD.search(first)) and not (_DAMAGED.search(first) or _FINE.search(first))


def _plain(answer: str) -> str:
    """Lower case, straight signs, one space, "not" in full; how probable an anomaly is called
    says not that there is one."""
    text = answer.lower().replace("’", "'").replace("\u2013", " - ")
    text = text.replace("can't", "can not").replace("won't", "will not").replace("n't", " not")
    text = text.replace("cannot", "can not").replace("it's", "it is").replace("there's", "there is")
    return " ".join(text.split()).replace("probability of an anomaly", "probability")


def _leading(said: str) -> tuple[bool | None, str]:
    """Yes or No at the beginning, and what follows it."""
    found = re.match(r"\W*(yes|no)\b(?P<sign>\W*)", said)
    if found is None:
        return None, said
    # "No defect found" needs its "no" to be understood.
    rest = said[found.end() :] if found["sign"].strip() or found.end() == len(said) else said
    return found[1] == "yes", rest


def _clauses(said: str) -> tuple[list[_Clause], bool]:
    """The clauses that state something about the photo, and whether another one declines."""
    found: list[_Clause] = []
    untold = False
    for sentence in _SENTENCES.split(said):
        led_back = bool(_LED_BACK.search(sentence))
        untold = untold or led_back
        if led_back or _ABOUT_ITSELF.search(sentence):
            continue
        for piece in _PIECES.split(sentence):
            words = piece.strip(" ,-")
            if (refusal := _UNTOLD.search(words)) is not None:
                untold = True
                # What comes before may state something: "it is a stain, I cannot say of what".
                words = words[: refusal.start()].strip(" ,")
            if words:
                found.append(_clause(words))
    return found, untold


def _clause(words: str) -> _Clause:
    places = tuple(_places(words))
    told = _SUPPOSED.sub("", words)
    if _NOT_FINE.search(told):
        return _Clause(words, "damaged", places)
    without, denials = _NO_DAMAGE.subn(" ", told)
    without = _NOT_THAT_KIND.sub(" ", without)
    if _DAMAGED.search(_FINE.sub(" ", without)) and not _NOT_THERE.search(told):
        return _Clause(words, "damaged", places)
    if denials or _FINE.search(without):
        return _Clause(words, "fine", places)
    return _Clause(words, "denied" if _NOT_THERE.search(told) else None, places)
