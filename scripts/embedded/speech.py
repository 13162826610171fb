"""Dialogues about a photo of which only the nine words are known; see `embedded.notation`.

Most turns are those of `simulation.dialogues`. The words do not tell the shape of a defect, nor
whether a photo of a good part was given, so these two things are answered without knowing. And
people say much that a photo has no answer to: the assistant declines, in many words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from embedded.notation import facts_of_words
from simulation.dialogues import Facts, inspection_dialogue
from simulation.dialogues.english.phrases import WORDS
from simulation.dialogues.english.questions import QUESTIONS
from simulation.dialogues.english.wording import as_typed, pick, say, sentence_case, with_article
from simulation.dialogues.inspection import MOST_TURNS
from simulation.dialogues.situations import fact_words

Turn = tuple[str, str]  # question, answer

_USUAL_TURNS, _LONG_SHARE = 8, 0.05
_OFF_TOPIC, _FORMED_SHARE = 0.18, 0.6
_NAMED_SHARE, _DESCRIBED_SHARE = 0.3, 0.1
_MOST_TRIES = 50

# How often people ask for what: first, later about a good part, later about another.
_WEIGHTS: dict[str, tuple[float, float, float]] = {
    "anomaly": (40, 5, 5),
    "ok": (10, 2, 2),
    "describe": (6, 2, 2),
    "where": (9, 3, 9),
    "count": (5, 3, 5),
    "size": (3, 2, 5),
    "coverage": (2, 1, 3),
    "largest": (1, 1, 3),
    "kind": (3, 2, 4),
    "shape": (1, 1, 2),
    "cell": (5, 5, 6),
    "clean": (2, 2, 3),
    "confirm": (1, 2, 4),
    "check": (4, 4, 4),
    "reference": (1, 2, 2),
    "severity": (2, 2, 5),
    "why": (0.5, 3, 3),
    "sure": (0.5, 3, 3),
    "doubt": (1, 3, 3),
    "advice": (2, 3, 5),
    "summary": (2, 2, 3),
    "unknown": (1, 2, 2),
    "identity": (2, 1.5, 1.5),
    "method": (1, 1.5, 1),
    "greeting": (3, 0.5, 0.5),
    "thanks": (0.5, 1.5, 1.5),
    "goodbye": (0, 1, 1),
}
# What is asked for again with another place or in other words; everything else comes up once.
_AGAIN = ("cell", "cell", "cell", "check", "check", "confirm", "where", "anomaly", "unknown")

# What people call the part in a question. The assistant keeps to "part": it sees no name.
NOUNS = (
    *("bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal nut", "pill"),
    *("screw", "tile", "toothbrush", "transistor", "wooden board", "zipper", "candle", "cashew"),
    *("circuit board", "pipe", "gear", "bearing", "bracket", "lid", "housing", "connector", "lens"),
    *("spring", "valve", "plate", "wheel", "label", "cap", "chip", "tube", "bag", "cup", "cloth"),
    *("panel", "ring", "bolt", "washer", "sheet", "casting", "socket", "plug", "switch", "blade"),
)
_NAMED = re.compile(r"\b(the|this) (?:part|object|item|piece)\b(?! of)")
_DESCRIPTIONS = (
    "This is a photo of {a_noun}.",
    "This is an image of {a_noun}, which should be without any damage, flaw or defect.",
    "This is a photo of {a_noun} for anomaly detection, which should be without any damage, flaw, "
    "defect, scratch, hole or broken part.",
    "The picture shows {a_noun}.",
    "Here is {a_noun}, which should be [clean|smooth|round|even|complete] and undamaged.",
)

PARTS = {
    "part": "[part|part|object|item|piece]",
    "a_part": "[a part|a part|an object|an item|a piece]",
}

# Neither depends on what the words leave open.
_ANSWERS: dict[str, dict[str, tuple[str, ...]]] = {
    "shape": {
        "none": (
            "I see no {defect}, so there is no shape to describe.",
            "There is no {defect}, and so no shape to describe.",
            "The {part} looks [fine|undamaged]; there is no shape to describe.",
            "I find nothing wrong, so there is no shape to speak of.",
            "As far as I can see, the {part} is fine, so there is no shape to describe.",
            "There is nothing to describe: I see no {defect}.",
        ),
        "some": (
            "I cannot tell its shape[| from the map]; the marked area shows it.",
            "Please look at the map for the shape; I only know that there is damage at the "
            "{where}.",
            "The map shows its shape better than I can say it[|: look at the {where}].",
            "I cannot describe the shape. I can say where it is: at the {where}.",
            "I do not know its shape; the map marks the area[| at the {where}].",
            "Its shape is hard to put into words for me; the marked area shows it.",
            "About the shape I cannot say anything; the map shows its outline.",
        ),
    },
    "reference": {
        "none": (
            "Where I have a photo of a good part, I compare with it; I see no difference that "
            "matters.",
            "I see no difference from a good {part} that matters.",
            "Compared with how a good {part} looks, I see nothing unusual.",
            "It looks like a good {part} to me: I see no {defect}.",
            "I find no difference that matters from a good {part}.",
        ),
        "one": (
            "Compared with how a good {part} looks, it differs at the {where}.",
            "It differs from a good {part} at the {where}: there is {a_defect}.",
            "The difference from a good {part} is at the {where}.",
            "Where I have a photo of a good part, I compare with it. What differs is at the "
            "{where}.",
            "At the {where} it looks different from a good {part}.",
        ),
        "many": (
            "Compared with how a good {part} looks, it differs at the {where}.",
            "It differs from a good {part} at the {where}: I see {n} {defects}.",
            "The differences from a good {part} are at the {where}.",
            "Where I have a photo of a good part, I compare with it. I see {n} differences, at "
            "the {where}.",
            "At the {where} it looks different from a good {part}.",
        ),
    },
}

# What no photo answers, well beyond the topics of the simulation.
_UNANSWERABLE = (
    "Is it still under warranty?",
    "How long is the [warranty|guarantee]?",
    "When [will it be delivered|does the next delivery arrive|is the delivery date]?",
    "Which customer [ordered|bought] it?",
    "Who is the customer?",
    "Who invented [it|this|such {part}s]?",
    "What will it cost next year?",
    "Is it [cheap|expensive]?",
    "Where can I [buy|order] [one|a new one|another one]?",
    "How many of them are [in stock|in the warehouse|on the truck]?",
    "Is it legal to [sell|export|use] it?",
    "Which [law|rule|standard|norm|regulation] applies to it?",
    "Does it meet [the ISO standard|ISO 9001|the European rules|the law]?",
    "What is the weather like[| today| tomorrow]?",
    "Will it rain [today|tomorrow|on Sunday]?",
    "Give me a recipe for [pancakes|soup|a cake|bread].",
    "What should I [cook|eat] [today|tonight]?",
    "Tell me a joke.",
    "Can you [sing a song|write a poem|tell me a story]?",
    "Who [won|will win] the [election|war|match|game]?",
    "What do you think of the [president|government|prime minister]?",
    "Write [a Python program|some code|a function] that [sorts a list|adds two numbers].",
    "How do I [install|update|restart] [the software|Windows|the program]?",
    "What is [two plus two|seven times eight|the square root of nine|12 times 12]?",
    "What is the capital of [France|Italy|Japan|Peru]?",
    "Who wrote [Hamlet|this book|the song]?",
    "What is the inspector's name?",
    "Who [inspected|checked|tested] it [before|yesterday|last]?",
    "Which [machine|line|shift|worker] [made|produced] it?",
    "What is the machine number?",
    "With [what torque|which torque] was it [tightened|fastened]?",
    "Is there a hidden crack inside?",
    "Are there [voids|bubbles|cavities|pores] inside the material?",
    "Is the inside [damaged|fine|hollow|rusty]?",
    "How hot did it get?",
    "Was it ever [too hot|frozen|overheated|wet]?",
    "What was the temperature [in the furnace|during production|yesterday]?",
    "How many hours has it been [in use|running]?",
    "When will it [break|fail]?",
    "How long will it [last|hold]?",
    "When was it last [serviced|repaired|cleaned|oiled]?",
    "Who [damaged|dropped|broke] it?",
    "Was it [dropped|hit|bent] [in transport|on purpose|by someone]?",
    "Did it happen [at night|on Monday|during transport|in the factory]?",
    "What is the [article|part|order|drawing|lot] number?",
    "What does the [data sheet|drawing|manual|contract] say?",
    "Which [screw|tool|glue|paint] do I need for it?",
    "How much [force|pressure|current|voltage] does it [take|need]?",
    "Is it [waterproof|fireproof|food safe|poisonous|radioactive|magnetic]?",
    "Does it [smell|taste] of anything?",
    "How does it feel?",
    "What sound does it make?",
    "How [fast|loud|heavy|strong|hard] is it?",
    "What is the [weight|hardness|density|melting point] of it?",
    "Is it made of [steel|plastic|aluminium|copper|rubber]?",
    "What is under the [surface|paint|label|coating]?",
    "What is [behind|under|next to] it, outside the {photo}?",
    "Which camera [was used|took this]?",
    "[When|At what time|Where] was this {photo} taken?",
    "Who took this {photo}?",
    "What time is it?",
    "What day is [it|today|tomorrow]?",
    "What is my name?",
    "How old [are you|am I]?",
    "Where do you live?",
    "Do you have [children|a family|friends|a dog]?",
    "What is your favourite [film|colour|song|food]?",
    "Do you like [music|football|movies|cats]?",
    "Are you married?",
    "Can you call [my boss|the supplier|a doctor|the police]?",
    "Please [send|write] an email to [the supplier|my boss|the customer].",
    "[Book|Order] [a table|a taxi|a new one|a pizza] for me.",
    "Translate this into [German|French|Spanish].",
    "Which [shares|stocks] should I buy?",
    "I have a headache, what should I [do|take]?",
    "How do I get to the [station|airport|office]?",
    "Who is the [boss|owner|manager] [here|of the company]?",
    "How many [people|workers] work [here|in the factory]?",
    "What did [the last|the previous|the next] {part} look like?",
    "How many [bad|defective|good] {part}s were there [today|this week|last month]?",
    "What is the [scrap rate|yield|cycle time]?",
    "Will the customer [accept|notice|return] it?",
    "What is the meaning of life?",
    "Is there life on Mars?",
)
# Whose words are put together anew each time, so that what is asked counts and not one wording.
_MADE = "[made|cast|cut|pressed|welded|painted|packed|sold|printed|sewn|baked|drilled|glued]"
_DONE = (
    "[washed|cleaned|repaired|painted|heated|frozen|opened|used|moved|weighed|tested|measured|sold"
    "|touched|dried|polished|X-rayed|treated|stored|exposed to sunlight|replaced]"
)
_WHO = (
    "[the operator|my colleague|the customer|the supplier|the last inspector|the manager"
    "|the night shift|the driver|the designer|the person before me|the auditor|the lab]"
)
_WHEN = "[yesterday|last week|this morning|in the spring|on Monday|before|last year|recently]"
_STUFF = (
    "[water|oil|acid|soap|alcohol|solvent|lead|sugar|salt|zinc|wool|gluten|silicone|recycled"
    " material|chlorine|chrome|cotton|glass fibre]"
)
_UNSEEN = (
    "[the back|the inside|the other side|the bottom|the core|the lining|the far side|the packaging]"
)
_FORMED = (
    f"Has it [ever |already |]been {_DONE}[| {_WHEN}| by {_WHO}]?",
    f"[Was|Has] it [been |]{_DONE} with {_STUFF}[| {_WHEN}]?",
    f"Was this {{part}} {_DONE} [by {_WHO}|{_WHEN}|at the right temperature|in another country]?",
    f"[Which|What] [machine|worker|robot|company|factory|tool|team|supplier] {_MADE} [it|this]?",
    f"Who {_MADE} [it|this|this {{part}}|these]?",
    f"[When|Where|How|Why|By whom|In which hall] was [it|this {{part}}] {_MADE}?",
    f"How [often|many times|long|recently] [has it been|was it] {_DONE}[| {_WHEN}]?",
    f"How [many|few] [of these|of them|others|more {{part}}s] [were|have been|will be] {_MADE}"
    f"[| {_WHEN}| in this factory]?",
    "How [many|much] [{part}s|of this] [is|are] [left|there in the box|on order|in the store]?",
    "How long [did|does] it take to [make|pack|clean|repair|deliver|cool|print] [it|one|them]?",
    f"What did {_WHO} [say|write|note|decide|find|report|think|ask][| {_WHEN}| about it]?",
    f"Did {_WHO} [see|check|sign|approve|touch|order|notice|complain about] [it|this][| {_WHEN}]?",
    f"[Does it contain|Is there] [any |]{_STUFF}[| in it| in the material]?",
    f"What [colour|material|temperature|shape] [is|has] {_UNSEEN}?",
    f"What does {_UNSEEN} look like?",
    f"What [is|was] [on|in|behind|next to] [the shelf|the box|the other pallet|it] {_WHEN}?",
    f"How [thick|heavy|warm|old|hard|strong] is [it|the coating|the wall|{_UNSEEN}]?",
    "[Would|Will|Can] it [survive|withstand|stand] [a fall|the heat|rain|the winter|ten more years"
    "|boiling water|transport|the dishwasher]?",
    "Can [it|this|the {part}] be [recycled|returned|exported|resold|refrozen|exchanged|insured]"
    "[| where I live| next year| for free]?",
    "Is [it|this] [in stock|for sale|certified|insured|patented|edible|recyclable|organic|heavy|new"
    "|on the list|already paid|the latest version|a copy|conductive]?",
    "Is [the tax|the postage|the battery|the lid|a manual|the service] [included|paid|ordered]?",
    "Does [it|this] come with [a manual|a box|a spare part|a certificate|batteries|a discount]?",
    "[When|Where] [will|does] [the spare part|the next batch|the truck|the technician|the invoice]"
    " [arrive|come|leave|start]?",
    "How much [does|did] [it|the material|the repair|the tool|one of them] [cost|weigh]?",
    "How much [energy|water|steel|money|time] [goes into it|does it need|was used]?",
    "Which [norm|certificate|contract|drawing|version|batch|shift|country|recipe] [is it from|does"
    " it belong to|does it follow|was used]?",
    "What [sound|noise|smell|taste] does it [make|have]?",
    "[Who|Which company] [owns|designed|ordered|invented|insured|delivered] [it|this|them]?",
    "What is [the serial number|the batch|the price|the delivery date|the owner's name|the recipe"
    "|the password|the number of the pallet|the torque|the humidity in the hall]?",
    "How is [the team|business|the weather|your day|the new machine] [today|doing|going]?",
    "[Please|Could you|Can you] [order a new one|print a label|phone the boss|open the door|stop"
    " the machine|book the truck|pay the invoice|remind me tomorrow|zoom out].",
)
_UNANSWERED = (
    "I cannot tell that from the {photo}. I only speak about visible damage.",
    "That is not something the {photo} shows; ask me whether something is wrong, or where.",
    "I cannot tell that from the {photo}.",
    "The {photo} does not show that.[| Ask me about visible damage.]",
    "I do not know that; I only see the {photo}.",
    "That is beyond what a photo shows. I can tell you what looks wrong, and where.",
    "Sorry, I [cannot tell|do not know] that.[| I only look for damage in the {photo}.]",
    "I have no answer to that: I only look at the {photo}.",
    "I cannot answer that. [I only speak about visible damage|Ask me about damage in the {photo}].",
    "For that you need other sources; I only see what the {photo} shows.",
)

_MEASURES = (
    "How many [millimetres|millimeters|mm|centimetres|inches] [long|wide] is it?",
    "What is its [exact|] length in [millimetres|mm|centimetres|inches]?",
    "How [long|wide|deep|tall] is it exactly?",
    "How deep is [it|the scratch|the damage]?",
    "Give me the [size|length|width|diameter|area] in [millimetres|mm|square millimetres].",
    "What is the diameter?",
    "Is it [longer|wider|larger] than [two|three|five|ten] [millimetres|mm|centimetres]?",
    "What are the dimensions of the {part}?",
    "How many [pixels|millimetres|mm] [is it|from the edge is it]?",
    "What is the exact position in millimetres?",
)
_MEASURED = (
    "I cannot tell the real size without a scale in the {photo}.",
    "The {photo} has no scale, so I cannot give [a length|a real size|measurements].",
    "I cannot measure that; without a scale a photo does not show real sizes.",
    "For that you have to measure it: I only know shares of the {photo}.",
    "I know no real sizes, only which share of the {photo} is affected.",
    "That I cannot measure. I can only tell which share of the {photo} is damaged.",
)

_CHATTED = (
    "I only speak about the {part} in the {photo} and what looks wrong with it.",
    "Let us stay with the {photo}: ask me whether something is wrong, or where.",
    "That is beside my task. I look for damage in the {photo}.",
    "I can only help with the {photo}. [Ask me about visible damage.|Shall we look at it?]",
    "I am only here to inspect the {part}[.|; ask me about visible damage.]",
    "Sorry, I only talk about visible damage[.| in the {photo}.]",
    "About that I cannot say anything. Ask me about the {photo}.",
    "I am an inspection assistant and only speak about the {photo}.",
)

# Lines of everyday dialogues that could be meant for the assistant, or are no more than manners.
_MAY_BE_MEANT = re.compile(
    r"\b(wrong|br[oe]ken?|damage\w*|defect\w*|fault\w*|anomal\w*|crack\w*|scratch\w*|holes?|stain\w*"
    r"|dent\w*|flaws?|sure|certain|why|where|really|how (many|big|large|bad|much|come|do you know)"
    r"|images?|photos?|pictures?|look\w*|see|saw|notice\w*|thanks?|thank|hello|hi|hey|bye|goodbye"
    r"|mean|ok|okay|fine|parts?|reports?|reject\w*|accept\w*|should i|who are you|what are you"
    r"|your name|good (morning|evening|afternoon|night|day)|problems?|issues?|serious|severe"
    r"|left|right|top|bottom|cent(er|re)|middle|small|large|explain|disagree|mistake\w*)\b",
    re.IGNORECASE,
)


def is_chatter(line: str) -> bool:
    """Whether a line of a dialogue surely has nothing to do with a photo of a part."""
    return 3 <= len(line.split()) <= 25 and not _MAY_BE_MEANT.search(line) and "#" not in line


def dialogue(
    words: Sequence[int], generator: np.random.Generator, chatter: Sequence[str] = ()
) -> list[Turn]:
    """A dialogue about a photo with these words; no question comes twice.

    Args:
        words: nine ids; see `embedded.notation`.
        generator: source of chance; the same state gives the same dialogue.
        chatter: what people say about other things; without any they only ask about them.

    Returns:
        (question, answer) in order, mostly 1 to 8 of them and at most 20.
    """
    facts = facts_of_words(words)
    known = {**WORDS, **PARTS, **fact_words(facts)}
    kinds = _plan(facts, _turn_count(generator), generator)
    own = [name for name in kinds if name not in ("off-topic", *_ANSWERS)]
    told = iter(inspection_dialogue(facts, generator, intents=own))
    asked: set[str] = set()
    turns = []
    for name in kinds:
        if name == "off-topic":
            turn = _new(partial(_off_topic, known, generator, chatter), asked)
        elif name in _ANSWERS:
            turn = _new(partial(_unknowing, name, facts, known, generator), asked)
        else:
            turn = next(told)
        turns.append(turn)
    return _with_names(turns, generator)


def _turn_count(generator: np.random.Generator) -> int:
    if generator.random() < _LONG_SHARE:
        return int(generator.integers(_USUAL_TURNS, MOST_TURNS, endpoint=True))
    return int(generator.integers(1, _USUAL_TURNS, endpoint=True))


def _plan(facts: Facts, count: int, generator: np.random.Generator) -> list[str]:
    """What the turns are about. People ask in any order."""
    column = 2 if facts.defects else 1
    left = [*_WEIGHTS, *_AGAIN]
    chosen: list[str] = []
    while len(chosen) < count:
        if generator.random() < _OFF_TOPIC:
            chosen.append("off-topic")
            continue
        weights = [_WEIGHTS[name][column if chosen else 0] for name in left]
        limits = np.cumsum(weights)
        drawn = int(np.searchsorted(limits, generator.random() * limits[-1], side="right"))
        chosen.append(left.pop(drawn))
    return chosen


def _new(make: Callable[[], Turn], asked: set[str]) -> Turn:
    """A turn whose question has not been asked yet, if there is one."""
    for _ in range(_MOST_TRIES):
        question, answer = make()
        if question not in asked:
            break
    asked.add(question)
    return question, answer


def _unknowing(
    name: str, facts: Facts, known: Mapping[str, str], generator: np.random.Generator
) -> Turn:
    """The answer about what the words leave open."""
    answers = _ANSWERS[name]
    case = ("none", "one", "many")[min(facts.count, 2)]
    template = pick(answers[case if case in answers else "some"], generator)
    return _said(pick(QUESTIONS[name], generator), template, known, generator)


def _off_topic(
    known: Mapping[str, str], generator: np.random.Generator, chatter: Sequence[str]
) -> Turn:
    drawn = generator.random()
    if drawn < 0.15:
        return _said(pick(_MEASURES, generator), pick(_MEASURED, generator), known, generator)
    if drawn < 0.7 or not chatter:
        questions = _FORMED if generator.random() < _FORMED_SHARE else _UNANSWERABLE
        return _said(pick(questions, generator), pick(_UNANSWERED, generator), known, generator)
    line = pick(chatter, generator)
    fitting = (*_CHATTED, *_UNANSWERED) if line.rstrip().endswith("?") else _CHATTED
    return line, sentence_case(say(pick(fitting, generator), known, generator))


def _said(
    question: str, answer: str, known: Mapping[str, str], generator: np.random.Generator
) -> Turn:
    asked = as_typed(sentence_case(say(question, known, generator)), generator)
    return asked, sentence_case(say(answer, known, generator))


def _with_names(turns: list[Turn], generator: np.random.Generator) -> list[Turn]:
    """Sometimes the person says what the part is; the answers stay as they are."""
    noun = pick(NOUNS, generator)
    named, described = generator.random(2) < (_NAMED_SHARE, _DESCRIBED_SHARE)
    if named:
        turns = [(_NAMED.sub(rf"\1 {noun}", question), answer) for question, answer in turns]
    if described:
        sentence = say(pick(_DESCRIPTIONS, generator), {"a_noun": with_article(noun)}, generator)
        turns[0] = (f"{sentence} {turns[0][0]}", turns[0][1])
    return turns
