"""What people ask, by intent. Templates; see `simulation.dialogues.english.wording`.

{part} is the part, {photo} the photo, {cell} the place asked about, {asked} a kind of defect with
its article, {topic} something that no photo shows.
"""

from __future__ import annotations

from simulation.dialogues.english.defect_questions import DEFECT_QUESTIONS
from simulation.dialogues.english.follow_up_questions import FOLLOW_UP_QUESTIONS
from simulation.dialogues.english.talk_questions import TALK_QUESTIONS

QUESTIONS: dict[str, tuple[str, ...]] = {
    **DEFECT_QUESTIONS,
    **FOLLOW_UP_QUESTIONS,
    **TALK_QUESTIONS,
}

# What a person may put before a first question, and before a later one.
FIRST_OPENINGS: tuple[str, ...] = (
    "Hello. ",
    "Hi, ",
    "Quick check: ",
    "Please have a look. ",
    "New {part}. ",
)
LATER_OPENINGS: tuple[str, ...] = (
    "Okay. ",
    "I see. ",
    "One more question: ",
    "And ",
    "Thanks. ",
    "Hm, ",
    "Also, ",
)

# Things that no photo of a part shows, as they follow "tell me".
TOPICS: tuple[str, ...] = (
    "[how heavy it is|what it weighs|how much the {part} weighs]",
    "[what it costs|how much it costs|what the price is|how expensive the {part} is]",
    "[what the serial number is|which serial number it has|which batch it is from]",
    "[when it was made|how old it is|how old the {part} is|when the {part} was produced]",
    "[who made it|who produced it|who the supplier is|which company it comes from]",
    "[who caused it|who is to blame|who took the {photo}]",
    "[how strong it is|how much load it can take|how long it will last]",
    "[what the other side looks like|what is on the back|how the back looks]",
    "[what it looks like inside|what is inside|whether it is hollow]",
    "[what it is made of exactly|which alloy it is|how hard the material is]",
    "[how warm it is|what its temperature is|what it smells like|how loud it is]",
    "[where it was made|where the factory is|where the {photo} was taken]",
    "[whether it works|whether it conducts electricity|whether it was tested]",
)
