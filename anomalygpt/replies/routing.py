"""Who answers a question where the language model can talk: the result what it tells, so that it
cannot be wrong, and the language model what is open.

`understand` alone would decline open questions, or take them for plain ones: "What would you look
for?" is no question of where, and "How can I be certain?" none of how sure.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from anomalygpt.replies.boxes import LAST, boxes_in
from anomalygpt.replies.intents import DEFECT
from anomalygpt.replies.questions import Asked, understand
from anomalygpt.replies.words import clauses, plain

_SUCH = rf"(?:such \w+|{DEFECT}|marks?|it|this|that|these|they|th(?:e|is|at|ose) (?:\w+ )?{DEFECT})"
_ONE = "(?:i|we|one|you|somebody|people|inspectors?|an inspector)"
_READER = (
    "(?:boss|suppliers?|vendors?|customers?|clients?|colleagues?|foreman|manager|team"
    "|quality (?:team|department)|shift lead\\w*|next shift|purchasing)"
)
_TEXT = "(?:messages?|e ?mails?|mails?|notes?|letters?|memos?|texts?|sentences?|entry|line|lines)"

# What this photo shows of them is in the result: "What kinds of damage are there?"
_OF_THIS = (
    r"(?! (?:\w+ ){0,3}?(?:here|are there|are these|are those|did you|you (?:see|saw|find|found)"
    r"|(?:do|can) you (?:see|find)|visible|marked|is (?:it|this|that)|(?:in|on) this (?:photo"
    r"|image|picture))\b)"
)
_OPEN = re.compile(
    "|".join(
        (
            # Kinds of damage, and what to look for.
            rf"\b(?:kinds|types|sorts|classes) of (?:\w+ )?{DEFECT}\b{_OF_THIS}",
            rf"\b(?:typical|typically|common|commonly|usual|usually|frequent|normally)\b.*"
            rf"\b(?:{DEFECT}|go(?:es)? wrong|fail|causes?)\b",
            rf"\b{DEFECT} (?:\w+ )*(?:typical|common|usual|frequent)\b",
            r"\bwhat (?:can|could|may|might) (?:\w+ )?(?:go wrong|be (?:broken|damaged|bad) on)\b",
            r"\bwhat (?:\w+ ){0,6}?(?<!did you )(?<!do you )(?<!are you )"
            r"(?:look|watch|search|check) (?:out )?for\b",
            rf"\b{DEFECT} (?:to|that i should|(?:should|would|must) {_ONE}) (?:\w+ )?(?:look|watch"
            r"|search|check|spot)",
            rf"^(?:on|for) an? \w+ what\b|\bcounts? as (?:an? )?{DEFECT}\b",
            r"\bpay attention to\b|\bif (?:it|the part|one) were\b",
            r"\b(?:train|teach|instruct) (?:an?|the|my|our|new|him|her|them)\b",
            # Causes.
            r"\bcaus(?:es?|ed|ing)\b(?! (?:for|of) (?:concern|alarm|worry|complaint))",
            rf"\b{_SUCH} (?:has |have )?(?:comes?|came|stems?) (?:about|from)\b|\borigins?\b",
            r"\bhow (?:did|does|could|can|do|might|would)\b.*\b(?:happen|occur|arise|come about"
            r"|get (?:there|here|in|on))\b|\bsomething like (?:this|that|it)\b",
            r"\b(?:who or what|responsible|to blame|is (?:it|this|that) from)\b",
            r"\bwent wrong (?:in|at|during)\b",
            rf"\breasons? (?:behind|for) {_SUCH}",
            # What to do.
            r"\bwhat (?:\w+ )?(?:should|shall|must|can|do|could) (?:i|we|one) do\b|\bwhat to do\b",
            r"\bwhat would you do\b|^what (?:now|next)$|\bstep by step\b|\b(?:next|three) steps?\b",
            r"\bhow (?:should|do|would|can|must|shall|to) (?:\w+ )?(?:go on|continue|proceed|handle"
            r"|treat|deal|react)\b|\bway to (?:handle|treat|deal)\b|\b(?:go on|deal) with\b",
            r"\b(?:which|what) action\b|\bwhat follows\b|\bplan (?:for|of)\b",
            # A text for somebody.
            r"\b(?:shift|handover) (?:log|book|report|record|entry|note)\b|\blog ?book\b",
            r"\b(?:for|in|into) the (?:\w+ )?log\b|\blog (?:line|entry)\b",
            r"\bdocument (?:it|this|that)\b|\bnext shift\b",
            r"\b(?:write|draft|word|phrase|compose|formulate|give|need|put|help)\b.*"
            rf"\b{_TEXT}\b(?! of (?:the )?table)|\bmail to\b",
            rf"\b(?:tell|inform|describe|explain|report|write|say|put|phrase)\b.*\b{_READER}\b",
            rf"\bwhat (?:do|should|shall|can|could|would|must) {_ONE} (?:write|enter|put|note)\b",
            rf"\bhow (?:would|should|do|can) {_ONE} (?:enter|word|phrase|write"
            r"|describe (?:it|this|that))\b",
            # How to make sure.
            rf"\bhow (?:can|do|could|should|would|might) {_ONE} (?:\w+ ){{0,2}}?(?:make sure"
            r"|be (?:more )?(?:sure|surer|certain)|verify|check|confirm|test|prove|look at)\b",
            r"\b(?:way|what) (?:\w+ ){0,4}to (?:prove|test|confirm|verify|be (?:more )?"
            r"(?:sure|surer|certain))\b|\b(?:second|another) test\b|\bconvince me\b",
            # What words mean.
            r"\bwhat (?:is|are|would be|does|do) (?:you mean by )?an? (?!box|region|mark|anomaly\b"
            r"|defect\b|score\b|good (?:part|one))(?!.*\b(?:here|there|this|it)\b)",
            r"\bmean by an? (?!box|region|mark)|\b(?:define|explain|describe) (?:what )?an? \w+",
            r"\bhow (?:do|can|would|could) \w+ (?:recognise|recognize|spot|detect|identify|tell) "
            r"an? (?!good|bad|defective|damaged)",
            r"\bwhen do you call\b(?!.* (?:anomaly|defect)\b)",
            r"\b(?:never heard|do not know) the word\b|\bkeeps? saying\b",
            r"\bdifference between (?:an? )?(?!box|this|the|these)(?!\w+ \d)\w+|\bmix up\b",
            r"\bdifferent from an? (?!good)|\ban? \w+(?: \w+)? the same as an? ",
            r"\btwo words\b|\bwhat is what\b",
            # What it cannot do, and what helps.
            r"\byour (?:\w+ )?(?:limits?|limitations?|weak\w*|blind spots?)\b|\bare you weak\b",
            r"\b(?:can|do) you (?:not see|miss|overlook)\b|\bdo you fail\b|\bnot ask you\b",
            r"\b(?:better|next|my|take (?:\w+ )*) ?(?:reference )?(?:photos|pictures|images)\b",
            r"\b(?:what makes|take) a good\b|\blighting\b|\bcamera\b|\bi photograph\b",
            r"\b(?:photos?|parts?|references?|what) do you need\b|\b(?:improve|help) your\b",
            r"\byou alone\b|\bwho\b.*\bdecides?\b|\bdecision to you\b",
            r"\b(?:replace|inspectors home)\b",
            r"\b(?:can|could|will|would|might) (?:it|this|the part|this part) (?:\w+ )?(?:fail"
            r"|break|work|hold|function|last)\b|\bwhat (?:happens|would happen) if\b",
            r"\b(?:affect|reduce|limit)\b.*\b(?:function|strength|works?)\b",
            # Of inspections in general.
            r"\b(?:in general|generally)\b|\bbest practices?\b|\btips?\b|\badvice (?:on|for)\b"
            r"|\bover time\b|\b(?:avoid|prevent)\b|\bit help to\b",
            rf"\bhow (?:do|does|often should) (?!you\b){_ONE}\b(?!.*\b(?:this|it)\b)",
            r"\bwhy (?:do|does|are|is) (?:people|inspectors?|one|companies|parts|inspection)\b",
        )
    )
)
# How something is to be told; a number told so is still a number.
_MANNER = re.compile(
    r"\b(?:simply|simpler|(?:simple|plain|easy|everyday|normal|technical|other|own) words|beginner"
    r"|layman\w*|child|grandmother|new colleague|differently|do not understand|do not get|rephrase"
    r"|break (?:that|it|this) down|what does (?:that|this|it|all (?:this|that)|the result) mean)\b"
)
_READ_OFF = frozenset(
    (
        *("ok", "anomaly", "sure", "where", "worst", "smallest", "count", "boxes", "percentage"),
        *("coverage", "size", "cell", "clean", "colour", "score", "reference"),
    )
)
# Of a box all else is where it is, and how large.
_EXPLAINED = re.compile(
    r"\b(?:explain|tell me|understand|going on|mean|means|stand for|why|reason|see in|say about"
    r"|you know about|made you|in your own words|talk me|not get|caused?|happened)\b"
)
# What a photo tells nobody, a language model least of all.
_FACTS = re.compile(
    r"\b(?:weighs?|weight|heavy|costs?|price|expensive|cheap|serial|lot number|batch number"
    r"|alloy|material|temperature|smells?|old|deep|depth|thick|thickness|voltage|manufacturer"
    r"|when (?:was|were|did)|who (?:made|makes|produced|built|took|sold)|where (?:was|were)"
    r"|(?:come|comes|came) from|inside|back|underside|underneath|made (?:of|from|in))\b"
)
_THAT = re.compile(r"^(?:and )?(?:what is (?:it|that|this)|is (?:that|it|this) bad)$")

# One fact, which somebody knows or nobody: a language model would make one up. "Which worker was
# on duty?", but not "Which cloth should I use?" or "Is a burr dangerous?".
_PARTICULAR = re.compile(
    r"^(?:and |so |but )*(?:(?:who|whose|when|where)\b"
    r"|how (?:many|much|large|big|long|far|old|often|sure)\b"
    r"|which\b(?!.*\b(?:should|would|could|can|most|often|usually)\b)"
    r"|(?:was|were|did|has|have|had|will|is|are|does) (?!an?\b|such\b|there (?:an?|any)\b"
    r"|it worth\b)"
    r"|what (?:\w+ )?(?:did|was|were|has|had)\b|what \w+ does (?:it|the \w+) have\b)"
)


class Route(NamedTuple):
    """Who answers which part of a question.

    Attributes:
        told: what the result answers, as it was asked; "" for nothing.
        open: what the language model answers; "" for nothing.
    """

    told: str
    open: str


def route(question: str, count: int) -> Route:
    """Which part of a question the result answers, and which a language model that can talk.

    Args:
        question: as it was asked.
        count: how many boxes there are; one that does not exist is nothing to talk about.
    """
    asked = understand(question)
    if asked and asked[0].language != "en":
        return Route(question, "")
    parts: list[tuple[str, str]] = []
    for clause in clauses(question):
        kind = _who(clause, count)
        # "I do not know the word flash. What is it?"
        goes_on = bool(parts) and parts[-1][1] == "open" and bool(_THAT.search(plain(clause)))
        parts.append((clause, "open" if goes_on else kind))
    kinds = {kind for _, kind in parts}
    if "open" in kinds and "told" in kinds:
        told = [clause for clause, kind in parts if kind == "told"]
        rest = [clause for clause, kind in parts if kind != "told"]
        return Route(_joined(told), _joined(rest))
    if "told" in kinds or kinds <= {"courtesy"}:
        return Route(question, "")
    return Route("", question)


def _who(clause: str, count: int) -> str:
    """ "told" or "open"; "courtesy" and "aside" go with whatever stands beside them."""
    words, (asked,) = plain(clause), understand(clause)[:1] or (Asked("open", ""),)
    numbers, is_of_box = boxes_in(words)
    if is_of_box and not all(1 <= n <= count or (n == LAST and count > 0) for n in numbers):
        return "told"
    if numbers and asked.intent == "box":
        is_one = len(numbers) == 1 and (
            1 <= numbers[0] <= count or (numbers[0] == LAST and count > 0)
        )
        is_one = is_one and asked.aspect in ("all", "severity")
        return "open" if is_one and _EXPLAINED.search(words) else "told"
    if _OPEN.search(words) or _OPEN.search(asked.words):
        return "open"
    if _MANNER.search(words) and asked.intent not in _READ_OFF:
        return "open"
    if asked.intent == "social":
        return "courtesy"
    if asked.intent == "open":
        return "open" if clause.endswith("?") else "aside"
    if asked.intent != "beyond":
        return "told"
    if asked.thing or _FACTS.search(words) or _PARTICULAR.search(asked.words):
        return "told"
    return "open" if clause.endswith("?") else "aside"


def _joined(parts: list[str]) -> str:
    """Each a sentence of its own, so that they are read one by one."""
    ended = (part if part.endswith((".", "?", "!")) else f"{part}?" for part in parts)
    return " ".join(part[:1].upper() + part[1:] for part in ended)
