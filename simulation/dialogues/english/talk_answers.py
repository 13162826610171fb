"""Answers beside the defects: what no photo shows, who the assistant is and how it works, and
manners. By intent and case; see `answers`.
"""

from __future__ import annotations

TALK_ANSWERS: dict[str, dict[str, tuple[str, ...]]] = {
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
