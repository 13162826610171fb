"""Answers about the part and its defects: whether something is wrong, where, how many, how large,
how bad, what kind and what shape. By intent and case; see `answers`.
"""

from __future__ import annotations

from simulation.dialogues.english.phrases import A_DEFECT, EXTRA_MANY, EXTRA_ONE, IS_AT_MANY
from simulation.dialogues.published import NORMAL_ANSWER

_SEE = "[I see|I find|I can see|I notice|there is]"
_WRONG = (
    "[no {defect}|no damage|no sign of damage|nothing wrong|nothing unusual|nothing out of place]"
)
_ON_IT = "[| [in|on] the {photo}| on the {part}| on this {part}]"
_OPEN_ONE = "[there is|I see|I can see|I found|I notice]"
_OPEN_MANY = "[there are|I see|I can see|I count|I found]"
_IS_WRONG = "[something is wrong|the {part} is damaged|the {part} is not fine]"
_LOOKS_FINE = "[looks|seems] [fine|undamaged|normal|as it should be]"

# Where a question about a defect meets a good part.
_NO_DEFECT = (
    "I see no {defect}, so there is [nothing to {ask}|no {ask_noun}].",
    "There is [nothing to {ask}|no {ask_noun}]: the {part} " + _LOOKS_FINE + ".",
    "I [find|see] nothing wrong, and so there is no {ask_noun}.",
    "As far as I can see, the {part} is [fine|undamaged], so there is no {ask_noun}.",
    "There is [no {defect}|no damage] [in the {photo}|on the {part}], and so no {ask_noun}.",
    "The {part} " + _LOOKS_FINE + "; there is nothing to {ask}.",
    "I have nothing to {ask}: [I see no {defect}|the {part} " + _LOOKS_FINE + "].",
    "I would {ask} it if there were one, but I see no {defect}.",
)

DEFECT_ANSWERS: dict[str, dict[str, tuple[str, ...]]] = {
    "anomaly": {
        "none": (
            NORMAL_ANSWER,
            NORMAL_ANSWER,
            f"No, {_SEE} {_WRONG}{_ON_IT}.",
            f"No, {_SEE} {_WRONG}.[| The {{part}} {_LOOKS_FINE}.| Everything looks fine.]",
            f"No, [the|this] {{part}} {_LOOKS_FINE}.",
            f"No, [the|this] {{part}} {_LOOKS_FINE}. [I see|I find] {_WRONG}.",
            "No. [The {part} is fine|I see nothing wrong|I find no {defect}|Everything is fine].",
            "No, [as far as I can see,|judging by the {photo},] the {part} is [fine|undamaged].",
            "No, there are no {defects} [in the {photo}|on the {part}].",
        ),
        "one": (
            "Yes, there is an anomaly in the image, at the {named} of the image.",
            "Yes, there is an anomaly in the image, at the {named} of the image.",
            f"Yes, {_OPEN_ONE} {A_DEFECT} at the {{where}}[| of the {{photo}}].{EXTRA_ONE}",
            f"Yes, [the|this] {{part}} [has|shows] {A_DEFECT} at the {{where}}.{EXTRA_ONE}",
            f"Yes. {_OPEN_ONE} {A_DEFECT} at the {{where}}[| of the {{photo}}].",
            f"Yes, at the {{where}} {_OPEN_ONE} {A_DEFECT}.{EXTRA_ONE}",
            f"Yes, {_IS_WRONG}: {_OPEN_ONE} {A_DEFECT} at the {{where}}.",
            "Yes. [Look|Please look] at the {where}: there is {a_defect}.",
        ),
        "many": (
            "Yes, there are {digits} anomalies in the image, they are at the {named} of the image.",
            "Yes, there are {digits} anomalies in the image, they are at the {named} of the image.",
            f"Yes, {_OPEN_MANY} {{n}} {{defects}}, at the {{where}}.{EXTRA_MANY}",
            f"Yes, {_OPEN_MANY} {{n}} {{defects}}, at the {{where}} of the {{photo}}.",
            f"Yes, [the|this] {{part}} [has|shows] {{n}} {{defects}}: {IS_AT_MANY}.{EXTRA_MANY}",
            f"Yes. {_OPEN_MANY} {{n}} {{defects}}; {IS_AT_MANY}.",
            f"Yes, at the {{where}} {_OPEN_MANY} {{n}} {{defects}} in total.{EXTRA_MANY}",
            f"Yes, {_IS_WRONG}: {_OPEN_MANY} {{n}} {{defects}}, at the {{where}}.",
        ),
    },
    "ok": {
        "none": (
            "It looks [fine|undamaged|as it should].[| I see nothing wrong.| I see no {defect}.]",
            "Everything [looks|seems] [fine|in order][| to me].[| I see no damage.]",
            "As far as I can see, [the {part}|everything] is [fine|in order|undamaged].",
            "[The|This] {part} {fine_verb}[|: I find no {defect}|: I see no damage].",
            "I see [no {defect}|nothing wrong|nothing unusual], so the {part} looks fine[| to me].",
            "All fine[|, as far as the {photo} shows]: I see [no {defect}|no damage].",
        ),
        "one": (
            f"It is not fine: {_OPEN_ONE} {A_DEFECT} at the {{where}}.{EXTRA_ONE}",
            f"I would not call it fine: {_OPEN_ONE} {A_DEFECT} at the {{where}}.{EXTRA_ONE}",
            f"Unfortunately it is not fine. {_OPEN_ONE} {A_DEFECT} at the {{where}}.",
            f"There is a problem at the {{where}}: {_OPEN_ONE} {A_DEFECT}.",
            f"The {{part}} is not in order. Look at the {{where}}: {_OPEN_ONE} {A_DEFECT}.",
            f"Sorry, but {_OPEN_ONE} {A_DEFECT} at the {{where}}, so it is not fine.",
        ),
        "many": (
            f"It is not fine: {_OPEN_MANY} {{n}} {{defects}}, at the {{where}}.{EXTRA_MANY}",
            f"I would not call it fine: {_OPEN_MANY} {{n}} {{defects}}; {IS_AT_MANY}.",
            f"Unfortunately it is not fine. {_OPEN_MANY} {{n}} {{defects}}, at the {{where}}.",
            f"There is a problem: {_OPEN_MANY} {{n}} {{defects}}, at the {{where}}.{EXTRA_MANY}",
            f"The {{part}} is not in order: {_OPEN_MANY} {{n}} {{defects}}; {IS_AT_MANY}.",
        ),
    },
    "where": {
        "none": _NO_DEFECT,
        "one": (
            "[It is|You find it|I see it|It sits|It lies] at the {where}[| of the {photo}].",
            "At the {where}[| of the {photo}|, as far as I can see].{extra_one}",
            f"{_OPEN_ONE} {A_DEFECT} at the {{where}}[| of the {{photo}}].",
            "[Look|Please look] at the {where}[| of the {photo}].{extra_one}",
            "The {defect} is at the {where}[| of the {photo}].{extra_one}",
            "It is mostly at the {where}[| of the {photo}|; the map shows it in detail].",
        ),
        "many": (
            "[They are|You find them|I see them|They lie] at the {where}[| of the {photo}].",
            "At the {where}[| of the {photo}|, as far as I can see].{extra_many}",
            f"{_OPEN_MANY} {{n}} {{defects}}, at the {{where}}[| of the {{photo}}].",
            "[Look|Please look] at the {where}[| of the {photo}].{extra_many}",
            "The {n} {defects} are at the {where}[| of the {photo}].{extra_many}",
            "There are {n} {defects}: {look_many}.",
        ),
    },
    "count": {
        "none": (
            "I [count|see|find] [none|zero]: the {part} " + _LOOKS_FINE + ".",
            "There are no {defects}[| in the {photo}| on the {part}].",
            "Zero. [I see no {defect}|The {part} " + _LOOKS_FINE + "].",
            "I see no {defect}, so the count is zero.",
            "The count is zero[|: I see no {defect}|: the {part} " + _LOOKS_FINE + "].",
            "I do not see any {defect}.",
        ),
        "one": (
            "[Only|Just|Exactly] one[|, at the {where}].{extra_one}",
            "There is [only one|one|just one] {defect}[|, at the {where}| in the {photo}].",
            "I [count|see|find] [one|only one|1] {defect}[|, at the {where}].",
            "It is a single {defect}[| at the {where}|, at the {where}].",
            "One {defect}[|, at the {where}|, as far as I can see].",
            "A single one[|, at the {where}].{extra_one}",
        ),
        "many": (
            "{n} {defects}[|, at the {where}|, as far as I can see].",
            "There are {n} [of them|{defects}].{extra_many}",
            "I [count|see|find] {n} {defects}[|, at the {where}].",
            "[In total|Altogether] there are {n} {defects}.{extra_many}",
            "{n}: {look_many}.",
            "Several: {n} {defects}[| in total], at the {where}.",
        ),
    },
    "size": {
        "none": _NO_DEFECT,
        "one": (
            "It is {size}[|: it covers {share} of the {photo}| and covers {share} of the {photo}].",
            "I would call it {size}[|; it covers {share} of the {photo}].",
            "[It covers|It takes up|The {defect} covers] {share} of the {photo}, which is {size}.",
            "A {size} {defect}[|: it covers {share} of the {photo}].",
            "The {defect} at the {where} is {size}[|: {share} of the {photo}].",
            "[Rather|I would say] {size}[|, with {share} of the {photo}].",
        ),
        "many": (
            "The largest is {size}[|: it covers {share} of the {photo}].[| {together}]",
            "The largest, at the {largest}, is {size}.[| {together}]",
            "I would call the largest one {size}[|; it covers {share} of the {photo}].",
            "The largest one covers {share} of the {photo}, which is {size}.[| {together}]",
            "They differ, but the largest is {size}.[| {together}]",
            "The {defect} at the {largest} is the largest, and it is {size}.",
        ),
    },
    "coverage": {
        "none": (
            "As far as I can see, 0 percent: I see no {defect}.",
            "The {part} " + _LOOKS_FINE + ", so the damaged share is 0 percent.",
            "I see no damage, so it is 0 percent of the {photo}.",
            "It is zero percent: there is no {defect}[| in the {photo}].",
            "There is no damage to measure; the share is 0 percent.",
            "Zero percent. I find nothing wrong.",
        ),
        "one": (
            "{total} of the {photo}.",
            "It covers {total} of the {photo}[|, as far as I can tell| in total].",
            "[The damage|The damaged area] [covers|takes up|makes up] {total} of the {photo}.",
            "I estimate {total} of the {photo}[|; the map shows the area].",
            "In total, {total} of the {photo} is [damaged|affected].",
            "The damaged share is {total}[| of the {photo}].",
        ),
        "many": (
            "{total} of the {photo} in total.",
            "Together they cover {total} of the {photo}[|, as far as I can tell].",
            "The damaged areas together [take up|cover|make up] {total} of the {photo}.",
            "I estimate {total} of the {photo} in total[|; the map shows the areas].",
            "In total, {total} of the {photo} is [damaged|affected].",
            "The {n} {defects} together cover {total} of the {photo}.",
        ),
    },
    "severity": {
        "none": _NO_DEFECT,
        "some": (
            "I would call it {severity}[|: {total} of the {photo} is affected in total].",
            "It looks {severity}[| to me].[| {rated}]",
            "Going by [its extent|the affected area], it is {severity}.",
            "I rate the damage as {severity}.[| {rated}]",
            "Rather {severity}, [I would say|I think|in my view].[| {rated}]",
            "The damage is {severity}: in total it covers {total} of the {photo}.",
            "By the area, {severity}. How much it matters depends on the use of the {part}.",
        ),
    },
    "kind": {
        "none": _NO_DEFECT,
        "one": (
            "It [resembles|looks like|looks most like] {kinds}[|, at the {where}].",
            "I would call it {kinds}[| at the {where}].[| It is {size}.]",
            "[Probably|Most likely] {kinds}[|, at the {where}].[| I would call it {severity}.]",
            "It could be {kinds}; at least that is what it resembles.",
            "At the {where} I see what looks like {kinds}.",
            "What I see at the {where} resembles {kinds} the most.",
        ),
        "many": (
            "They [resemble|look like|look most like] {kinds}.",
            "I see what looks like {kinds}[|; look at the {where}].",
            "I would [speak of|call them] {kinds}.[| The largest is {size}.]",
            "[Probably|Most likely] {kinds}[|, at the {where}].",
            "What I see at the {where} resembles {kinds}.",
        ),
        "mixed": (
            "Some of it resembles {kinds}; I cannot name the rest.",
            "I recognise {kinds}. About the others I cannot say.",
            "I would speak of {kinds}; the others I cannot name[|, I only see where they are].",
            "Partly it looks like {kinds}. For the rest I cannot tell the kind.",
        ),
        "unnamed_one": (
            "I cannot name the kind. [I see|It is] a {size}, {shape} {defect} at the {where}.",
            "The {photo} does not tell me the kind; [it is|I see] a {shape} {defect}.",
            "I can only say that it is {shape} and {size}, at the {where}.",
            "I cannot say what caused it. It is a {shape} {defect} at the {where}.",
            "It is {shape} and {size}; I do not know the kind.",
        ),
        "unnamed_many": (
            "I cannot name the kinds. The largest is {shape} and {size}.",
            "The {photo} does not tell me the kinds; the largest one is {shape}.",
            "I can only say where they are, at the {where}, and that the largest is {shape}.",
            "I cannot say what caused them. The largest, at the {largest}, is {shape}.",
        ),
    },
    "shape": {
        "none": _NO_DEFECT,
        "one": (
            "It is {shape}[|, more {like}].",
            "It looks {shape}[|, and it is {size}].",
            "I would call it {shape}[|: it is more {like}].",
            "More {like}: it is {shape}.",
            "The {defect} at the {where} is {shape}.",
            "Its shape is {shape}[|, as far as I can see].",
        ),
        "many": (
            "The largest is {shape}[|, more {like}].",
            "The largest one looks {shape}[|, and it is {size}].",
            "They differ; the largest, at the {largest}, is {shape}.",
            "I would call the largest one {shape}.",
            "The one at the {largest} is the largest, and it is {shape}.",
        ),
    },
    "largest": {
        "none": _NO_DEFECT,
        "one": (
            "There is only one {defect}, at the {where}[| of the {photo}].",
            "I see only one, at the {where}[|, and it is {size}].",
            "There is just one: {a_defect} at the {where}.{extra_one}",
            "Only one is there, at the {where}[| of the {photo}].{extra_one}",
        ),
        "many": (
            "The one at the {largest}[| of the {photo}].[| It is {size}.]",
            "The largest is at the {largest}[| and covers {share} of the {photo}].",
            "[Look|Please look] at the {largest} first[|: that one is {size}].",
            "The {defect} at the {largest} stands out most[|: it is {size}].",
            "The largest of the {n} is at the {largest}[|, and it is {size}].",
            "At the {largest}: that one covers {share} of the {photo}.",
        ),
    },
}
