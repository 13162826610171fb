"""A whole benchmark of multiple-choice questions: every photo once in every trial."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anomalygpt.data import QuestionedPhoto, open_questionnaire
from anomalygpt.errors import ConfigError, DataError, ImageError
from anomalygpt.evaluation.questions.answering import Answerer
from anomalygpt.evaluation.questions.knowledge import Knowledge
from anomalygpt.evaluation.questions.records import AnswerLog
from anomalygpt.evaluation.questions.report import write_reports
from anomalygpt.evaluation.questions.results import published_entries, results_of
from anomalygpt.evaluation.questions.settings import QuestionSettings
from anomalygpt.evaluation.questions.trials import (
    Trial,
    ask_about,
    limited,
    templates_of,
    trials_of,
)
from anomalygpt.files import shown
from anomalygpt.interruptions import stopping
from anomalygpt.progress import with_bar


def evaluate_questions(
    answerer: Answerer,
    settings: QuestionSettings,
    output: str | Path,
    *,
    command: str | None = None,
) -> dict[str, Any]:
    """Ask all questions of a benchmark, and write the results into a folder.

    Answers are kept photo by photo. A run that was interrupted goes on where it was when it is
    called again with the same answerer, data and settings; what was answered is not asked again.

    Args:
        answerer: whom to ask.
        settings: what, and how.
        output: folder for the results; a new one, or that of the same run.
        command: what the user typed, for the results.

    Returns:
        What results.json holds, docs/evaluation.md.

    Raises:
        DataError: the benchmark or the knowledge cannot be read, or no photo could be asked about.
        ConfigError: knowledge for somebody who does not read it.
        OutputError: the folder holds something else, or cannot be written.
        ExpertError: a foreign model cannot be reached; answers so far are kept.
        KeyboardInterrupt: Ctrl-C; answers so far are kept.
    """
    folder = Path(output)
    found = open_questionnaire(settings.data, settings.dataset)
    photos = limited(found.select(settings.categories), settings.limit)
    photos = [photo for photo in photos if photo.questions]
    knowledge = _knowledge(settings, answerer)
    trials = trials_of(settings, knowledge, photos)
    mark = {
        "settings": asdict(settings),
        "answerer": {"name": answerer.name, "mark": answerer.mark},
        "questions": found.sha256,
        "knowledge": None if knowledge is None else knowledge.sha256,
    }
    log = AnswerLog(folder, mark)
    skipped = _ask_all(answerer, photos, trials, settings, knowledge, log)
    if not log.records:
        why = "; ".join([*skipped.values()][:3]) or "no photo is left"
        raise DataError(f"nothing could be asked about {shown(found.root)}: {why}")
    results = results_of(answerer, settings, found, photos, log, trials) | {
        "knowledge": None if knowledge is None else knowledge.summary(photos),
        "skipped": [{"photo": key, "reason": reason} for key, reason in skipped.items()],
        "command": command,
    }
    entries = [
        published_entries(photos, log, number, settings.parser) for number in range(len(trials))
    ]
    write_reports(results, entries if found.layout == "mmad" else None, folder)
    return json.loads(json.dumps(results))  # as a later call would read it


def _knowledge(settings: QuestionSettings, answerer: Answerer) -> Knowledge | None:
    if settings.knowledge is None:
        return None
    if not answerer.reads_knowledge:
        raise ConfigError(
            f"{answerer.name} does not read what is told about a product, so that knowledge would "
            "change nothing; leave it out, or ask a model that reads it"
        )
    return Knowledge.read(Path(settings.knowledge))


def _ask_all(
    answerer: Answerer,
    photos: Sequence[QuestionedPhoto],
    trials: Sequence[Trial],
    settings: QuestionSettings,
    knowledge: Knowledge | None,
    log: AnswerLog,
) -> dict[str, str]:
    """Ask what is not in the log yet; photos that cannot be asked about, with the reason."""
    skipped: dict[str, str] = {}
    with stopping() as stop:
        work = _asked(answerer, photos, trials, settings, knowledge, log, skipped, stop)
        for _ in with_bar(work, len(photos) * len(trials), "photos"):
            pass
    return skipped


def _asked(
    answerer: Answerer,
    photos: Sequence[QuestionedPhoto],
    trials: Sequence[Trial],
    settings: QuestionSettings,
    knowledge: Knowledge | None,
    log: AnswerLog,
    skipped: dict[str, str],
    stop: threading.Event,
) -> Iterator[str]:
    """Yield every photo once it was asked about, or was before; fills `log` and `skipped`.

    Raises:
        KeyboardInterrupt: `stop` was set; the answers are on the disk.
    """
    for number, trial in enumerate(trials):
        # Those with the same templates follow each other, which then are encoded once.
        templates = {photo.key: templates_of(photo, trial, settings) for photo in photos}
        for photo in sorted(photos, key=lambda each: (each.category, templates[each.key])):
            if not log.has(number, photo.key):
                try:
                    record = ask_about(photo, number, trial, answerer, settings, knowledge)
                except ImageError as error:
                    skipped[photo.key] = str(error)
                else:
                    log.add(record)
            yield photo.key
            if stop.is_set():
                raise KeyboardInterrupt
