"""What a question asks for, as far as a result can tell it.

Patterns over plain words, the first that fits; `tests/anomalygpt/replies` asks in other words than
these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

from anomalygpt.replies.boxes import aspect_of, boxes_in, known_words, means_it, others
from anomalygpt.replies.common_words import COMMON
from anomalygpt.replies.languages import language_of, wanted_in
from anomalygpt.replies.places import Place, place_in
from anomalygpt.replies.words import asking_words, clauses, inspection_words, plain, respelled

# Who writes more tells a story; the language model reads it.
_MOST_WORDS = 40

_DEFECT = (
    "(?:defects?|defectives?|anomal(?:y|ies)|flaws?|damages?|faults?|problems?|issues?|errors?"
    "|troubles?|irregularit(?:y|ies)|abnormalit(?:y|ies)|deviations?|imperfections?|blemish(?:es)?"
    "|nonconformit(?:y|ies)|damaged (?:spots?|areas?|places?)|bad (?:spots?|areas?|places?))"
)
_REGION = (
    "(?:box(?:es)?|regions?|areas?|markings?|marks?|spots?|places?|rectangles?|zones?|frames?"
    "|finding)"
)
# All of them.
_REGIONS = (
    "(?:boxes|regions|areas|markings|marks|spots|places|rectangles|zones|frames|findings|defects"
    "|anomalies|flaws|faults|problems|issues|irregularities)"
)
_GOOD = (
    "(?:ok|fine|good|alright|all right|in order|intact|undamaged|flawless|perfect|acceptable"
    "|normal|clean|sound|faultless|usable|conforming|conform|healthy|io|defect free|passable)"
)
_BAD = (
    "(?:bad|ng|broken|damaged|defective|faulty|wrong|ruined|unusual|abnormal|odd|off|suspicious"
    "|anomalous|affected|flawed|amiss|strange|weird|out of order|unacceptable|not (?:ok|fine|good))"
)
_IT = "(?:it|this|that|the \\w+|this \\w+|everything|all|they|these|those)"

_MANY = "one|two|three|four|five|six|seven|eight|nine|ten"

# In this order: what is more special first.
_INTENTS: tuple[tuple[str, str], ...] = (
    (
        "social",
        r"^(?:(?:ok|well|great|perfect|alright|good|oh) )?(?:hello|hi|hey|greetings|welcome"
        r"|good (?:morning|afternoon|evening|day|night|work|job|bye)|goodbye|bye|see you|thanks?"
        r"|thank you|many thanks|have a nice|until next|that (?:is|was) (?:all|everything)"
        r"|we are done|well done|great|i see$|i see thanks|new part$|quick check$|sorry|cheers"
        r"|i have no more questions|that helps|that was helpful)\b(?! how (?:many|sure|bad))"
        r"|^(?:who|what)(?: exactly)? are you$|what can (?:you do|i ask)"
        r"|are you (?:a |an )?(?:human|person|robot|machine|real|there|ai|bot)\b|your (?:name|job"
        r"|task|purpose)\b|yourself\b"
        r"|how can you help|talking to\b|what do you do$|good for$|what are you for",
    ),
    (
        "beyond",
        r"\b(?:weighs?|weight|how heavy|costs?|price|expensive|serial|batch|lot number|supplier"
        r"|manufacturer|company|factory|alloy|material|temperature|smells?|loud|hollow|inside"
        r"|other side|back side|the back|root cause|causes?(?! (?:for|of) (?:concern|alarm|worry"
        r"|complaint))|caused|to blame|shift|operator|machine"
        r"|load|how long (?:it )?will|made (?:it|of|from|in)|how deep|depth|thickness|how old"
        r"|when was|when did|tolerances?"
        r"|drawing|(?<!to )(?<!to the )(?<!to our )customers?|electric\w*|conducts?|voltage|who"
        r"|whose|(?:comes?|came) from"
        r"|manufactur\w+|where (?:should|shall|can|do|could) (?:i|we|you|they) (?:ship|send|store"
        r"|deliver|put|buy|order|return|bring)"
        r"|(?:was|were) (?:it|this|they|the \w+) (?:made|produced|taken|tested|photographed)"
        r"|(?:it|image|photo|picture|part|factory) was (?:made|produced|taken)"
        r"|(?<!how )(?:does|will|would) (?:it|the part|this part) (?:still )?(?:work|function|last"
        r"|hold))\b",
    ),
    ("colour", r"\bcolou?r(?:s|ed)?\b"),
    (
        "doubt",
        r"^(?:but )?(?:i|we|my \w+|the customer) (?:think|believe|thinks|believes|says?|disagree"
        r"|do not (?:see|agree|believe)|can not see|see nothing|see (?:a|no|something)|am sure"
        r"|can see)\b|\byou (?:are wrong(?! about what)|missed|overlooked)\b|^that can not be\b"
        rf"|\badmit\b|\blooks? (?:{_GOOD}|{_BAD}) to me\b"
        r"|just (?:a |the )?(?:shadow|reflection|light|normal look)|\b(?:look|check) again\b",
    ),
    (
        "sure",
        r"\b(?:sure|certain|certainty|confident|confidence|probabilit(?:y|ies)|probable|likelihood"
        r"|likely|chances?|odds|trust|rely|reliable|reliability|trustworthy|mistaken|definite"
        r"|accurate|accuracy|guess(?:ing|ed)?|false alarm|positive|convinced|dependable"
        r"|(?:count|bank|depend) on|how (?:safe|solid|firm|sound) (?:is|are)"
        r"|double check|check (?:it|this|that) (?:myself|by (?:eye|hand)))\b"
        r"|\b(?:any|no|have|is there) doubts?\b"
        r"|\byou (?:might |may |could )?(?:be |err|misjudge|a?re )?(?:wrong|err)\b|^really$"
        r"|^p(?: anomaly)?$|\bcould (?:it|that|this) be wrong\b|^right$|^correct$",
    ),
    (
        "why",
        r"\b(?:why|how do you know|reasons?|explain (?:your|this|the) (?:answer|verdict|finding)"
        r"|explain that|explanation|justify|what makes you|how come|on what do you base|based on"
        r"|evidence|leads you|speaks for|basis|how did you (?:come|reach|get))\b",
    ),
    (
        "smallest",
        r"\b(?:smallest|tiniest|littlest|slightest|weakest|faintest|mildest"
        r"|least (?:large|big|serious|severe|obvious|critical|important|strong)"
        r"|stands? out (?:the )?least)\b",
    ),
    (
        "worst",
        r"\b(?:worst|largest|biggest|greatest|gravest|strongest|hugest|widest|main"
        r"|most (?:serious|severe|obvious|critical|important|anomalous|suspicious|striking"
        r"|dangerous|noticeable|visible|prominent|pronounced|urgent|significant)"
        r"|stands? out (?:the )?most"
        r"|matters? (?:the )?most|look\w* (?:at )?first|(?:larger|worse) than)\b"
        r"|\bwhich\b.*\bmost\b"
        r"|(?<!in )(?<!at )\bwhich (?:box|region|defect|anomaly|flaw|one|of (?:them|these))\b",
    ),
    (
        "count",
        r"\bhow many\b(?! (?:mm|cm|pixels?|percent|millimet\w*|inch\w*))|\bnumber of\b|\bcount\b"
        rf"|\b(?:total|sum) of\b|\btally\b|\bhow much {_REGIONS}\b"
        rf"|\b(?:are|is) there (?:only |just |exactly )?(?:\d+|{_MANY})\b"
        r"|\bmore than one\b|\bone or (?:more|several|two|many)\b|^(?:are there )?many$"
        rf"|\b(?:only|just|exactly) (?:the )?one\b|\bseveral\b|\bmany {_DEFECT}\b",
    ),
    (
        "boxes",
        r"\b(?:list|enumerate|name|describe|explain|show|tell|go (?:through|over)|(?:walk|run"
        r"|talk)(?: me)?"
        r" (?:through|down|over)) (?:me )?(?:about )?(?:(?:all|each|every|of|the|both|these|those"
        rf"|list) )*(?:{_REGIONS}|numbers|everything)\b|\bone by one\b"
        rf"|\b(?:list|meaning) of (?:all )?(?:the )?(?:{_REGIONS}|numbers)\b|\b(?:each"
        rf"|every) (?:single )?{_REGION}\b"
        rf"|^(?:all|both)(?: of them| {_REGIONS})?$|\b(?:tell|explain|describe) .*\bboth\b"
        rf"|\bwhat (?:do|are) (?:all )?(?:the|these|those|all) (?:\w+ )?(?:{_REGIONS}|numbers)"
        r"(?:$| (?:\w+ )*(?:mean|stand for|show|say|tell|for|about)\b)",
    ),
    (
        "report",
        r"\b(?:8d|reports?|protocol|summary|summaris\w*|summariz\w*|sum \w* ?up|overview|facts"
        r"|essentials|results?|findings|conclusion|outcome|certificate|recap|record"
        r"|what should i write|in (?:short|brief|a nutshell|one sentence|a few words))\b"
        r"|^(?:the )?details$|\blog (?:line|entry)\b|\bfor the log\b|\bdocument (?:it|this|that)\b",
    ),
    (
        "percentage",
        r"^(?:(?:give me|what|the|a|and|in|as|which|me|can you|is|that|it) )*percent\w*$",
    ),
    (
        "coverage",
        rf"\bhow much\b(?! of a problem).*\b(?:photo|image|picture|area|surface|part|{_DEFECT}"
        r"|affected|damaged|covered|marked|total|altogether|overall)\b"
        r"|\b(?:total|overall|whole) (?:\w+ )?(?:areas?|size|surface)\b"
        r"|\b(?:affected|damaged|defective|marked) (?:share|surface|extent)\b"
        r"|\b(?:coverage|covers?|extents?|share|percent\w*|fraction|portion|proportion|ratio"
        r"|widespread)\b"
        r"|\bhow (?:large|big)\b.*\b(?:total|altogether|overall|together)\b|^(?:the )?areas?$"
        r"|\bhow far does\b.*\b(?:extend|reach)\b",
    ),
    (
        "advice",
        r"\b(?:scrap(?:ped|ping)?|reject(?:ed)?|accept(?:ed|able)?|ship(?:ped|ping)?|keep|discard"
        r"|rework(?:ed)?|repair(?:ed)?|release|deliver(?:ed)?|sort (?:it |this )?out|throw|bin it"
        r"|recommend\w*|suggest\w*|advi[cs]e|proceed|pass (?:it|this) on|send (?:it|this)"
        r"|next step|(?:go|goes|let \w+) (?:out|through)|(?:go|goes|out) to (?:the |our |a )?"
        r"(?:clients?|customers?|buyers?))\b|\bwhat (?:should|shall|must|can|do) (?:i|we) do\b"
        r"|\bwhat would you do\b"
        rf"|^what (?:now|next)$|\b(?:can|may|should|could) (?:i|we|{_IT}) (?:still )?(?:be )?use"
        r"|\bwhat to do\b|\bhow (?:should|do) (?:i|we) (?:go on|continue|proceed)\b|\bstill us",
    ),
    (
        "severity",
        r"\b(?:sever\w+|serious\w*|concern\w*|alarming|(?:cause|reason) for alarm|critical|grave"
        r"|how bad|how badly|worry|worried|cosmetic|minor"
        r"|major|dangerous|matter|big (?:problem|deal)|how much of a problem|tolerable|harmless"
        r"|rate)\b",
    ),
    (
        "size",
        r"\b(?:how (?:large|big|small|(?:long|wide|high|tall|thick|deep)(?= (?:is|are)\b|$))"
        r"|sizes?|dimensions?|diameter"
        r"|millimet\w*|mm|cm|inch(?:es)?|pixels?|(?:large|big|small|tiny) or (?:large|big|small)"
        r"|how much (?:space|room))\b"
        rf"|^is (?:it|that|the {_DEFECT}) (?:a )?(?:large|big|small|tiny)\b",
    ),
    (
        "reference",
        r"^(?!good \w+$).*\b(?:compar\w+|references?|differ(?:s|ent|ences?)?|(?:the )?same as"
        r"|match(?:es)?|good (?:part|one|example|piece|photo|sample)s?|golden sample|master)\b"
        r"(?<!a good part)(?<!a good one)(?<!a good piece)",
    ),
    (
        "method",
        r"\bhow (?:do|did|does) (?:you|this|it|that|the \w+) (?:work|do|find|decide|inspect|check"
        r"|judge|tell|detect|know what)|\bwhat (?:did|do|have|were) you (?:check|look|inspect"
        r"|examine|test|measure|analy[sz]e|consider|use|done)|\bmethod\b|\bhow was (?:it|this|that)"
        r" (?:checked|inspected|tested|judged|done)|\bwhat (?:was|is|has been|were) (?:checked"
        r"|inspected|tested|examined)|\bhow can you tell\b|\bhow .* inspection work"
        r"|\bwhat is an? (?:anomaly|defect)\b|\bmean by\b|\bwhen do you call\b|\byou measure\b",
    ),
    ("score", r"\b(?:scores?|threshold|level|heat ?map|map)\b"),
    (
        "clean",
        r"\b(?:rest|elsewhere|everything else|anywhere else|other (?:\w+ )?(?:areas|parts|places"
        r"|regions|spots)|limited to|spread|remaining)\b"
        r"|\bwhich (?:areas|parts|places|regions)\b(?! (?:did|have|do) you\b)"
        rf"|\bwhere\b.*\b{_GOOD}\b",
    ),
    (
        "where",
        r"\b(?:where\w*|locat\w+|positions?|point to|show me|place of|at what place|coordinates?"
        r"|(?:in|on|at) (?:what|which) (?:\w+ )?(?:area|region|part|place|corner|side|edge|end)"
        r"|(?:what|which) (?:part|place|area|corner|region|section) of|highlight\w*"
        rf"|(?:what|which) {_REGIONS} (?:did|have|do) you|point (?:me |us )?to)\b",
    ),
    (
        "kind",
        r"\b(?:what|which) (?:kind|type|sort|class)\b|\bwhat (?:exactly )?(?:is|are|does|do)"
        rf" (?:wrong|the {_DEFECT}|these|the {_REGION}|(?:it|the {_DEFECT}) (?:look|resemble|mean))"
        rf"|\bdescribe (?:the |this |that )?{_DEFECT}\b|\bwhat looks wrong\b|\bor something else\b"
        r"|\b(?:classify|name|identify) (?:it|the)\b|\b(?:shaped?|elongated|round|compact)\b"
        rf"|\bwhat would you call\b|\bwhat do(?:es)? (?:the )?{_REGION} mean\b"
        r"|^what (?:exactly is it|could it be|might it be)$|\blooking at there\b",
    ),
    (
        "part",
        r"\bwhat (?:is|am i|are we) (?:it|this|that|the (?:part|object|product|thing|item)"
        r"|looking at|in (?:the|this) (?:photo|image|picture)|shown)$"
        r"|\b(?:what|which) (?:part|product|object|item|component) is (?:it|this|that)\b"
        r"|\bdescribe (?:the|this) (?:part|object|photo|image"
        r"|picture|product)\b|\bwhat (?:does|is in) (?:the|this) (?:photo|image|picture)\b"
        r"|\bwhat does (?:it|the (?:photo|image|picture)) show\b",
    ),
    (
        "see",
        r"\bwhat (?:do|can|did) you (?:see|notice|find|say|tell me|think|observe)\b"
        r"|\bwhat you (?:see|notice|find)\b|\btell me about (?:it|this|the part)\b"
        r"|\bhow does (?:it|the \w+|this \w+) look\b|\bcondition\b|\bstate of\b"
        r"|^(?:have a )?(?:look at|inspect|examine|check) (?:it|this|the \w+|this \w+)(?: please)?$"
        r"|\bhow is (?:it|the part|this part)\b",
    ),
    (
        "anomaly",
        rf"^.{{0,60}}?\b{_DEFECT}\b|\b(?:anything|something|nothing) (?:is |looks? |be )?(?:{_BAD}"
        r"|not right|broken)|\b(?:notice|see|find|spot|detect) anything\b"
        r"|^(?:is there (?:any|one)|are there any|does it|do you)$",
    ),
    (
        "ok",
        rf"^good (?:one|part|piece)$|\b(?:{_GOOD}|{_BAD}|pass(?:es|ed)?|fails?|failed|flunk"
        r"|verdict|decision|judg\w+|quality|yes or no|go or no go|no go|go no go|thumbs up"
        r"|as (?:it|they) should|(?:ought|supposed|meant) to (?:be|look)|your (?:call|take|opinion)"
        r"|in (?:a )?(?:\w+ )?(?:shape|condition))\b",
    ),
)
# A place turns these into a question about it.
_WITH_PLACE = frozenset(
    ("anomaly", "ok", "where", "see", "beyond", "open", "clean", "kind", "worst", "part")
)
# After a question about a box, "it" is the box in these.
_OF_A_BOX = frozenset(("where", "size", "coverage", "severity", "kind", "why", "score"))
# These are no questions about a box, though they may name one.
_BEFORE_BOXES = frozenset(("social", "beyond", "colour", "doubt"))
_THING = re.compile(
    r"\b(?:(?:is|are|was) (?:there|it|that|this)|(?:do|can|did|could) you (?:see|find|spot|notice)"
    r"|does (?:it|the \w+|this \w+) (?:have|show|contain)|has it|could it be|looking for|what about"
    r"|would you call (?:it|that|this)) (?P<thing>(?:an?|any|some|the) [\w ]{3,40})$"
)
_OPENINGS = re.compile(
    r"^(?:(?:and|but|so|also|then|please|hm|well|by the way|one more question|quick check"
    r"|new part|hello|hi|hey|thanks|ok) )+(?=\w+ \w)"
)
_ABOUT_RESULT = re.compile(
    rf"\b(?:{_DEFECT}|{_REGION}|{_BAD}|{_GOOD}|inspect\w*|look\w*|stand\w* out)\b"
)


_FOREIGN = frozenset(("social", "beyond"))
_MEASURING = frozenset(("where", "size", "coverage", "count", "worst", "smallest"))
_DAMAGE_WORD = re.compile(
    rf"\b(?:{_DEFECT}|{_REGION}|{_BAD}|it|this|that|these|those|they|them|there|one|ones"
    r"|stand\w*|highlight\w*|scratch\w*|cracks?|stains?|dents?|holes?|cuts?|chips?)\b"
)
_PART_NOUNS = frozenset(("part", "piece", "unit", "product", "item", "object", "thing", "sample"))
# Nothing else can be meant by these, whatever other words there are.
_PLAIN = frozenset(intent for intent, _ in _INTENTS) - {"social", "beyond", "colour", "doubt"}
_PART_NAME = re.compile(r"\b(?:the|this|that|my|our|your|an?|these|dis)(?= (\w+(?: \w+)?))")


@dataclass(frozen=True)
class Asked:
    """One thing that is asked for.

    Attributes:
        intent: "ok", "where", … as in `sentences`; "social" for courtesies, "beyond" for what no
            result can tell, "open" for what may be about the result and was not understood.
        words: the question as plain words.
        place: the part of the photo that is named.
        numbers: the boxes that are named; those of the result count from 1 on.
        aspect: what is asked of them, see `boxes.aspect_of`.
        thing: what is asked for by name, with its article: "a short circuit".
        language: of the question where that is not English, such as "de"; "other" for unknown.
    """

    intent: str
    words: str
    place: Place | None = None
    numbers: tuple[int, ...] = ()
    aspect: str = ""
    thing: str | None = None
    language: str = "en"


def understand(question: str) -> tuple[Asked, ...]:
    """What a question asks for, each thing once; courtesies beside something else are left out."""
    language = language_of(question)
    if language != "en":
        return (Asked(wanted_in(language, question), plain(question), language=language),)
    if len(plain(question).split()) > _MOST_WORDS:
        return (Asked("open", plain(question)),)
    found = {
        (each.intent, each.place, each.numbers): each for each in map(_asked, clauses(question))
    }
    asked = tuple(found.values())
    return tuple(each for each in asked if each.intent != "social") or asked


def follow_up(
    asked: tuple[Asked, ...], before: Asked, boxes: tuple[int, ...], count: int
) -> tuple[Asked, ...]:
    """What "and the other one?" and "how large is it?" ask for, after a question about a box.

    Args:
        asked: the question, from `understand`.
        before: the question about a box that was asked last.
        boxes: which ones that was.
        count: how many boxes there are.

    Returns:
        The same where it points to nothing that was said before.
    """
    if not boxes or len(asked) != 1 or asked[0].intent == "box":
        return asked
    (one,) = asked
    meant, aspect = others(one.words, boxes, count), aspect_of(one.words)
    if meant:
        aspect = before.aspect if aspect == "all" and before.aspect != "compare" else aspect
        return (replace(one, intent="box", numbers=meant, aspect=aspect),)
    if one.intent in _OF_A_BOX and len(boxes) == 1 and means_it(one.words):
        return (replace(one, intent="box", numbers=boxes, aspect=aspect),)
    return asked


def _asked(clause: str) -> Asked:
    words = respelled(plain(clause), _known_words())
    whole, words = words, _OPENINGS.sub("", words)
    place = place_in(words)
    intent, is_told = _intent(words)
    if intent in ("beyond", "open") and _intent(whole)[0] == "social":
        return Asked("social", whole)
    thing = _THING.search(words)
    numbers, is_strong = boxes_in(words)
    if numbers and not (is_told and intent in _BEFORE_BOXES):
        # Who names a box may use a word that nobody foresaw.
        if len(_strangers(words, "box")) <= is_strong:
            return Asked("box", words, numbers=numbers, aspect=aspect_of(words, len(numbers)))
        intent = "beyond"
    is_beyond = intent == "beyond" and is_told
    if intent in _PLAIN and _strangers(words, intent):
        intent = "beyond"
    if place is not None and intent in _WITH_PLACE and not is_beyond:
        return Asked("cell", words, place)
    if thing is not None and intent in ("beyond", "open"):
        return Asked("beyond", words, thing=thing["thing"])
    return Asked(intent, words)


def _strangers(words: str, intent: str) -> list[str]:
    """Words that questions about a result do not have, but for one name of the part: they ask
    for something else that only sounds alike ("How many units were sold?")."""
    asks = dict(_compiled()).get(intent)
    strange = [
        word
        for word in words.split()
        if word.isalpha()
        and word not in _ordinary_words()
        and not (asks is not None and asks.search(word))
    ]
    if intent in _MEASURING and not _DAMAGE_WORD.search(words):
        # Where something else is, or how large, no result tells.
        return strange
    named = [name for name in _PART_NAME.findall(words) if name.split()[0] not in _PART_NOUNS]
    own: list[str] = next((name.split() for name in named if {*name.split()} & {*strange}), [])
    return [word for word in strange if word not in own]


def _intent(words: str) -> tuple[str, bool]:
    """What plain words ask for, and whether a pattern says so."""
    for intent, pattern in _compiled():
        if pattern.search(words):
            return intent, True
    is_open = _ABOUT_RESULT.search(words) and not _strangers(words, "open")
    return ("open" if is_open else "beyond"), False


@cache
def _compiled() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((intent, re.compile(pattern)) for intent, pattern in _INTENTS)


@cache
def _known_words() -> frozenset[str]:
    """Words that need no mending: those of the patterns, and of dialogues."""
    spelled = re.sub(r"\\[a-zA-Z]", " ", " ".join(pattern for _, pattern in _INTENTS))
    return inspection_words() | COMMON | {*re.findall(r"[a-z]+", spelled), *known_words()}


@cache
def _ordinary_words() -> frozenset[str]:
    """Words of questions that a result answers."""
    patterns = " ".join(pattern for intent, pattern in _INTENTS if intent not in _FOREIGN)
    spelled = re.sub(r"\\[a-zA-Z]", " ", patterns)
    return asking_words() | COMMON | {*re.findall(r"[a-z]+", spelled), *known_words()}
