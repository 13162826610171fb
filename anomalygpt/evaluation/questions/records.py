"""Answers as they are kept: a line for each photo, so that nothing is asked twice."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from anomalygpt.errors import OutputError
from anomalygpt.evaluation.questions.answering import Answer
from anomalygpt.files import shown, write_atomically

# What is known of one photo in one trial, as plain JSON:
#   photo, trial: the name in the benchmark, and which trial;
#   probability: P(anomaly) by other means than an answer, or null;
#   templates: files of the photos of good parts;
#   answers: per question options, correct, text and shares, as they were shown.
PhotoRecord: TypeAlias = "dict[str, Any]"

ANSWERS, RUN = "answers.jsonl", "run.json"


def answer_in(told: Mapping[str, Any]) -> Answer:
    """The answer that an entry of `answers` holds."""
    return Answer(told["text"], told["shares"])


class AnswerLog:
    """The lines of one run, in a file that only grows."""

    def __init__(self, folder: Path, mark: Mapping[str, Any]) -> None:
        """
        Args:
            folder: of the results; made if needed.
            mark: what must be the same for a run to go on.

        Raises:
            OutputError: the folder holds another run or something else, or cannot be written.
        """
        self.records: dict[tuple[int, str], PhotoRecord] = {}
        self._path = folder / ANSWERS
        _begin(folder, mark)
        for record in _read(self._path):
            self.records[record["trial"], record["photo"]] = record

    def has(self, trial: int, photo: str) -> bool:
        """Whether the photo was asked about."""
        return (trial, photo) in self.records

    def add(self, record: PhotoRecord) -> None:
        """Keep what is known of a photo, on the disk before anything else is asked.

        Raises:
            OutputError: the disk is full or cannot be written.
        """
        line = json.dumps(record, ensure_ascii=True, allow_nan=False) + "\n"
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"{shown(self._path)} cannot be written: {error.strerror}; make room, then the "
                "same command goes on"
            ) from None
        self.records[record["trial"], record["photo"]] = record


def _begin(folder: Path, mark: Mapping[str, Any]) -> None:
    run = folder / RUN
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{shown(folder)} is a file; name a folder for the results")
    told = json.loads(json.dumps(mark))
    if run.is_file():
        try:
            former = json.loads(run.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            former = None
        if former == told:
            return
        raise OutputError(
            f"{shown(folder)} holds answers to other questions ({_difference(former, told)}), "
            "which must not be mixed; repeat that command, name another folder, or remove it"
        )
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if found:
        raise OutputError(
            f"{shown(folder)} is not empty (it holds {shown(found[0])}); name a new folder"
        )
    text = json.dumps(told, indent=1).encode()
    write_atomically(run, lambda file: file.write(text))


def _difference(former: Any, now: Mapping[str, Any]) -> str:
    if not isinstance(former, dict):
        return f"its {RUN} cannot be read"
    names = [name for name in now if former.get(name) != now[name]]
    before, after = former.get("settings"), now["settings"]
    if names == ["settings"] and isinstance(before, dict):
        names = [name for name in after if before.get(name) != after[name]]
    return f"other {', '.join(names) or 'keys'}"


def _read(path: Path) -> list[PhotoRecord]:
    """All whole lines; a line that a killed run left half written is cut off, and asked again.

    Raises:
        OutputError: a line in the middle is damaged.
    """
    if not path.is_file():
        return []
    lines = path.read_bytes().split(b"\n")
    records: list[PhotoRecord] = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            record = json.loads(line)
            _ = record["trial"], record["photo"], record["answers"]
        except (ValueError, KeyError, TypeError):
            raise OutputError(
                f"{shown(path)}, line {number} is damaged; take the line out, and it is asked again"
            ) from None
        records.append(record)
    if lines[-1]:
        whole = b"\n".join([*lines[:-1], b""])
        write_atomically(path, lambda file: file.write(whole))
    return records
