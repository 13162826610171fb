"""The verdict on photos: yes or no, the word that it begins with, and its sentence.

Yes or no is decided here alone, by `says_yes`. The sentence is put together from the regions, so
that it names as many places, and the same ones, as the picture and the table show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, overload

from torch import Tensor

from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.evidence import Evidence
from anomalygpt.language.answer_words import Word
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.replies.facts import facts_of_inspection
from anomalygpt.results.inspection import Inspection
from simulation.dialogues import published_answer

if TYPE_CHECKING:
    from anomalygpt.language.dialogue import Dialogue

# As likely yes as no.
EVEN = 0.5


@overload
def says_yes(value: float, limit: float = EVEN) -> bool: ...
@overload
def says_yes(value: Tensor, limit: float = EVEN) -> Tensor: ...
def says_yes(value: float | Tensor, limit: float = EVEN) -> bool | Tensor:
    """Whether something is wrong.

    Args:
        value: P(yes) against P(no), or a score where a threshold decides; of one photo or many.
        limit: the verdict is yes above it.
    """
    return value > limit


def word_of(is_anomalous: bool) -> Word:
    """The word that the answer must begin with, so that it cannot contradict the verdict."""
    return "yes" if is_anomalous else "no"


def leading_word(dialogue: Dialogue) -> Word | None:
    """The word that the answer to the open question must begin with: yes or no where the most
    probable next token begins one of them, else None.

    Which of the two is decided by the mass of all spellings, as in `judge`.

    Raises:
        ConfigError: several pictures, or no question was asked since the last answer.
    """
    if not dialogue.leads_to_verdict():
        return None
    return word_of(says_yes(float(dialogue.probabilities().anomaly[0])))


def judge(
    evidence: Evidence,
    dialogue: Dialogue,
    model: Mapping[str, str],
    own_words: GenerationOptions | None = None,
) -> list[Inspection]:
    """Ask whether something is wrong in each photo; where a limit was measured for the product,
    its score decides, and the language model's probability stands beside it.

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
    verdicts = [says_yes(probability) for probability in probabilities]
    if evidence.limit is not None:
        verdicts = [says_yes(score, evidence.limit.score) for score in evidence.scores.tolist()]
    found = [
        evidence.inspection(
            row, model, question=question, is_anomalous=verdict, probability=probability
        )
        for row, (verdict, probability) in enumerate(zip(verdicts, probabilities, strict=True))
    ]
    if own_words is None:
        answers = [verdict_sentence(each) for each in found]
    else:
        answers = dialogue.answers(own_words, [word_of(each) for each in verdicts])
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
