"""What the assistant answers, by intent and case. Templates; see `wording`.

Yes and No, one rule: only the answer to whether something is wrong ("anomaly") begins with "Yes"
or "No"; "Yes" always means that something is, "No" that nothing is. No other answer begins with
one of these words or with a word that starts like them ("Not", "Nothing"), so that the first
token of the verdict means one thing only. A question such as "Is the part OK?" is answered with
"It looks fine" or "It is not fine".

Words for places, sizes, shares and severities come in through braces only, so that no template
can state a fact that the masks did not give.
"""

from __future__ import annotations

from simulation.dialogues.published import NORMAL_ANSWER

_SEE = "[I see|I find|I can see|I notice|there is]"
_WRONG = (
    "[no {defect}|no damage|no sign of damage|nothing wrong|nothing unusual|nothing out of place]"
)
_ON_IT = "[| [in|on] the {photo}| on the {part}| on this {part}]"
_OPEN_ONE = "[there is|I see|I can see|I found|I notice]"
_OPEN_MANY = "[there are|I see|I can see|I count|I found]"
_IS_WRONG = "[something is wrong|the {part} is damaged|the {part} is not fine]"
_A_DEFECT = "[{a_defect}|a {size} {defect}]"
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

_EXTRA_ONE = (
    "[|| It covers {share} of the {photo}.| I would call it {severity}.| It looks {severity}."
    "| The rest looks fine.]"
)
_EXTRA_MANY = (
    "[|| The largest is {size}.| Together they cover {total} of the {photo}."
    "|{and_largest}| I would call the damage {severity}."
    "| The largest is {size} and covers {share} of the {photo}.]"
)
_IS_AT_MANY = "[they are|you find them|I see them|look] at the {where}"

ANSWERS: dict[str, dict[str, tuple[str, ...]]] = {
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
            f"Yes, {_OPEN_ONE} {_A_DEFECT} at the {{where}}[| of the {{photo}}].{_EXTRA_ONE}",
            f"Yes, [the|this] {{part}} [has|shows] {_A_DEFECT} at the {{where}}.{_EXTRA_ONE}",
            f"Yes. {_OPEN_ONE} {_A_DEFECT} at the {{where}}[| of the {{photo}}].",
            f"Yes, at the {{where}} {_OPEN_ONE} {_A_DEFECT}.{_EXTRA_ONE}",
            f"Yes, {_IS_WRONG}: {_OPEN_ONE} {_A_DEFECT} at the {{where}}.",
            "Yes. [Look|Please look] at the {where}: there is {a_defect}.",
        ),
        "many": (
            "Yes, there are {digits} anomalies in the image, they are at the {named} of the image.",
            "Yes, there are {digits} anomalies in the image, they are at the {named} of the image.",
            f"Yes, {_OPEN_MANY} {{n}} {{defects}}, at the {{where}}.{_EXTRA_MANY}",
            f"Yes, {_OPEN_MANY} {{n}} {{defects}}, at the {{where}} of the {{photo}}.",
            f"Yes, [the|this] {{part}} [has|shows] {{n}} {{defects}}: {_IS_AT_MANY}.{_EXTRA_MANY}",
            f"Yes. {_OPEN_MANY} {{n}} {{defects}}; {_IS_AT_MANY}.",
            f"Yes, at the {{where}} {_OPEN_MANY} {{n}} {{defects}} in total.{_EXTRA_MANY}",
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
            f"It is not fine: {_OPEN_ONE} {_A_DEFECT} at the {{where}}.{_EXTRA_ONE}",
            f"I would not call it fine: {_OPEN_ONE} {_A_DEFECT} at the {{where}}.{_EXTRA_ONE}",
            f"Unfortunately it is not fine. {_OPEN_ONE} {_A_DEFECT} at the {{where}}.",
            f"There is a problem at the {{where}}: {_OPEN_ONE} {_A_DEFECT}.",
            f"The {{part}} is not in order. Look at the {{where}}: {_OPEN_ONE} {_A_DEFECT}.",
            f"Sorry, but {_OPEN_ONE} {_A_DEFECT} at the {{where}}, so it is not fine.",
        ),
        "many": (
            f"It is not fine: {_OPEN_MANY} {{n}} {{defects}}, at the {{where}}.{_EXTRA_MANY}",
            f"I would not call it fine: {_OPEN_MANY} {{n}} {{defects}}; {_IS_AT_MANY}.",
            f"Unfortunately it is not fine. {_OPEN_MANY} {{n}} {{defects}}, at the {{where}}.",
            f"There is a problem: {_OPEN_MANY} {{n}} {{defects}}, at the {{where}}.{_EXTRA_MANY}",
            f"The {{part}} is not in order: {_OPEN_MANY} {{n}} {{defects}}; {_IS_AT_MANY}.",
        ),
    },
    "where": {
        "none": _NO_DEFECT,
        "one": (
            "[It is|You find it|I see it|It sits|It lies] at the {where}[| of the {photo}].",
            "At the {where}[| of the {photo}|, as far as I can see].{extra_one}",
            f"{_OPEN_ONE} {_A_DEFECT} at the {{where}}[| of the {{photo}}].",
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
    "cell": {
        "none": (
            "The {cell} {fine_verb}[|, like the rest| as well].",
            "I see nothing wrong [there|at the {cell}].[| The rest looks fine, too.]",
            "It is [clean|fine|in order] there[|, and everywhere else|, too].",
            "The {cell} is [clean|in order|undamaged].",
            "[As far as I can see, the|The] {cell} is fine.",
            "Everything is in order at the {cell}.",
        ),
        "elsewhere": (
            "The {cell} {fine_verb}[|; the damage is at the {where}].",
            "I see nothing wrong [there|at the {cell}].[| The damage is at the {where}.]",
            "It is [clean|fine|in order] there[|; the problem is at the {where}].",
            "The {cell} is [clean|in order|undamaged][|, unlike the {where}].",
            "[As far as I can see, the|The] {cell} is fine.[| Look at the {where} instead.]",
            "Everything is in order at the {cell}[|, but there is damage at the {where}].",
        ),
        "here": (
            "The {cell} is not fine: there is damage[| there].",
            "The {cell} is affected[|: that is where I see damage].",
            "I see damage [there|at the {cell}], so it is not fine.",
            "It is not in order: the {cell} shows damage.",
            "Unfortunately the {cell} is [damaged|affected|not fine].",
            "That is [where I see damage|a damaged place]: the {cell} is not fine.",
        ),
        "band": (
            "The {cell} is not fine: there is damage at the {reaching}.",
            "The {cell} is affected, namely at the {reaching}.",
            "I see damage there, at the {reaching}, so the {cell} is not fine.",
            "It is not in order: the {cell} shows damage at the {reaching}.",
            "Unfortunately the {cell} is affected; look at the {reaching}.",
        ),
        "reached": (
            "The {cell} is affected: the damage at the {reaching} reaches into it.",
            "It is not fine: the damage at the {reaching} extends into the {cell}.",
            "Only partly, it is affected by the damage at the {reaching}.",
            "The {cell} is not quite fine, because the damage at the {reaching} reaches into it.",
            "I see the damage of the {reaching} reach into it, so the {cell} is affected.",
        ),
    },
    "clean": {
        "none": (
            "All of it [looks fine|is fine]: I see no {defect}.",
            "Everything [looks fine|is clean|is fine]; I see no damage anywhere.",
            "The whole {photo} [looks fine|is clean][|, I see no {defect}].",
            "I see no damage anywhere.",
            "The whole {part} is undamaged, as far as the {photo} shows.",
        ),
        "some": (
            "Damage reaches the {affected}; I see nothing wrong elsewhere.",
            "I see damage only at the {affected}; the rest is fine.",
            "I see damage at the {affected}. Everything else looks fine.",
            "Everything looks fine except the {affected}.",
            "The rest is fine: damage shows only at the {affected}.",
        ),
        "all": (
            "The damage reaches every part of the {photo}.",
            "I see damage all over the {photo}.",
            "It is everywhere: all nine areas of the {photo} are affected.",
            "Every area of the {photo} is affected.",
        ),
    },
    "confirm": {
        "none": (
            "I see no {defect} there or anywhere else.",
            "There is no {defect}, [there or elsewhere|as far as I can see].",
            "The {cell} looks fine, and so does the rest: I see no {defect}.",
            "I did not find any {defect}; everything looks fine.",
            "The {part} looks fine; I see no {defect}, at the {cell} or elsewhere.",
        ),
        "hit": (
            "Exactly, at the {cell}.",
            "That is correct: [it is|I see it] at the {cell}.",
            "Correct, the {cell} is [a damaged place|where I see damage].",
            "I can confirm that: there is damage at the {cell}.",
            "That is the place: the {cell}.",
            "Indeed, I see damage at the {cell}.",
        ),
        "part": (
            "Correct, at the {cell}, but also at the {others}.",
            "Partly: at the {cell} and also at the {others}.",
            "Indeed, and at the {others} as well.",
            "That is one place; there is also damage at the {others}.",
            "Exactly, and I also see damage at the {others}.",
        ),
        "miss": (
            "It is rather at the {where}; the {cell} looks fine.",
            "I see it elsewhere: at the {where}.",
            "That is not the place. [Look|Please look] at the {where}.",
            "The {cell} looks fine. The damage is at the {where}.",
            "I mean the {where}[|; the {cell} looks fine].",
        ),
    },
    "check": {
        "none": (
            "I do not see {asked}[| or any other damage].[| The {part} {fine_verb}.]",
            "I cannot find {asked}: the {part} {fine_verb}.",
            "There is nothing like {asked}[| in the {photo}| on the {part}].",
            "As far as I can see, there is nothing like {asked}, and no other {defect}.",
            "The {part} {fine_verb}; I do not see {asked}.",
            "I looked for {asked} and found nothing.",
        ),
        "present": (
            "That fits: I see what looks like {asked} at the {asked_where}.",
            "I think so: at the {asked_where} it looks like {asked}.",
            "It does look like {asked}[|, at the {asked_where}].",
            "Indeed, what I see at the {asked_where} resembles {asked}.",
            "Probably: there is something like {asked} at the {asked_where}.",
        ),
        "other": (
            "I do not see {asked}. What I see[| at the {where}] looks like {kinds}.",
            "It looks less like {asked} than like {kinds}.",
            "I would not call it {asked}; it resembles {kinds}.",
            "There is nothing like {asked}, but I see {kinds} at the {where}.",
            "Rather {kinds}; I do not see {asked}.",
            "I cannot find {asked}, only what looks like {kinds}.",
        ),
        "unsure": (
            "There is damage at the {where}, but I cannot say whether it is {asked}.",
            "I see damage at the {where}; whether it is {asked}, I cannot tell.",
            "Perhaps, but I cannot tell from the {photo} whether it is {asked}.",
            "It might be {asked}; the {photo} does not tell me for sure.",
            "I cannot say for sure that it is {asked}. I only see that there is damage.",
        ),
    },
    "reference": {
        "missing": (
            "I have no reference photo to compare it with.",
            "There is no reference photo, so I cannot compare.[| {alone}]",
            "I was not given a reference photo.[| {alone}]",
            "You have not given me a reference photo yet.",
            "I cannot compare: a reference photo is missing.[| {alone}]",
            "For that I need a reference photo, and none was given.",
        ),
        "none": (
            "It matches the reference[|: I see no difference that matters].",
            "Compared with the reference, the {part} {fine_verb}.",
            "I see no difference from the reference that matters.",
            "The {part} looks like the reference; I see no {defect}.",
            "It looks the same as the reference, apart from the usual variation.",
            "Beside the reference it {fine_verb}.",
        ),
        "one": (
            "Compared with the reference, it differs at the {where}.",
            "It differs from the reference at the {where}: there is {a_defect}.",
            "The reference does not show the {defect} that I see at the {where}.",
            "The difference is at the {where}[| of the {photo}]; the rest matches the reference.",
            "At the {where} it looks different from the reference.{extra_one}",
        ),
        "many": (
            "Compared with the reference, it differs in {n} places: {look_many}.",
            "It differs from the reference at the {where}.{extra_many}",
            "The reference does not show the {n} {defects} that I see at the {where}.",
            "The differences are at the {where}; the rest matches the reference.",
            "Beside the reference I see {n} {defects}, at the {where}.",
        ),
    },
    "advice": {
        "none": (
            "You can accept it[|, as far as the {photo} shows]. I see no {defect}.",
            "I would accept the {part}[|: I see nothing wrong|, if your other checks agree].",
            "From what I see, you can accept it.[| Please keep to your usual checks.]",
            "Accept it, unless another check says otherwise.",
            "I see no reason to hold it back: accept the {part}.",
            "It can go on: I would accept it.",
        ),
        "minor": (
            "Take a closer look at the {where}: the damage is {severity}.",
            "I would look closer at the {where} before you decide; it seems {severity}.",
            "Have someone take a closer look[| at the {where}]. It may be acceptable.",
            "Please take a closer look before you accept it: it is {severity}, but visible.",
            "It is {severity}. Take a closer look and follow your own limits.",
        ),
        "moderate": (
            "I would set it aside for rework: the damage at the {where} is {severity}.",
            "Consider rework. [The damage is {severity}|Look at the {where} first].",
            "Send it to rework, if that is possible; the damage is {severity}.",
            "Do not accept it as it is: I suggest rework[| at the {where}].",
            "It needs a decision by someone responsible; I would suggest rework.",
        ),
        "severe": (
            "I would reject it: the damage at the {where} is {severity}.",
            "Reject the {part}, or at least do not use it before someone has checked it.",
            "My advice is to reject it. [The damage is {severity}|{total} is damaged in total].",
            "I suggest rejecting it; please have someone confirm that.",
            "Set it aside and reject it, unless an expert decides otherwise.",
        ),
    },
    "why": {
        "none": (
            "Because I see no {defect} [anywhere|in any of the nine areas of the {photo}].",
            "Because the {part} {fine_verb}: I see nothing unusual.",
            "I went through the whole {photo} and saw no {defect}.",
            "Because everything looks as it should; I see no damage.",
            "The {photo} shows nothing that stands out, so I see no {defect}.",
        ),
        "one": (
            "Because {see_it} {a_defect} at the {where}[|, unlike the rest].",
            "Because the {where} looks different from the rest.[| It is {size}.]",
            "The {where} does not look as it should: {see_it} {a_defect}.",
            "I go by the {photo}, and it shows {a_defect} at the {where}.",
            "Because of what I see at the {where}: a {size} {defect}.",
        ),
        "many": (
            "Because {see_them} {n} {defects}, at the {where}.",
            "Because the {photo} looks different from a good {part} at the {where}.",
            "I go by the {photo}, and it shows {n} {defects}: {look_many}.",
            "Because of {n} {defects} that I see at the {where}.",
            "Some places do not look as they should: {look_many}.",
        ),
    },
    "sure": {
        "none": (
            "Fairly sure: I see no {defect}, but a [very faint|hidden] one could escape me.",
            "I am fairly confident that it is fine, as far as the {photo} shows.",
            "Quite sure, though a photo never shows everything. I see no damage.",
            "I see no {defect}. A second look by a person never hurts.",
            "As sure as one photo allows: I find nothing wrong.",
        ),
        "faint": (
            "I am less certain here, because [it is|the largest one is] {size}. Please check.",
            "There is some doubt: [it is|the largest one is] {size}, at the {largest}.",
            "I believe so, but it is {size_note}, so please check the {largest}.",
            "I may be mistaken, since what I see at the {largest} is {size}.",
            "Only partly sure: what I see at the {largest} is {size}.",
        ),
        "clear": (
            "I am quite sure: the damage at the {largest} is {size}.",
            "Quite sure. What I see at the {largest} is {size}[| and easy to see].",
            "Fairly sure, though I can be mistaken. Please check the {largest}.",
            "I am confident about the {largest}, but a person should confirm it.",
            "As sure as one photo allows: the {largest} clearly stands out.",
        ),
    },
    "doubt": {
        "none": (
            "I looked again and still see no {defect}.",
            "I understand, but I [still |]find nothing wrong in this {photo}.",
            "I respect your view. In this {photo}, though, I see no {defect}.",
            "Perhaps another photo shows it; in this one I see no damage.",
            "I keep to what the {photo} shows: the {part} {fine_verb}.",
            "If you see damage, trust your eyes; in the {photo} I find no {defect}.",
        ),
        "one": (
            "I looked again and still see {a_defect} at the {where}.",
            "I understand, but the {photo} shows {a_defect} at the {where}.",
            "I respect your view. Still, {see_it} {a_defect} at the {where}.",
            "Please look at the {where} once more: I still see {a_defect} there.",
            "I keep to what the {photo} shows: {a_defect} at the {where}.[| It is {size}.]",
            "It may well be harmless, but I do see {a_defect} at the {where}.",
        ),
        "many": (
            "I looked again and still see {n} {defects}, at the {where}.",
            "I understand, but the {photo} shows {n} {defects}: {look_many}.",
            "I respect your view. Still, {see_them} {n} {defects}, at the {where}.",
            "Please look at the {where} once more: I still see {n} {defects}.",
            "I keep to what the {photo} shows: {n} {defects}, at the {where}.",
            "They may well be harmless, but I do see {n} {defects}, at the {where}.",
        ),
    },
    "summary": {
        "none": (
            "[Result|Report|In short]: no {defect} found[|, the {part} can be accepted].",
            "The {part} {fine_verb}: no {defect} [found|visible].",
            "[In short: |Report: ]the {part} is fine, with no visible {defect}.",
            "Inspected one {part}: no {defect}, accept.",
            "All fine, no {defect}.",
        ),
        "one": (
            "[Result: |In short: |]one {size} {defect} at the {where}, {severity}.",
            "[Report: |]{a_size_defect} at the {where}, {share} of the {photo}, {severity}.",
            "One {defect}: {where}, {size}, {severity}.",
            "{a_size_defect} at the {where}[|; I would call it {severity}].",
            "Inspected one {part}: {a_defect} at the {where}, {severity}.",
        ),
        "many": (
            "[Result: |In short: |]{n} {defects} at the {where}, {severity} [overall|in total].",
            "[Report: |]{n} {defects}, {total} of the {photo} in total, {severity}.",
            "{n} {defects}: {where}; the largest is {size}; {severity} overall.",
            "{n} {defects} at the {where}[|; the largest is {size}].",
            "Inspected one {part}: {n} {defects}, the largest at the {largest}, {severity}.",
        ),
    },
    "describe": {
        "none": (
            "I see {a_part} without visible damage.",
            "The {part} {fine_verb}. I see no {defect}.",
            "I see {a_part}; nothing about it looks unusual.",
            "It is {a_part} in good condition, as far as the {photo} shows. I see no {defect}.",
            "The {photo} shows {a_part} that {fine_verb}.",
        ),
        "one": (
            f"I see {{a_part}} with {_A_DEFECT} at the {{where}}.{_EXTRA_ONE}",
            f"The {{photo}} shows {{a_part}} with {_A_DEFECT} at the {{where}}.",
            f"There is {_A_DEFECT} at the {{where}}; the rest of the {{part}} looks fine.",
            f"What stands out is {_A_DEFECT} at the {{where}}.{_EXTRA_ONE}",
            f"The {{part}} is damaged: at the {{where}} there is {_A_DEFECT}.",
        ),
        "many": (
            f"I see {{a_part}} with {{n}} {{defects}}: {_IS_AT_MANY}.{_EXTRA_MANY}",
            "The {photo} shows {a_part} with {n} {defects}, at the {where}.",
            f"There are {{n}} {{defects}}, at the {{where}}.{_EXTRA_MANY}",
            "What stands out are {n} {defects}: {look_many}.",
            "The {part} is damaged: at the {where} there are {n} {defects} in total.",
        ),
    },
    "unknown": {
        "any": (
            "I cannot tell that from the {photo}.",
            "I cannot [see|tell|know] that from [the {photo}|this {photo}|a photo].[| {only}]",
            "[Sorry, I|I am sorry, but I] cannot tell that from the {photo}.[| {only}]",
            "The {photo} does not show that.[| {only}]",
            "That cannot be seen in [the {photo}|this {photo}|a photo].[| {only}]",
            "From the {photo} I cannot tell {topic}.",
            "The {photo} does not show {topic}.",
            "I do not know {topic}: the {photo} does not show that.",
            "That is beyond what [the {photo}|this {photo}|a photo] shows, so I cannot tell.",
            "For that you need other sources; I cannot tell that from the {photo}.",
        )
    },
    "identity": {
        "any": (
            "I am an inspection assistant: I look at photos of parts and say what looks wrong.",
            "I am an inspection assistant. [Show me a photo and ask me about it.|{offer}]",
            "I am a computer program, an inspection assistant.[| {offer}]",
            "An inspection assistant. {offer}",
            "I am an inspection assistant, a machine and not a person.[| {offer}]",
            "I inspect photos of parts; I am an inspection assistant.[| {offer}]",
        )
    },
    "method": {
        "any": (
            "I look for areas that differ from how a good part looks.",
            "I compare each area of the {photo} with what is normal for such a part.",
            "I mark what looks unusual for such a part[| and describe it in words].",
            "An anomaly is anything that a good part would not show; I look for that.",
            "I go through the {photo} area by area and look for what stands out.",
            "I look for damage and for other deviations from a good part. I go by the photo alone.",
        )
    },
    "greeting": {
        "any": (
            "Hello[!|.] {offer}",
            "Hi[!|.] [What would you like to know about the {part}?|How can I help?]",
            "Good day[!|.] {offer}",
            "Hello[!|.] [How can I help?|What can I do for you?|Ask me about the {part}.]",
            "Welcome[!|.] {offer}",
            "Hello, [I am glad to help|I am ready]. {offer}",
        )
    },
    "thanks": {
        "any": (
            "[Gladly|My pleasure|Happy to help|With pleasure][.|!][| {more}]",
            "Any time[.|!][| {more}]",
            "I am glad that [I could help|it helps][.|!]",
            "Glad to help[.|!][| {more}]",
            "Thank you for asking[.|!]",
            "That is kind of you[.|!][| {more}]",
        )
    },
    "goodbye": {
        "any": (
            "Goodbye[.|!][| {back}]",
            "See you[.|!][| {back}]",
            "Have a nice day[.|!]",
            "Bye[.|!][| {back}]",
            "Until next time[.|!]",
            "Goodbye, and good luck with your inspection[.|!]",
            "All the best[.|!][| {back}]",
        )
    },
}

# Words that the templates share. Those that depend on the facts are added to these.
WORDS: dict[str, str] = {
    "photo": "[image|image|photo|picture]",
    "defect": "[defect|anomaly|flaw|irregularity|fault]",
    "defects": "[defects|anomalies|flaws|irregularities|damaged spots]",
    "a_defect": "[a defect|an anomaly|a flaw|an irregularity|a damaged spot|a fault]",
    "a_size_defect": "a {size} {defect}",
    "fine_verb": "[looks fine|is fine|seems fine|looks undamaged|looks as it should]",
    "see_it": "[I see|there is|I can see]",
    "see_them": "[I see|there are|I can see]",
    "look_many": _IS_AT_MANY,
    "extra_one": f"[{_EXTRA_ONE}| It is {{size}}.]",
    "extra_many": _EXTRA_MANY,
    "together": "Together they cover {total} of the {photo}.",
    "rated": "[In total, {total} of the {photo} is affected.|I go by the affected area only.]",
    "size_note": "only {size}",
    "alone": "[By itself I can still inspect it.|Give me one and I can compare.]",
    "only": "[I only see the surface.|I can only speak about visible damage.|Please look it up.]",
    "offer": "[Ask me whether something is wrong, where, and how bad it is.|I can tell you whether "
    "the {part} looks damaged.|Ask me anything about visible damage.]",
    "more": "[Do you have another question?|Ask me whenever you like.|Is there anything else?]",
    "back": "[Come back any time.|Take care.|Until the next {part}.]",
}
