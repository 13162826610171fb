"""Ship stage: the finished parts in half precision, as one folder that the package brings along."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

from anomalygpt import AnomalyGPT
from anomalygpt.doctor.known_answers import KNOWN_ANSWERS, known_answers
from anomalygpt.errors import OutputError
from anomalygpt.pretrained import LANGUAGE_MODEL
from embedded.photos import split_photos
from embedded.records import Sources, write_made_by

# Everything that the package ships.
MOST_MEGABYTES = 48
SOURCES: Sources = {
    "encoder": {},
    "language": {},
    "evidence": {"encoder": "encoder"},
    "prompts": {"encoder": "encoder", "language_model": "language", "evidence": "evidence"},
    "heads": {"assistant": "prompts"},
    "ship": {"assistant": "heads", "language_model": "language"},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the stage."""
    parser.add_argument("--assistant", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--language-model", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--photos", type=Path, nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--examples", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--work", type=Path, required=True, metavar="FOLDER", help="of the stages' folders"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")


def run(options: argparse.Namespace) -> int:
    """Write the folder anew, load it again and record what it says about the examples."""
    assistant = AnomalyGPT.from_pretrained(options.assistant, device="cpu", dtype="float32")
    assistant.training_photos = split_photos(options.photos).hashes
    _halve(assistant)
    new = options.output.with_name(options.output.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    assistant.save_pretrained(new)
    _plain_tokenizer(options.language_model, new / LANGUAGE_MODEL)
    started = time.perf_counter()
    again = AnomalyGPT.from_pretrained(new, device="cpu")
    seconds = time.perf_counter() - started
    again.name = "embedded"
    answers = known_answers(again, options.examples)
    (new / KNOWN_ANSWERS).write_text(json.dumps(answers, indent=2) + "\n", encoding="utf-8")
    write_made_by(new, options, SOURCES)
    megabytes = take_place(new, options.output, MOST_MEGABYTES)
    print(f"{megabytes:.1f} MB, loaded in {seconds:.2f} s")
    print(f"written: {options.output}")
    return 0


def take_place(new: Path, output: Path, most: float) -> float:
    """Put a new folder where an older one may be.

    Args:
        new: is removed where it is too large.
        output: its name from now on.
        most: megabytes that it may have.

    Returns:
        Its megabytes.

    Raises:
        OutputError: it is too large; the older one stays.
    """
    megabytes = sum(f.stat().st_size for f in new.rglob("*") if f.is_file()) / 1e6
    if megabytes > most:
        shutil.rmtree(new)
        raise OutputError(
            f"the assistant has {megabytes:.1f} MB, {most} may be shipped; {output} is as it was"
        )
    shutil.rmtree(output, ignore_errors=True)
    new.rename(output)
    return megabytes


def _halve(assistant: AnomalyGPT) -> None:
    assert assistant.language_model is not None
    assistant.half()
    model: Any = assistant.language_model.model
    model.half()


def _plain_tokenizer(source: Path, target: Path) -> None:
    """The SentencePiece model itself, which every version of transformers reads alike."""
    (target / "tokenizer.json").unlink(missing_ok=True)
    for name in ("tokenizer.model", "tokenizer_config.json"):
        shutil.copyfile(source / name, target / name)
