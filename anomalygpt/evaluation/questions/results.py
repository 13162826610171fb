"""From answers to results: letters by a rule, figures, and what is to be said beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anomalygpt.data import Question, QuestionedPhoto, Questionnaire, hash_file
from anomalygpt.data.files import is_file
from anomalygpt.data.mmad import DETECTION, HUB_SHA256, WHOLE
from anomalygpt.evaluation.provenance import versions
from anomalygpt.evaluation.questions.answering import Answerer
from anomalygpt.evaluation.questions.asking import (
    is_detection,
    published_text,
    scored_kind,
    yes_and_no,
)
from anomalygpt.evaluation.questions.parsing import PARSERS, Parser, letter_of
from anomalygpt.evaluation.questions.published import LEADERBOARD
from anomalygpt.evaluation.questions.records import AnswerLog, PhotoRecord, answer_in
from anomalygpt.evaluation.questions.scoring import Scored, ScoredPhoto, score
from anomalygpt.evaluation.questions.settings import QuestionSettings
from anomalygpt.evaluation.questions.trials import Trial

SCHEMA_VERSION = 1


def results_of(
    answerer: Answerer,
    settings: QuestionSettings,
    found: Questionnaire,
    photos: Sequence[QuestionedPhoto],
    log: AnswerLog,
    trials: Sequence[Trial],
) -> dict[str, Any]:
    """What results.json holds of the answers, docs/evaluation.md.

    Args:
        answerer: who was asked.
        settings: what, and how.
        found: the benchmark.
        photos: those of it that were asked about.
        log: the answers.
        trials: the ways of asking, in the order of their numbers in the log.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "answerer": {"name": answerer.name, "mark": answerer.mark},
        "data": _data(found, photos, log),
        "settings": asdict(settings),
        "trials": [
            _trial(number, trial, photos, log, settings.parser)
            for number, trial in enumerate(trials)
        ],
        "products_seen": _seen(answerer, photos, log),
        "leaderboard": _leaderboard(found, photos),
        "findings": _findings(found),
        "versions": versions(),
    }


def _trial(
    number: int,
    trial: Trial,
    photos: Sequence[QuestionedPhoto],
    log: AnswerLog,
    parser: Parser,
) -> dict[str, Any]:
    scored = {each: _scored(photos, log, number, each) for each in PARSERS}
    figures = score(scored[parser]) if scored[parser] else None
    averages = {
        each: (score(scored[each])["mean"]["average"] if scored[each] else None) for each in PARSERS
    }
    records = [record for (place, _), record in log.records.items() if place == number]
    return {
        "shots": trial.shots,
        "knowledge": trial.telling,
        "photos": len(scored[parser]),
        "fewer_templates": sum(len(each["templates"]) < trial.shots for each in records),
        "figures": figures,
        "favourites": _favourites(photos, log, number, parser),
        "parsers": averages,
    }


def _favourites(
    photos: Sequence[QuestionedPhoto], log: AnswerLog, number: int, parser: Parser
) -> dict[str, dict[str, Any]]:
    """By type the answer that came most often, and its share in [0, 1]: who gives one answer to
    everything has not looked."""
    said: dict[str, Counter[str]] = {}
    for photo in photos:
        record = log.records.get((number, photo.key))
        for question, told in zip(
            photo.questions, record["answers"] if record else (), strict=False
        ):
            letter = letter_of(answer_in(told), told["options"], parser)
            if letter in told["options"]:
                counts = said.setdefault(_kind(question), Counter())
                counts[told["options"][letter].strip(" .").casefold()] += 1
    found = {}
    for kind, counts in said.items():
        ((text, count),) = counts.most_common(1)
        found[kind] = {"answer": text, "share": count / counts.total()}
    return found


def _kind(question: Question) -> str:
    """The type that a question counts for."""
    return DETECTION if is_detection(question) else scored_kind(question)


def _scored(
    photos: Sequence[QuestionedPhoto], log: AnswerLog, number: int, parser: Parser
) -> list[ScoredPhoto]:
    found = []
    for photo in photos:
        record = log.records.get((number, photo.key))
        if record is None:
            continue
        questions = []
        for question, told in zip(photo.questions, record["answers"], strict=True):
            letter = letter_of(answer_in(told), told["options"], parser)
            questions.append(
                Scored(
                    kind=_kind(question),
                    is_right=letter == told["correct"],
                    is_unparsed=letter not in told["options"],
                    options=len(told["options"]),
                    group=question.group,
                )
            )
        found.append(
            ScoredPhoto(
                photo.data_set,
                photo.category,
                photo.is_anomalous,
                _probability(photo, record),
                tuple(questions),
            )
        )
    return found


def _probability(photo: QuestionedPhoto, record: PhotoRecord) -> float | None:
    """P(anomaly): as it was told, or yes against no in the answer whether something is wrong."""
    if record["probability"] is not None:
        return float(record["probability"])
    for question, told in zip(photo.questions, record["answers"], strict=True):
        if is_detection(question) and told["shares"] is not None:
            sides = {True: 0.0, False: 0.0}
            for letter, means in yes_and_no(told["options"]).items():
                sides[means] += told["shares"].get(letter, 0.0)
            total = sides[True] + sides[False]
            return sides[True] / total if total > 0 else None
    return None


def published_entries(
    photos: Sequence[QuestionedPhoto], log: AnswerLog, number: int, parser: Parser
) -> list[dict[str, Any]]:
    """Answers in the published format; one that cannot be told is empty."""
    return [
        {
            "image": photo.key,
            "question": {
                "type": "text",
                "text": published_text(place, question.text, told["options"].values()),
                "options": told["options"],
            },
            "question_type": question.kind,
            "correct_answer": told["correct"],
            "gpt_answer": letter_of(answer_in(told), told["options"], parser) or "",
        }
        for photo in photos
        if (record := log.records.get((number, photo.key))) is not None
        for place, (question, told) in enumerate(
            zip(photo.questions, record["answers"], strict=True), 1
        )
    ]


def _data(
    found: Questionnaire, photos: Sequence[QuestionedPhoto], log: AnswerLog
) -> dict[str, Any]:
    answered = {key for _, key in log.records}
    return {
        "root": str(found.root),
        "layout": found.layout,
        "sha256": found.sha256,
        "is_hub_revision": found.sha256 == HUB_SHA256,
        "photos": len(answered),
        "questions": sum(len(each.questions) for each in photos if each.key in answered),
        "is_whole": _is_whole([each for each in photos if each.key in answered]),
    }


def _is_whole(photos: Sequence[QuestionedPhoto]) -> bool:
    """Whether all of MMAD was asked about."""
    return all(
        sum(photo.data_set == name and any(map(is_detection, photo.questions)) for photo in photos)
        == count
        for name, (count, _) in WHOLE.items()
    )


def _leaderboard(found: Questionnaire, photos: Sequence[QuestionedPhoto]) -> list[dict[str, Any]]:
    """Published figures, where photos are MMAD's; of other photos they would say nothing."""
    if found.layout != "mmad" or not {photo.data_set for photo in photos} <= set(WHOLE):
        return []
    return [
        {"model": each.model, "figures": list(each.figures), "seen": each.seen}
        for each in LEADERBOARD
    ]


def _seen(answerer: Answerer, photos: Sequence[QuestionedPhoto], log: AnswerLog) -> dict[str, Any]:
    """Whether the products were seen in training, as far as that can be known."""
    known = answerer.known_photos
    if known is None:
        return {"is_known": False, "sentence": f"{answerer.name} does not tell what it has seen."}
    answered = {key for _, key in log.records}
    asked = [photo for photo in photos if photo.key in answered]
    templates = {Path(path) for record in log.records.values() for path in record["templates"]}
    seen = [photo for photo in asked if _is_among(photo.image, known)]
    seen_templates = sum(_is_among(path, known) for path in sorted(templates))
    products = sorted({photo.category for photo in seen})
    sentence = (
        f"Of {len(asked)} photos and {len(templates)} templates, {answerer.name} remembers "
        f"{len(seen)} and {seen_templates} from its training, by their bytes"
        f"{': ' if products else ''}{', '.join(products)}. That settings were chosen on a data set "
        "leaves no such trace."
    )
    return {
        "is_known": True,
        "photos": len(seen),
        "templates": seen_templates,
        "products": products,
        "sentence": sentence,
    }


def _is_among(path: Path, known: frozenset[str]) -> bool:
    """Whether a photo that is still there is a known one."""
    return bool(known) and is_file(path) and hash_file(path) in known


def _findings(found: Questionnaire) -> list[dict[str, Any]]:
    """What the reader found, counted; `data check` names each."""
    counts: dict[tuple[str, str], int] = {}
    for finding in found.findings:
        key = (finding.severity, finding.problem)
        counts[key] = counts.get(key, 0) + 1
    return [
        {"severity": severity, "problem": problem, "count": count}
        for (severity, problem), count in counts.items()
    ]
