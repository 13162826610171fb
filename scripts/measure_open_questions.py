"""What an assistant answers to 100 open questions, to be read by eye, and how fast.

    python scripts/measure_open_questions.py PHOTOS --model talk --seed 0 --output FOLDER

Each question is asked about another simulated photo, as in `measure_chats.py`, after the verdict.
Answers lie in FOLDER/answers.md; whether one is any good, and invents nothing, has to be read
there. What the script counts is only what the product's own check, which takes such sentences out
before anybody sees them, still finds. Speed: the first piece, and tokens of the language model in a
second, with the time of the check in it. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from anomalygpt import AnomalyGPT, AnomalyGPTError, GenerationOptions
from anomalygpt.files import write_atomically
from anomalygpt.progress import with_bar
from anomalygpt.replies.inventions import Known, inventions
from chats.open_questions import OPEN
from chats.photos import held_out, make_case

Record = dict[str, Any]
MOST_TRIES = 60  # of photos, until one has the boxes that a question names


def asked() -> list[tuple[str, str]]:
    """All questions with their kinds, in order."""
    return [(kind, text) for kind, texts in OPEN.items() for text in texts]


def boxes_needed(kind: str, text: str) -> int:
    """How many boxes must be there for a question to make sense."""
    if kind != "box":
        return 0
    return 2 if "2" in text or "second" in text else 1


def answered(
    assistant: AnomalyGPT, photos: Sequence[Path], number: int, kind: str, text: str, seed: int
) -> Record:
    """One question about a photo of its own."""
    generator = np.random.default_rng([seed, 77, number])
    for _ in range(MOST_TRIES):
        case = make_case(photos, 1, generator)
        evidence = assistant.examine(assistant.encode([case.image]), case.references)
        chat = assistant.chat_about(evidence)
        found = chat.judge()
        if len(found.regions) >= boxes_needed(kind, text):
            break
    processed, begun, first = chat.tokens_processed, time.perf_counter(), 0.0
    said = ""
    for piece in chat.stream(text, GenerationOptions()):
        if piece and not said:
            first = time.perf_counter() - begun
        said += piece
    return {
        "kind": kind,
        "question": text,
        "verdict": found.answer,
        "truth": "damaged" if case.facts.defects else "good",
        "regions": [region.location for region in found.regions],
        "answer": said.strip(),
        "invented": inventions(said, Known(found, text)),
        "first_seconds": first,
        "seconds": time.perf_counter() - begun,
        "tokens": chat.tokens_processed - processed,
    }


def measure(options: argparse.Namespace) -> str:
    """Ask what was not asked yet; the figures as text.

    Raises:
        AnomalyGPTError: the photos, the assistant or the folder cannot be used.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    assistant = AnomalyGPT.from_pretrained(options.model, device="cpu")
    photos, _ = held_out(options.photos, assistant.training_photos)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "answers.jsonl"
    records = (
        [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    )
    questions = asked()[: options.limit]
    rest = list(enumerate(questions))[len(records) :]

    def ask() -> Iterator[Record]:
        for number, (kind, text) in rest:
            yield answered(assistant, photos, number, kind, text, options.seed)

    for record in with_bar(ask(), len(rest), "questions"):
        records.append(record)
        _write(path, "".join(f"{json.dumps(each)}\n" for each in records))
    _write(options.output / "answers.md", _page(records))
    return _figures(records)


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))


def _figures(records: Sequence[Record]) -> str:
    count = len(records)
    clean = sum(not each["invented"] for each in records)
    speeds = [each["tokens"] / each["seconds"] for each in records if each["tokens"] > 8]
    firsts = [each["first_seconds"] for each in records]
    return (
        f"{count} questions; nothing invented that the check still finds: {clean} "
        f"({100 * clean / count:.1f} %)\n"
        f"first words after {median(firsts):.2f} s (median), {max(firsts):.2f} s (longest)\n"
        f"language model: {median(speeds) if speeds else 0:.1f} tokens a second (median, read and "
        "written)"
    )


def _page(records: Sequence[Record]) -> str:
    parts = []
    for number, each in enumerate(records, start=1):
        head = f"**{number}. {each['question']}** ({each['kind']}; {each['verdict']})"
        found = f"\n\ninvented: {each['invented']}" if each["invented"] else ""
        parts.append(f"{head}\n\n{each['answer']}{found}\n\n")
    return "".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Ask 100 open questions and write the answers down to be read."
    )
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTOS", help="folders of photos")
    parser.add_argument("--model", default="talk")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="the first so many questions alone")
    parser.add_argument("--threads", type=int, default=0, help="0 leaves the choice to torch")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    try:
        print(measure(parser.parse_args(arguments)))
    except AnomalyGPTError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
