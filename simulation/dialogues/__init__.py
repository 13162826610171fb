"""Dialogues about a photo and its defects: the published one, and richer ones from the facts."""

from simulation.dialogues.facts import DefectFacts, Facts, facts_of
from simulation.dialogues.inspection import INTENTS, inspection_dialogue
from simulation.dialogues.published import (
    published_answer,
    published_description,
    published_dialogue,
)

__all__ = [
    "INTENTS",
    "DefectFacts",
    "Facts",
    "facts_of",
    "inspection_dialogue",
    "published_answer",
    "published_description",
    "published_dialogue",
]
