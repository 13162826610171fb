"""Holding chats, and keeping each as a line of JSON as soon as it is over."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anomalygpt import AnomalyGPT, Chat
from anomalygpt.errors import DialogueTooLongError, OutputError
from anomalygpt.files import write_atomically
from anomalygpt.results.inspection import Inspection
from chats.drawn import Drawn, drawn_of, is_as_drawn
from chats.judging import answer_about, read, stated_count
from chats.photos import Case, make_case
from chats.questions import PLACE_KINDS, VERDICT_KINDS, Question, ask, fresh_plan, plan
from simulation.dialogues import Facts

SETTINGS, CHATS = "settings.json", "chats.jsonl"

Record = dict[str, Any]


def hold(
    assistant: AnomalyGPT,
    photos: Sequence[Path],
    number: int,
    *,
    seed: int,
    turns: int,
    references: int,
    fresh: bool = False,
) -> Record:
    """Chat `number`; the same arguments give the same one.

    Args:
        assistant: who is asked.
        photos: to draw from.
        number: of the chat.
        seed: of all of them.
        turns: questions.
        references: of each chat.
        fresh: asks in words of `plain_questions`.

    Raises:
        DataError: the photos cannot be read any more.
        MissingPartError: no language model, or neither references nor a trained text side.
    """
    generator = np.random.default_rng([seed, number])
    case = make_case(photos, references, generator)
    # The photo is encoded once, for the chat and for what the map says by itself.
    evidence = assistant.examine(assistant.encode([case.image]), case.references)
    chat = assistant.chat_about(evidence)
    drawn = drawn_of(chat.inspection)
    kinds = fresh_plan(turns, generator) if fresh else plan(turns, generator)
    talk, ended = _talk(chat, case.facts, kinds, drawn, generator)
    return {
        "chat": number,
        "photo": str(case.photo),
        "source": None if case.source is None else str(case.source),
        "truth": truth_of(case.facts),
        "map": _map_says(assistant, assistant.measure(evidence)[0], case),
        "drawn": drawn,
        "turns": talk,
        "ended": ended,
    }


def truth_of(facts: Facts) -> Record:
    """What the judging needs to know of a photo."""
    return {
        "damaged": bool(facts.defects),
        "count": facts.count,
        "places": list(facts.places),
        "cells": list(facts.cells),
    }


def _talk(
    chat: Chat,
    facts: Facts,
    kinds: Sequence[str | Question],
    drawn: Drawn,
    generator: np.random.Generator,
) -> tuple[list[Record], str | None]:
    """The turns, and why the chat ended early; None where it did not."""
    asked: set[str] = set()
    talk: list[Record] = []
    truth = truth_of(facts)
    said: bool | None = None
    for kind in kinds:
        question = kind if isinstance(kind, Question) else ask(kind, facts, said, asked, generator)
        try:
            answer = chat.ask(question.text)
        except DialogueTooLongError as error:
            return talk, str(error)
        if said is None:
            said = read(answer).verdict
        talk.append(judged(question, answer, truth, drawn))
    return talk, None


def judged(
    question: Question, answer: str, truth: Mapping[str, Any], drawn: Drawn | None = None
) -> Record:
    """A turn with what its answer says, whether that is true, and whether it is as drawn."""
    reading = read(answer)
    return {
        "kind": question.kind,
        "place": question.place,
        "boxes": list(question.boxes),
        "question": question.text,
        "answer": answer,
        "says": {
            "verdict": reading.verdict,
            "places": sorted(reading.places),
            "denied": sorted(reading.denied),
            "count": reading.count,
            "declined": reading.declined,
        },
        "right": is_right(question.kind, question.place, answer, truth),
        "as_drawn": None
        if drawn is None
        else is_as_drawn(question.kind, question.boxes, question.place, answer, drawn),
    }


def is_right(kind: str, place: str | None, answer: str, truth: Mapping[str, Any]) -> bool | None:
    """Whether an answer is true; one that does not tell is not. Sizes, boxes and how sure have no
    truth but what is drawn."""
    reading = read(answer)
    if kind in VERDICT_KINDS:
        return reading.verdict == truth["damaged"]
    if kind in PLACE_KINDS and place is not None:
        return answer_about(answer, place) == (place in truth["cells"])
    if kind == "count":
        return stated_count(answer) == truth["count"]
    if kind == "where":
        if truth["damaged"]:
            return bool(reading.places) and reading.places <= set(truth["cells"])
        return not reading.places and reading.verdict is False
    return reading.declined if kind == "unanswerable" else None


def _map_says(assistant: AnomalyGPT, inspection: Inspection, case: Case) -> Record | None:
    """The verdict of the map by itself: whether it has a region above its level, and whether one
    of them meets the mask. None for published distances, which have no level that means that."""
    if assistant.config.decoder.formulation == "published" and case.references:
        return None
    regions = bool(inspection.regions)
    meets = regions and bool((inspection.mask() & case.mask).any())
    return {"damaged": regions, "meets_mask": meets, "score": inspection.anomaly_score}


# --- files --------------------------------------------------------------------------------------


def held_before(folder: Path, settings: Mapping[str, Any]) -> dict[int, Record]:
    """Chats of an earlier run with the same settings, by number; {} for a new folder.

    Raises:
        OutputError: the folder holds something else, or chats with other settings.
    """
    kept = folder / SETTINGS
    if not kept.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{folder} is not empty; choose another folder for the results")
        write_atomically(kept, lambda file: file.write(json.dumps(settings, indent=1).encode()))
        return {}
    try:
        # Folders that were begun before there were fresh words have none.
        earlier = {"fresh": False, **json.loads(kept.read_text(encoding="utf-8"))}
    except (ValueError, TypeError):
        earlier = {}
    changed = [name for name in settings if earlier.get(name) != settings[name]]
    if changed:
        raise OutputError(
            f"{folder} holds chats with another {', '.join(changed)}; "
            "choose another folder, or the same settings to go on with them"
        )
    return {record["chat"]: record for record in _lines(folder / CHATS)}


def keep(folder: Path, record: Record) -> None:
    """Add a chat to the folder, on the disk when this returns.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with (folder / CHATS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    except OSError as error:
        raise OutputError(f"{folder / CHATS} cannot be written: {error.strerror}") from error


def _lines(path: Path) -> Iterator[Record]:
    """The whole lines; one that was cut off at the end is taken away, so that it is held again."""
    if not path.is_file():
        return
    whole, mark, cut = path.read_text(encoding="utf-8").rpartition("\n")
    if cut:
        write_atomically(path, lambda file: file.write((whole + mark).encode()))
    for line in whole.splitlines():
        yield json.loads(line)
