"""Open questions about a result, in many words, and answers that add nothing to it.

What a result tells is answered from the result (`anomalygpt.replies`); these are the questions
beyond: what one would look for, what to do, what a box means, a line for the log. An answer may
say what holds for any part, and what the result says about this one; what the photo does not tell
is declined. Phrasings in `held_out` are never trained on, only measured.

Templates as in `simulation.dialogues.english.wording`; besides its words they take {damages}, a
list of kinds of damage; {box}, {box_place}, {box_share} and {box_score} of a region that is asked
for; {term} and {meaning}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """One thing that people ask for.

    Attributes:
        asked: phrasings to train with.
        held_out: phrasings to measure with, of which none can be written out as one of `asked`.
        answers: by case, see `open_talk.case_of`; "any" where the case does not matter.
        needs_list: the answer takes numbers from the list of regions, if that was told before.
    """

    asked: tuple[str, ...]
    held_out: tuple[str, ...]
    answers: Mapping[str, tuple[str, ...]]
    needs_list: bool = False


_UNTOLD = (
    "[Which of them it is here, the photo does not tell.|What it is here, I cannot tell from the "
    "photo.|The comparison shows where, not what.]"
)
_LOOK = "[Look|Please look|I would look] at the {where} [first|yourself|closely]."
_FINE = "[Nothing stands out in this photo.|In this photo I see nothing that stands out.]"
_STANDS = "[Here {n} {places} stand{s} out, at the {where}.|In this photo it is the {where}.]"

TOPICS: dict[str, Topic] = {
    "kinds": Topic(
        (
            "What kinds of [damage|defects|flaws] [would you|should I|do people] look for on "
            "[such a part|a part like this|parts of this kind|{a_noun}]?",
            "Which [defects|kinds of damage|flaws] are [typical|common|usual] [for|on] [such "
            "parts|parts like this|{a_noun}]?",
            "What [can|could|may] go wrong with [a part like this|such a part|{a_noun}]?",
            "Name some [typical|common] [defects|flaws] of [such a part|{a_noun}].",
            "What would an inspector [look for|pay attention to] here?",
            "[List|Tell me] the [kinds of damage|defects] [to|that I should] look out for.",
        ),
        (
            "Which sorts of flaws does one usually search for on {a_noun}?",
            "If you had to train an inspector, what faults would you teach him to spot?",
            "What might be broken on things like this one?",
        ),
        {
            "none": (
                f"[Usually|On such parts] one looks for {{damages}}. {_FINE}",
                f"Typical are {{damages}}. {_FINE}",
                f"I would look for {{damages}}. {_FINE}",
            ),
            "some": (
                f"[Usually|On such parts] one looks for {{damages}}. {_UNTOLD} {_LOOK}",
                f"Typical are {{damages}}. {_STANDS} {_UNTOLD}",
                f"I would look for {{damages}}. {_UNTOLD} {_LOOK}",
            ),
        },
    ),
    "todo": Topic(
        (
            "What [exactly |]should I do [with this part now|about it, step by step|next, in "
            "detail]?",
            "[Give|Tell] me the [next|three] steps.",
            "How would you [proceed|go on] with this part[|, step by step]?",
            "[Walk|Lead] me through what to do[| now].",
            "What [is|would be] the [right|best] way to handle [it|this part]?",
            "I am new here. What do I do with [it|this part][| now]?",
        ),
        (
            "Put together a small plan for me: how do I deal with this item?",
            "My shift lead is away. How do I treat this piece correctly?",
        ),
        {
            "none": (
                "First, [check that the photo is sharp|look whether the photo is sharp and well "
                "lit]. Then let it [pass|go on]: nothing stands out. [Keep the photo for later.|A "
                "second look by eye costs little.]",
                "By the photo it may [pass|go on]; [look at it once by eye, since faint damage can "
                "escape me|take a second photo if you are in doubt].",
            ),
            "minor": (
                "First, set it aside. Second, look at the {where} by eye and by touch. Third, "
                "decide by your own limits: the affected area is minor.",
                "Look at the {where} [closely|in good light] before you decide; the affected area "
                "is minor. If it is only dirt, wipe it off and take a new photo.",
            ),
            "moderate": (
                "First, set it aside. Second, look at the {where}. Third, let somebody decide "
                "whether it can be reworked.",
                "Set it aside and mark the {where}. [Rework or scrap is for your rules to decide; "
                "the photo cannot.|Then ask who decides about rework.]",
            ),
            "severe": (
                "First, stop this part: set it aside and label it. Second, look at the {where}. "
                "Third, check the parts before and after it.",
                "I would not use it. Set it aside, mark the {where}, and [check the neighbours "
                "from the same run|tell who decides about scrap].",
            ),
        },
    ),
    "box": Topic(
        (
            "[Explain|Can you explain] [box|region] {box}[|, please|to me].",
            "What [is going on|can you say about what is] in [box|region] {box}?",
            "[Tell me more|What do you know] about [box|region] {box}[| in your own words]?",
            "Why did you mark [box|region] {box}?",
            "Help me understand [box|region] {box}.",
        ),
        (
            "Talk me through frame {box}, what made you draw it?",
            "I do not get rectangle {box}. What should I see in there?",
        ),
        {
            "none": (
                "There is no region {box}: nothing stands out in this photo.",
                "I have marked no region in this photo, so there is no region {box}.",
            ),
            "untold": (
                "Ask me where it is, and I list every region with its place and size. I cannot "
                "tell what a region is, only that the photo differs there from good parts.",
                "I have not listed the regions yet: ask me where they are. Each is a place where "
                "the photo differs from good parts; what it is, the photo does not say.",
            ),
            "beyond": (
                "There is no region {box}; {n} {places} [are|have been] marked, at the {where}.",
                "I have marked {n} only, so there is no region {box}.",
            ),
            "there": (
                "Region {box} lies at the {box_place} and covers {box_share} of the photo. There "
                "the photo differs from a good part; [what it is, I cannot tell|what it is, the "
                "photo does not say]. Its score is {box_score}, where 1 is the most.",
                "It is the place at the {box_place}, {box_share} of the photo, with score "
                "{box_score}. [I marked it because it differs from a good part.|It differs more "
                "than good parts differ among themselves.] Please look at it yourself.",
            ),
        },
        needs_list=True,
    ),
    "log": Topic(
        (
            "[Write|Give me] [an entry|a line|a note] for the shift [log|book].",
            "Summarise [it|this|the result] for the [shift log|next shift|log book].",
            "What do I [write|enter|put] in the [shift log|log book|inspection log]?",
            "[Draft|Word] a [log entry|note for the log], [please|short].",
        ),
        (
            "Phrase this so that I can copy it into tonight's shift record.",
            "Something short for the handover book, would you?",
        ),
        {
            "none": (
                "Part inspected by photo: nothing stands out. [No action.|Passed by the photo.]",
                "[Shift log|Log]: one part inspected, no anomaly found in the photo.",
            ),
            "some": (
                "Part inspected by photo: {n} {places} stand{s} out, at the {where}. [Set aside "
                "for a closer look.|To be checked by eye.]",
                "[Shift log|Log]: anomaly at the {where} ({severity} by area). Kind and cause not "
                "known. [Part set aside.|Closer look needed.]",
            ),
        },
    ),
    "causes": Topic(
        (
            "What [could|might|may] [have caused|be the reason for] [this|that|it]?",
            "[Where|How] [does|can] [such damage|something like this] [come from|happen]?",
            "What [usually|typically] causes [such damage|this|such defects]?",
            "How did [this|that|it] [happen|come about]?",
            "Who or what [is responsible|did this]?",
        ),
        (
            "Any idea what went wrong in production?",
            "Is there a likely reason behind the damage?",
        ),
        {
            "none": (
                "I see no damage, so there is nothing to find a cause for.",
                "I see no damage in this photo, so I know of no cause.",
            ),
            "some": (
                "A photo does not tell the cause. In general, marks come from [handling, transport "
                "or worn tools|tools, dirt or handling|transport, tools or the material itself]. "
                f"{_LOOK}",
                "I cannot tell that. [Handling, worn tools and dirt are common causes in general"
                "|In general one checks handling, tools and material]; what it was here, the photo "
                "does not show.",
            ),
        },
    ),
    "verify": Topic(
        (
            "How can I [make sure|be certain|verify that][| myself]?",
            "How do I [check|confirm|double-check] [that|this|it] [by eye|by hand|myself]?",
            "What [could|can] I do to be [more certain|surer]?",
            "How do I know that you did not [miss anything|make a mistake]?",
        ),
        (
            "Suppose I do not believe you. How would I test it?",
            "Which second test would convince me?",
        ),
        {
            "none": (
                "Look at it [in raking light|from several sides|with a magnifier], and compare it "
                "with a good part. [More photos of good parts help me as well.|Faint damage can "
                "escape me.]",
                "Take a second photo with other light and ask again. [Add more photos of good "
                "parts.|Then look at it by eye.]",
            ),
            "some": (
                "Look at the {where} [in raking light|with a magnifier|by touch], beside a good "
                "part. [If it is dirt, it wipes off.|A second photo with other light helps, too.]",
                "Wipe the {where} clean and take the photo again; what stays is no dirt. [More "
                "photos of good parts make me surer.|Then compare it with a good part by eye.]",
            ),
        },
    ),
    "function": Topic(
        (
            "Will [it|the part|this part] still [work|do its job|hold|function] [with that|like "
            "this]?",
            "Is [it|this] [dangerous|a safety problem|risky]?",
            "Can [it|the part] [fail|break] [because of that|in use]?",
            "Does [that|this] [affect|reduce|limit] [the function|its strength|how it works]?",
        ),
        (
            "Would you dare to build that into a machine?",
            "Could somebody get hurt if we sell it?",
        ),
        {
            "none": (
                "A photo cannot tell whether a part works. [I only see that nothing stands out.|"
                "What I can say: nothing stands out.]",
                "That I cannot tell from a photo; it shows the surface only, and nothing stands "
                "out there.",
            ),
            "some": (
                "A photo cannot tell whether it works. [What I can say: the {where} differs from a "
                "good part.|Until somebody has looked at the {where}, I would not use it.]",
                "I cannot tell that from a photo. Let somebody who knows its use look at the "
                "{where}.",
            ),
        },
    ),
    "simply": Topic(
        (
            "Explain [it|the result|this] [to a beginner|in simple words|as to a child].",
            "[Say|Tell me] [it|that] [more simply|in plain words].",
            "What does [that|all this|the result] mean [for me|in plain words]?",
            "I do not understand. Can you [put it|say it] [differently|more simply]?",
        ),
        (
            "Could you break that down for somebody who never did this?",
            "Once more, but without technical words.",
        ),
        {
            "none": (
                "I compared this photo with good parts, and it looks like them. So it seems fine.",
                "It looks as a good part should. I found nothing odd.",
            ),
            "some": (
                "I compared this photo with good parts. At the {where} it looks different, so "
                "somebody should look there.",
                "Something looks odd at the {where}. I cannot say what it is; please have a look.",
            ),
        },
    ),
    "message": Topic(
        (
            "[Write|Draft] [a message|an email|a note] to [my boss|the supplier|my colleague|the "
            "quality team][| about it].",
            "How do I tell [my boss|the supplier|the quality team]?",
            "[Help me write|I need] [a message|a note] for [my boss|the supplier|my colleague].",
        ),
        (
            "Put that into two sentences which I can send to the foreman.",
            "What would a polite mail to the vendor look like?",
        ),
        {
            "none": (
                "Hello, a part was inspected by photo and nothing stands out. Kind regards",
                "Hello, the photo inspection found no anomaly on this part. Best regards",
            ),
            "some": (
                "Hello, a part stood out in the photo inspection: {n} {places} at the {where}. "
                "Kind and cause are not known yet. Please have a look. Kind regards",
                "Hello, at the {where} of a part the photo differs from good parts, {severity} by "
                "area. Please check it before it goes on. Best regards",
            ),
        },
    ),
    "term": Topic(
        (
            "What is {a_term}?",
            "What does {a_term} [look like|mean]?",
            "What do you mean by {a_term}?",
            "[Explain|Describe] {a_term}[|, please].",
            "How do I recognise {a_term}?",
            "Can you explain what {a_term} is?",
        ),
        (
            "Our apprentice keeps saying {a_term}; what would that be?",
            "Define {a_term} for me.",
        ),
        {
            "none": (f"A {{term}} is {{meaning}}. {_FINE}", "It is {meaning}."),
            "some": (
                "A {term} is {meaning}. [Whether that is one here, the photo does not tell me.|"
                "What stands out at the {where} may be something else.]",
            ),
        },
    ),
    "photos": Topic(
        (
            "How [do|should|can] I take [better photos|a good photo|the photos]?",
            "What makes a good [photo|reference|reference photo]?",
            "[Which|How many] photos of good parts do you need?",
            "How can I [improve|help] your [answers|results|inspection]?",
        ),
        (
            "Any advice on lighting and camera for the next pictures?",
            "What should I change about the way I photograph?",
        ),
        {
            "any": (
                "Same camera, same light, same distance, and a plain ground. [Two to four photos "
                "of good parts are better than one.|The part should fill the photo and be sharp.]",
                "Take the part sharp, evenly lit and filling the photo, and the good parts in the "
                "same way. [Give me two to four of them.|Avoid reflections.]",
            ),
        },
    ),
    "claim": Topic(
        (
            "So the {wrong_kind} at the {wrong_place} is [two|three|five] millimetres [long|deep]?",
            "How [deep|long|old] is the {wrong_kind} at the {wrong_place}?",
            "[Why is|What about] the {wrong_kind} at the {wrong_place}[|, is it serious]?",
            "You said there is a {wrong_kind} at the {wrong_place}[, right|]?",
        ),
        (
            "My notes say {wrong_kind}, {wrong_place}, two millimetres. Correct?",
            "Is the {wrong_kind} you found at the {wrong_place} wider than a hair?",
        ),
        {
            "none": (
                "I did not find a {wrong_kind}: nothing stands out in this photo.",
                "There is nothing marked at the {wrong_place}; nothing stands out at all.",
            ),
            "some": (
                "I did not say that. What stands out lies at the {where}; what kind it is and how "
                "long, a photo without a scale does not tell.",
                "At the {wrong_place} I have marked nothing. It is the {where} that differs, and "
                "whether it is a {wrong_kind} I cannot tell.",
            ),
        },
    ),
}

DAMAGES = (
    "scratches", "dents", "cracks", "stains", "chipped edges", "missing pieces", "holes", "burrs",
    "bubbles", "discolouration", "corrosion", "dirt", "bent parts", "tears", "foreign bodies",
    "wrong or missing parts",
)  # fmt: skip
KINDS = ("scratch", "crack", "dent", "stain", "hole", "burr", "chip", "bubble")
# What a term means, after "is".
TERMS = {
    "scratch": "a thin line where something sharp has cut into the surface",
    "crack": "a break in the material that may go deep, often thin and branched",
    "dent": "a hollow where something has pressed the surface in without breaking it",
    "burr": "a thin raised edge that cutting or drilling makes",
    "chip": "a place where a small piece has broken off, mostly at an edge",
    "stain": "a spot of another colour that lies on the surface or has soaked in",
    "blowhole": "a hollow that gas has made in a casting",
    "blister": "a place where a coating has risen from what lies under it",
    "scuff": "a rubbed place where the surface has become dull",
    "foreign body": "something that does not belong to the part",
    "false alarm": "a good part that is taken for a bad one",
    "reference": "a photo of a good part that others are compared with",
    "heat map": "a picture that shows in colours where a photo differs from good parts",
    "tolerance": "how far a measure may be from what was planned",
}
