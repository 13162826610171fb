"""What a question asks for, as far as a result can tell it.

Patterns over plain words, the first that fits; `tests/anomalygpt/replies` asks in other words than
these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from anomalygpt.replies.languages import language_of, wanted_in
from anomalygpt.replies.places import Place, place_in
from anomalygpt.replies.words import clauses, inspection_words, plain, respelled

# Who writes more tells a story; the language model reads it.
_MOST_WORDS = 40

_DEFECT = (
    "(?:defects?|defectives?|anomal(?:y|ies)|flaws?|damages?|faults?|problems?|issues?|errors?"
    "|irregularit(?:y|ies)|abnormalit(?:y|ies)|deviations?|imperfections?|blemish(?:es)?"
    "|nonconformit(?:y|ies)|damaged (?:spots?|areas?|places?)|bad (?:spots?|areas?|places?))"
)
_REGION = (
    "(?:box(?:es)?|regions?|areas?|markings?|marks?|spots?|places?|rectangles?|zones?|frames?"
    "|finding)"
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
_CARDINAL = "one|two|three|four|five|six|seven|eight|nine|ten"
_NTH = "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth"
_FIRST = dict(zip(_NTH.split("|"), range(1, 11), strict=True))
_FIRST |= dict(zip(_CARDINAL.split("|"), range(1, 11), strict=True))

# In this order: what is more special first.
_INTENTS: tuple[tuple[str, str], ...] = (
    (
        "social",
        r"^(?:(?:ok|well|great|perfect|alright|good|oh) )?(?:hello|hi|hey|greetings|welcome"
        r"|good (?:morning|afternoon|evening|day|night|work|job|bye)|goodbye|bye|see you|thanks?"
        r"|thank you|many thanks|have a nice|until next|that (?:is|was) (?:all|everything)"
        r"|we are done|well done|great|i see$|i see thanks|new part$|quick check$|sorry|cheers"
        r"|i have no more questions|that helps|that was helpful)\b(?! how (?:many|sure|bad))"
        r"|^(?:who|what) are you\b|what can (?:you do|i ask)|are you (?:a |an )?(?:human|person"
        r"|robot|machine|real|there|ai|bot)\b|your (?:name|job|task|purpose)\b|yourself\b"
        r"|how can you help|talking to\b|what do you do$|good for$|what are you for",
    ),
    (
        "beyond",
        r"\b(?:weighs?|weight|how heavy|costs?|price|expensive|serial|batch|lot number|supplier"
        r"|manufacturer|company|factory|alloy|material|temperature|smells?|loud|hollow|inside"
        r"|other side|back side|the back|root cause|causes?|caused|to blame|shift|operator|machine"
        r"|load|how long (?:it )?will|made (?:it|of|from|in)|how old|when was|when did|tolerances?"
        r"|drawing|customers?|electric\w*|conducts?|voltage|who (?:made|took|did|is|was)"
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
        r"|accurate|accuracy|guess(?:ing|ed)?|false alarm)\b|\b(?:any|no|have|is there) doubts?\b"
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
        r"|\b(?:coverage|covers?|share|percent\w*|fraction|portion|proportion|ratio|widespread)\b"
        r"|\bhow (?:large|big)\b.*\b(?:total|altogether|overall|together)\b|^(?:the )?areas?$"
        r"|\bhow far does\b.*\b(?:extend|reach)\b",
    ),
    (
        "worst",
        r"\b(?:worst|largest|biggest|strongest|main|most (?:serious|severe|obvious|critical"
        r"|important|anomalous|suspicious)|stands? out most|matters? most|look\w* (?:at )?first"
        r"|(?:larger|worse) than)\b"
        r"|(?<!in )(?<!at )\bwhich (?:box|region|defect|anomaly|flaw|one|of (?:them|these))\b",
    ),
    (
        "box",
        rf"\b(?:{_REGION}|{_DEFECT}|row|number|no|nr|item|line|label) (?:number |no |nr )?"
        rf"(?P<number>\d{{1,3}}|{_CARDINAL})\b(?! percent)"
        rf"|^(?:and |what about |what is |the )*(?P<alone>\d{{1,3}}|{_NTH})(?: one)?$"
        rf"|\bthe (?P<nth>{_NTH}) (?:one|{_REGION}|{_DEFECT}|row)\b",
    ),
    (
        "count",
        r"\bhow many\b(?! (?:mm|cm|pixels?|percent|millimet\w*|inch\w*))|\bnumber of\b|\bcount\b"
        r"|\bmore than one\b|\bone or (?:more|several|two|many)\b|^(?:are there )?many$"
        rf"|\b(?:only|just|exactly) (?:the )?one\b|\bseveral\b|\bmany {_DEFECT}\b",
    ),
    (
        "advice",
        r"\b(?:scrap(?:ped|ping)?|reject(?:ed)?|accept(?:ed|able)?|ship(?:ped|ping)?|keep|discard"
        r"|rework(?:ed)?|repair(?:ed)?|release|deliver(?:ed)?|sort (?:it |this )?out|throw|bin it"
        r"|recommend\w*|suggest\w*|advi[cs]e|proceed|pass (?:it|this) on|send (?:it|this)"
        r"|next step)\b|\bwhat (?:should|shall|must|can|do) (?:i|we) do\b|\bwhat would you do\b"
        rf"|^what (?:now|next)$|\b(?:can|may|should|could) (?:i|we|{_IT}) (?:still )?(?:be )?use"
        r"|\bwhat to do\b|\bhow (?:should|do) (?:i|we) (?:go on|continue|proceed)\b|\bstill us",
    ),
    (
        "severity",
        r"\b(?:sever\w+|serious\w*|critical|grave|how bad|how badly|worry|worried|cosmetic|minor"
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
        r"|regions|spots)|limited to|spread|remaining)\b|\bwhich (?:areas|parts|places|regions)\b"
        rf"|\bwhere\b.*\b{_GOOD}\b",
    ),
    (
        "where",
        r"\b(?:where\w*|locat\w+|positions?|point to|show me|place of|at what place|coordinates?"
        r"|in which (?:area|region|part|place|corner)"
        r"|(?:what|which) (?:part|place|area|corner|region|section) of)\b",
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
        r"|as (?:it|they) should)\b",
    ),
)
# A place turns these into a question about it.
_WITH_PLACE = frozenset(
    ("anomaly", "ok", "where", "see", "beyond", "open", "clean", "kind", "worst", "part")
)
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


# Nothing else can be meant by these, whatever other words there are.
_PLAIN = frozenset(intent for intent, _ in _INTENTS) - {"social", "beyond", "colour", "doubt"}
_PART_NAME = re.compile(r"\b(?:the|this|that|my|our|your|an?|these|dis)(?= (\w+(?: \w+)?))")
_COMMON = (
    "a an the this that these those it its they them he she we us our ours you your yours i me my"
    " mine is are was were be been being am do does did done has have had can could may might must"
    " shall should will would not no yes and or but if then than so as at by for from in into of"
    " off on onto out over to up with within without about again also already always any anybody"
    " anyone anything anywhere both each else even ever every everything exactly few finally get"
    " gets give given go goes going here how just kindly know let like little look looks lot make"
    " makes many maybe more most much need never new next now once one only other others please"
    " put quick quickly quite rather really roughly say says see seem seems shown some something"
    " somewhere soon still such sure take tell there thing things think too try two under very want"
    " well what when where whether which who whole whose why image photo picture part piece unit"
    " device product sample item component object workpiece specimen thing inspector inspection"
    " assembly customer colleague boss marked drawn draw drew red frame frames box boxes region"
    " regions row rows table number numbers heat dis gonna golden sample master percent explain"
    " mean means called call photos images pictures parts pieces products samples items objects"
)


@dataclass(frozen=True)
class Asked:
    """One thing that is asked for.

    Attributes:
        intent: "ok", "where", … as in `sentences`; "social" for courtesies, "beyond" for what no
            result can tell, "open" for what may be about the result and was not understood.
        words: the question as plain words.
        place: the part of the photo that is named.
        number: the region that is named, from 1 on.
        thing: what is asked for by name, with its article: "a short circuit".
        language: of the question where that is not English, such as "de"; "other" for unknown.
    """

    intent: str
    words: str
    place: Place | None = None
    number: int | None = None
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
        (each.intent, each.place, each.number): each for each in map(_asked, clauses(question))
    }
    asked = tuple(found.values())
    return tuple(each for each in asked if each.intent != "social") or asked


def _asked(clause: str) -> Asked:
    words = respelled(plain(clause), _known_words())
    whole, words = words, _OPENINGS.sub("", words)
    place = place_in(words)
    intent, found = _intent(words)
    if intent in ("beyond", "open") and _intent(whole)[0] == "social":
        return Asked("social", whole)
    thing = _THING.search(words)
    if intent in _PLAIN and _strangers(words, intent):
        intent = "beyond"
    if intent == "box" and found is not None:
        named = next(text for text in found.groupdict().values() if text)
        return Asked("box", words, number=int(named) if named.isdigit() else _FIRST[named])
    if place is not None and intent in _WITH_PLACE:
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
        and word not in _known_words()
        and not (asks is not None and asks.search(word))
    ]
    named = _PART_NAME.findall(words)
    own: list[str] = next((name.split() for name in named if {*name.split()} & {*strange}), [])
    return [word for word in strange if word not in own]


def _intent(words: str) -> tuple[str, re.Match[str] | None]:
    for intent, pattern in _compiled():
        if found := pattern.search(words):
            return intent, found
    is_open = _ABOUT_RESULT.search(words) and not _strangers(words, "open")
    return ("open" if is_open else "beyond"), None


@cache
def _compiled() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((intent, re.compile(pattern)) for intent, pattern in _INTENTS)


@cache
def _known_words() -> frozenset[str]:
    """Words that need no mending: those of the patterns, and of dialogues."""
    spelled = re.sub(r"\\[a-zA-Z]", " ", " ".join(pattern for _, pattern in _INTENTS))
    return inspection_words() | frozenset([*re.findall(r"[a-z]+", spelled), *_COMMON.split()])
