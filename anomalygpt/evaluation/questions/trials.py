"""Which photos are asked about in which way, and asking about one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from anomalygpt.data.files import is_file
from anomalygpt.data.questionnaires import QuestionedPhoto
from anomalygpt.errors import ImageError
from anomalygpt.evaluation.questions.answering import Answerer
from anomalygpt.evaluation.questions.asking import shown_options
from anomalygpt.evaluation.questions.knowledge import Knowledge, Telling
from anomalygpt.evaluation.questions.records import PhotoRecord
from anomalygpt.evaluation.questions.settings import QuestionSettings


@dataclass(frozen=True)
class Trial:
    """One way to ask all questions.

    Attributes:
        shots: number of templates.
        telling: what is told about the product.
    """

    shots: int
    telling: Telling = "none"


def trials_of(
    settings: QuestionSettings, knowledge: Knowledge | None, photos: Sequence[QuestionedPhoto]
) -> list[Trial]:
    """All trials: for each number of templates one, or two where knowledge gives answers away."""
    tellings: tuple[Telling, ...] = ("none",)
    if knowledge is not None:
        leaks = any(map(knowledge.leaks, photos))
        tellings = ("all", "without own class") if leaks else ("all",)
    return [Trial(shots, telling) for shots in settings.shots for telling in tellings]


def limited(photos: Sequence[QuestionedPhoto], limit: int | None) -> list[QuestionedPhoto]:
    """At most so many photos of each product, good and bad in turn, the first by name."""
    if limit is None:
        return list(photos)
    kept: set[str] = set()
    for category in {photo.category for photo in photos}:
        own = sorted((each for each in photos if each.category == category), key=lambda e: e.key)
        good, bad = ([each for each in own if each.is_anomalous == side] for side in (False, True))
        mixed = [each for pair in zip_longest(good, bad) for each in pair if each is not None]
        kept |= {each.key for each in mixed[:limit]}
    return [photo for photo in photos if photo.key in kept]


def templates_of(photo: QuestionedPhoto, trial: Trial, settings: QuestionSettings) -> list[Path]:
    """The first templates of the chosen list that are there."""
    named = photo.random_templates if settings.templates == "random" else photo.similar_templates
    there: Iterator[Path] = (path for path in named if is_file(path))
    return [path for path, _ in zip(there, range(trial.shots), strict=False)]


def ask_about(
    photo: QuestionedPhoto,
    number: int,
    trial: Trial,
    answerer: Answerer,
    settings: QuestionSettings,
    knowledge: Knowledge | None,
) -> PhotoRecord:
    """Ask all questions about one photo.

    Args:
        photo: the one.
        number: of the trial.
        trial, settings, knowledge: how to ask.
        answerer: whom.

    Raises:
        ImageError: the photo is not there or cannot be used, or none of its templates is there.
        ExpertError: see `Session.answer`.
    """
    if not is_file(photo.image):
        raise ImageError("the photo is not there; copy the data set again")
    templates = templates_of(photo, trial, settings)
    if trial.shots and not templates:
        raise ImageError("none of its templates is there; `anomalygpt data check` lists them")
    told = None if knowledge is None else knowledge.told(photo, trial.telling)
    session = answerer.open(photo.image, templates, told)
    answers = []
    for place, question in enumerate(photo.questions, 1):
        options, correct = shown_options(question, settings.shuffle, f"{photo.key} {place}")
        answer = session.answer(question, options)
        shares = None if answer.shares is None else dict(answer.shares)
        answers.append(
            {"options": options, "correct": correct, "text": answer.text, "shares": shares}
        )
    return {
        "photo": photo.key,
        "trial": number,
        "probability": session.probability,
        "templates": [str(path) for path in templates],
        "answers": answers,
    }
