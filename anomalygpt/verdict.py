"""The verdict on photos: yes or no from the language model, worded from what is drawn.

The sentence is put together from the regions, so that it names as many places, and the same ones,
as the picture and the table show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.evidence import Evidence
from anomalygpt.generation import GenerationOptions, Word
from anomalygpt.replies.facts import facts_of_inspection
from anomalygpt.results import Inspection
from simulation.dialogues import published_answer

if TYPE_CHECKING:
    from anomalygpt.dialogue import Dialogue


def judge(
    evidence: Evidence,
    dialogue: Dialogue,
    model: Mapping[str, str],
    own_words: GenerationOptions | None = None,
) -> list[Inspection]:
    """Ask whether something is wrong in each photo.

    Args:
        evidence: the photos.
        dialogue: about the same photos, not begun. The question stays open in it, unless
            `own_words` are asked for.
        model: what results say about the assistant.
        own_words: length and sampling of the language model's own sentence, which is then taken
            instead, for comparison: it may name other places than the regions.
    """
    question = evidence.first_question(ANOMALY_QUESTION)
    dialogue.ask(question)
    probabilities = dialogue.probabilities().anomaly.tolist()
    found = [
        evidence.inspection(row, model, question=question, probability=probability)
        for row, probability in enumerate(probabilities)
    ]
    if own_words is None:
        answers = [verdict_sentence(each) for each in found]
    else:
        # The first word is the verdict itself, so that the sentence cannot contradict it.
        words: list[Word] = ["yes" if each.is_anomalous else "no" for each in found]
        answers = dialogue.answers(own_words, words)
    return [replace(each, answer=answer) for each, answer in zip(found, answers, strict=True)]


def verdict_sentence(inspection: Inspection) -> str:
    """The verdict in the published wording, with the number and the places of the regions.

    Args:
        inspection: one with a verdict.
    """
    if not inspection.is_anomalous:
        return "No, there is no anomaly in the image."
    if not inspection.regions:
        return "Yes, there is an anomaly in the image, but no place of it stands out."
    return published_answer(facts_of_inspection(inspection))
