"""Open questions about one result: what it means, and what to do with it."""

from __future__ import annotations

from embedded.open_topic import Topic

RESULT: dict[str, Topic] = {
    "todo": Topic(
        (
            "What [exactly |]should I do [with this part now|about it, step by step|next, in "
            "detail]?",
            "[Give|Tell] me the [next|three] steps.",
            "How would you [proceed|go on] with this part[|, step by step]?",
            "[Walk|Lead] me through what to do[| now].",
            "What [is|would be] the [right|best] way to handle [it|this part]?",
            "I am new here. What do I do with [it|this part][| now]?",
            "[What|Which action] [follows|comes] [from that|now][| for this part]?",
            "Tell me how to go on with [it|this part][|, please].",
            "How do I deal with the result?",
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
            "What does [box|region] {box} [mean|show|stand for]?",
            "[And|So] what about [box|region] {box}[|, is that bad]?",
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
                "There is no region {box}; I have marked {n} {places}, at the {where}.",
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
            "I have to document [it|this part]. What do I write[| down]?",
            "[How|What] would you enter [it|this] in the log?",
            "One line for the shift report, please.",
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
    "verify": Topic(
        (
            "How can I [make sure|be certain|verify that][| myself]?",
            "How do I [check|confirm|double-check] [that|this|it] [by eye|by hand|myself]?",
            "What [could|can] I do to be [more certain|surer]?",
            "How do I know that you did not [miss anything|make a mistake]?",
            "[How|In what way] should I look at it [myself|by eye]?",
            "Is there a way to [prove|test|confirm] [it|that]?",
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
            "Is it still [good enough|safe] to use[| in a machine| for the customer]?",
            "What [happens|would happen] if I [use|install|mount] it anyway?",
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
            "In [easy|everyday|normal] words[|, please]?",
            "[What|How] would you tell [a child|my grandmother|a new colleague]?",
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
            "What [could|should] I write to [the customer|my boss|the supplier]?",
            "[Tell|Inform] my colleague what you found: write the text.",
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
    "claim": Topic(
        (
            "So the {wrong_kind} at the {wrong_place} is [two|three|five] millimetres [long|deep]?",
            "How [deep|long|old] is the {wrong_kind} at the {wrong_place}?",
            "[Why is|What about] the {wrong_kind} at the {wrong_place}[|, is it serious]?",
            "You said there is a {wrong_kind} at the {wrong_place}[, right|]?",
            "And the {wrong_kind} at the {wrong_place}, [how big is it|what about that]?",
            "I read that you found a {wrong_kind} at the {wrong_place}.",
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
    "alone": Topic(
        (
            "Can I [rely on you alone|leave the decision to you]?",
            "[Do|Must] I still [look|check] myself?",
            "Who [decides|has to decide] [about it|about this part|in the end]?",
            "Is your [word|answer|verdict] enough[| to reject it| to ship it]?",
        ),
        (
            "May I send my inspectors home now that you are here?",
            "Would an auditor accept only what you say?",
        ),
        {
            "none": (
                "Take me as a second pair of eyes: I see nothing that stands out, but the decision "
                "is yours, by your rules.",
                "A person decides. I only say that this photo looks like those of good parts.",
            ),
            "some": (
                "Take me as a second pair of eyes: look at the {where} yourself, then decide by "
                "your rules.",
                "A person decides. I only point at the {where}; what it means for the part is for "
                "you to judge.",
            ),
        },
    ),
}
