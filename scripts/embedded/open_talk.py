"""Conversations about simulated results, with open questions; see `open_questions`.

A result is made up as an inspection would give it: regions with places, shares and scores, how
sure, compared with how many good parts. The product answers what it tells from the result itself
(`anomalygpt.replies`), and the language model reads that; so it is here. What the model has to say
is the verdict and the answers to open questions, from the nine words and from what was told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from anomalygpt.constants import ANOMALY_QUESTION, LOCATIONS
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.replies import reply_to, understand
from anomalygpt.replies.facts import facts_of_inspection
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import Region
from anomalygpt.verdict import verdict_sentence
from embedded.notation import Words, words_of
from embedded.open_questions import TOPICS
from embedded.open_terms import DAMAGES, KINDS, TERMS
from embedded.speech import NOUNS, PARTS
from simulation.anomaly import PLACES
from simulation.dialogues import Facts
from simulation.dialogues.english.phrases import WORDS
from simulation.dialogues.english.questions import QUESTIONS
from simulation.dialogues.english.wording import as_typed, pick, say, sentence_case, with_article
from simulation.dialogues.published import join_words
from simulation.dialogues.situations import fact_words

GOOD_SHARE = 0.4
_COUNTS = (0.5, 0.25, 0.13, 0.08, 0.04)
_AREAS = (0.001, 0.2)
_LEVEL = 0.43
_SIDES = (320, 480, 640, 900, 1024, 1600, 2048)
# What people ask before, and the result answers.
_TOLD = ("where", "count", "size", "coverage", "largest", "severity", "sure", "summary", "advice")
_LIST_QUESTION = "Where is it?"
# Shares of conversations: that begin with the verdict, and in which a region is asked for without
# the list of them having been told.
_BEGUN, _UNTOLD = 0.85, 0.25
_MOST_TOLD, _MOST_OPEN = 2, 3


@dataclass(frozen=True)
class Said:
    """A turn, and whether the language model is to say its answer."""

    question: str
    answer: str
    is_own: bool


@dataclass(frozen=True)
class Conversation:
    """What was said about a photo.

    Attributes:
        words: the nine words of the photo.
        turns: in order.
        facts: what is true.
        inspection: the result that says so.
    """

    words: Words
    turns: tuple[Said, ...]
    facts: Facts
    inspection: Inspection


def simulated_inspection(generator: np.random.Generator) -> Inspection:
    """A result as an inspection could give it; the regions are ellipses."""
    size = (int(generator.choice(_SIDES)), int(generator.choice(_SIDES)))
    is_anomalous = generator.random() >= GOOD_SHARE
    count = 1 + int(generator.choice(len(_COUNTS), p=_COUNTS)) if is_anomalous else 0
    drawn = [_region(size, generator) for _ in range(count)]
    regions = sorted(drawn, key=lambda region: -region.score)
    sure = float(generator.uniform(0.5, 1.0) ** 0.4)
    found = Inspection(
        geometry=ImageGeometry.fit(size, 256, "square"),
        anomaly_score=regions[0].score if regions else float(generator.uniform(0.2, 0.4)),
        small_map=None,
        is_anomalous=is_anomalous,
        anomaly_probability=sure if is_anomalous else 1 - sure,
        regions=regions,
        level=_LEVEL,
        references=[f"good_{n}.jpg" for n in range(int(generator.integers(0, 5)))],
    )
    return replace(found, answer=verdict_sentence(found))


def _region(size: tuple[int, int], generator: np.random.Generator) -> Region:
    height, width = size
    area = float(np.exp(generator.uniform(*np.log(_AREAS))))
    stretch = float(np.exp(generator.normal(0.0, 0.4)))
    radius = np.sqrt(area / np.pi)
    x, y = generator.uniform(0.03, 0.97, 2)
    turns = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    xs = np.clip(x + radius * stretch * np.cos(turns), 0, 1)
    ys = np.clip(y + radius / stretch * np.sin(turns), 0, 1)
    covered = 0.5 * abs(float(np.sum(xs * np.roll(ys, -1) - ys * np.roll(xs, -1))))
    row, column = (min(2, int(3 * part)) for part in (ys.mean(), xs.mean()))
    edges = (xs.min() * width, ys.min() * height, xs.max() * width, ys.max() * height)
    x0, y0, x1, y1 = (round(float(edge)) for edge in edges)
    return Region(
        bbox=(x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)),
        location=LOCATIONS[3 * row + column],
        area_fraction=max(covered, 1e-4),
        score=round(float(generator.uniform(0.5, 0.98)), 2),
        polygon=tuple((float(a * width), float(b * height)) for a, b in zip(xs, ys, strict=True)),
    )


def conversation(generator: np.random.Generator, *, held_out: bool = False) -> Conversation:
    """A conversation about a new result.

    Args:
        generator: source of chance; the same state gives the same conversation.
        held_out: True asks open questions in the phrasings that training never has.
    """
    inspection = simulated_inspection(generator)
    facts = facts_of_inspection(inspection)
    turns = []
    if generator.random() < _BEGUN:
        turns.append(Said(ANOMALY_QUESTION, str(inspection.answer), True))
        for _ in range(int(generator.integers(0, _MOST_TOLD + 1))):
            turns += _told(pick(_TOLD, generator), inspection, generator)
    # Where all of the photo is affected nobody can name a wrong place.
    fitting = [name for name in TOPICS if name != "claim" or len(facts.cells) < len(PLACES)]
    names = generator.permutation(fitting)[: int(generator.integers(1, _MOST_OPEN + 1))]
    for name in names.tolist():
        listed = any(turn.question == _LIST_QUESTION for turn in turns)
        if TOPICS[name].needs_list and not listed and generator.random() >= _UNTOLD:
            turns += _answered(_LIST_QUESTION, inspection)
            listed = True
        turns.append(open_turn(name, inspection, facts, generator, listed, held_out))
    return Conversation(words_of(facts), tuple(turns), facts, inspection)


def open_turn(
    name: str,
    inspection: Inspection,
    facts: Facts,
    generator: np.random.Generator,
    listed: bool,
    held_out: bool = False,
) -> Said:
    """A question of a topic and its answer.

    Args:
        name: of the topic.
        inspection: the result.
        facts: its facts.
        generator: source of chance.
        listed: whether the regions were listed before.
        held_out: see `conversation`.
    """
    topic = TOPICS[name]
    words = _words(inspection, facts, generator)
    case = case_of(name, facts, int(words["box"]), listed)
    questions = topic.held_out if held_out else topic.asked
    question = sentence_case(say(pick(questions, generator), words, generator))
    if not held_out:
        question = as_typed(question, generator)
    answer = say(pick(topic.answers[case], generator), words, generator)
    return Said(question, sentence_case(answer), True)


def case_of(name: str, facts: Facts, box: int, listed: bool) -> str:
    """Which answers of a topic fit.

    Args:
        name: of the topic.
        facts: what is true.
        box: the region that is asked for.
        listed: whether the regions were listed before.
    """
    answers = TOPICS[name].answers
    if name == "box" and facts.defects:
        if not listed:
            return "untold"
        return "there" if box <= facts.count else "beyond"
    for case in (facts.severity or "none", "some" if facts.defects else "none", "any"):
        if case in answers:
            return case
    raise KeyError(f"topic {name!r} has no answer for {facts.severity or 'a good part'}")


def _words(inspection: Inspection, facts: Facts, generator: np.random.Generator) -> dict[str, str]:
    """What the braces of questions and answers stand for."""
    regions = inspection.regions
    box = int(generator.integers(1, max(2, len(regions) + 2)))
    region = regions[min(box, len(regions)) - 1] if regions else None
    term, other = generator.permutation(list(TERMS))[:2].tolist()
    chosen = generator.permutation(list(DAMAGES))[: int(generator.integers(4, 7))].tolist()
    fine = [place for place in PLACES if place not in facts.cells]
    return {
        **WORDS,
        **PARTS,
        **fact_words(facts),
        "places": "place" if facts.count == 1 else "places",
        "s": "s" if facts.count == 1 else "",
        "damages": join_words(chosen),
        "a_noun": with_article(pick(NOUNS, generator)),
        "box": str(box),
        "box_place": region.location if region else "",
        "box_share": _percent(region.area_fraction) if region else "",
        "box_score": f"{region.score:.2f}" if region else "",
        "term": term,
        "a_term": with_article(term),
        "meaning": TERMS[term],
        "other": other,
        "an_other": with_article(other),
        "other_meaning": TERMS[other],
        "wrong_kind": pick(KINDS, generator),
        "wrong_place": pick(fine or PLACES, generator),
    }


def _percent(share: float) -> str:
    # As the list of regions has it, which is read before.
    return f"{100 * share:.1f} %" if share >= 0.0005 else "under 0.1 %"


def _told(name: str, inspection: Inspection, generator: np.random.Generator) -> list[Said]:
    """A question that the result answers, in the words of the dialogues."""
    question = say(pick(QUESTIONS[name], generator), {**WORDS, **PARTS}, generator)
    return _answered(sentence_case(question), inspection)


def _answered(question: str, inspection: Inspection) -> list[Said]:
    reply = reply_to(understand(question), inspection)
    return [] if reply is None else [Said(question, reply.in_english, False)]
