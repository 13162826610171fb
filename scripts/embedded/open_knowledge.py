"""Open questions about damage and inspections in general."""

from __future__ import annotations

from embedded.open_topic import FINE, LOOK, STANDS, UNTOLD, Topic

KNOWLEDGE: dict[str, Topic] = {
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
            "On {a_noun}, what [counts as|is] a defect?",
            "What [should|would] I see if [it|the part] were [bad|faulty|damaged]?",
            "I have never checked {a_noun}. What do I look for?",
        ),
        (
            "Which sorts of flaws does one usually search for on {a_noun}?",
            "If you had to train an inspector, what faults would you teach him to spot?",
            "What might be broken on things like this one?",
        ),
        {
            "none": (
                f"[Usually|On such parts] one looks for {{damages}}. {FINE}",
                f"Typical are {{damages}}. {FINE}",
                f"I would look for {{damages}}. {FINE}",
            ),
            "some": (
                f"[Usually|On such parts] one looks for {{damages}}. {UNTOLD} {LOOK}",
                f"Typical are {{damages}}. {STANDS} {UNTOLD}",
                f"I would look for {{damages}}. {UNTOLD} {LOOK}",
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
            "Is [that|this] from [transport|handling|the tool|production]?",
            "What is the [root cause|origin] [of this|here]?",
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
                f"{LOOK}",
                "I cannot tell that. [Handling, worn tools and dirt are common causes in general"
                "|In general one checks handling, tools and material]; what it was here, the photo "
                "does not show.",
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
            "I [do not know|never heard] the word {term}. What is it?",
            "When do you call something {a_term}?",
        ),
        (
            "Our apprentice keeps saying {a_term}; what would that be?",
            "Define {a_term} for me.",
        ),
        {
            "none": (f"A {{term}} is {{meaning}}. {FINE}", "It is {meaning}."),
            "some": (
                "A {term} is {meaning}. [Whether that is one here, the photo does not tell me.|"
                "What stands out at the {where} may be something else.]",
            ),
        },
    ),
    "difference": Topic(
        (
            "What is the difference between {a_term} and {an_other}?",
            "How do I tell {a_term} from {an_other}?",
            "Is {a_term} the same as {an_other}?",
            "{a_term} or {an_other}, what is what?",
        ),
        (
            "People here mix up {a_term} and {an_other}. Please sort that out for me.",
            "Compare these two words: {term}, {other}.",
        ),
        {
            "none": (f"A {{term}} is {{meaning}}; {{an_other}} is {{other_meaning}}. {FINE}",),
            "some": (
                "A {term} is {meaning}; {an_other} is {other_meaning}. [Which of them it is here, "
                "if any, the photo does not tell me.|What stands out at the {where} may be either "
                "or neither.]",
            ),
        },
    ),
    "limits": Topic(
        (
            "What [can|do] you not see?",
            "What are your limits?",
            "Which [defects|kinds of damage] do you [miss|overlook]?",
            "What [should|must] I not ask you?",
            "Where [are you|is the inspection] weak?",
        ),
        (
            "Be honest, in which cases do you fail?",
            "Tell me about your blind spots.",
        ),
        {
            "any": (
                "I see the surface in one photo: no inside, no back, no weight and no function. "
                "[Very faint or very small damage can escape me.|What damage is called, and where "
                "it came from, I cannot tell.]",
                "A photo has no scale and shows one side only. [I see that something differs, not "
                "what it is or how it came about.|Faint damage, and whatever the light hides, can "
                "escape me.]",
            ),
        },
    ),
    "photos": Topic(
        (
            "How [do|should|can] I take [better photos|a good photo|the photos]?",
            "What makes a good [photo|reference|reference photo]?",
            "[Which|How many] photos of good parts do you need?",
            "How can I [improve|help] your [answers|results|inspection]?",
            "What do you need [from me|to do better|for a better result]?",
            "Are my photos [good|sharp|suitable] enough[| for you]?",
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
}
