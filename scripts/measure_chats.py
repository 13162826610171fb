"""How often an assistant's chats tell the truth, counted on simulated damage.

    python scripts/measure_chats.py PHOTOS --model embedded --chats 300 --turns 5 \
        --references 1 --seed 0 --output FOLDER

Each chat is about a photo that the assistant was not trained on (by SHA-256), damaged by
the simulation in half of the cases, and shown in another light. References are simulated other
photos of the same part without damage; `--references 0` gives none. The first question is whether
something is wrong; the others ask where, how many, about single places, the same again in other
words or against what was said, and for things that no photo shows. Who doubts, doubts the
assistant's own verdict.

What the answers say is read off their words (`chats.judging`); masks are the truth. A
place is true where the damage reaches its cell, as in `simulation.dialogues.facts`. Counts are
exact or wrong. "As drawn" compares with the regions of the result instead of the truth.
`--fresh` asks in words that no pattern and no test was written from, also about numbered boxes
(`chats.plain_questions`, the half that is only counted). The map's verdict is whether it has a
region above 0.5, without the language model; so "yes/no as the map has it" tells what the words
make of the map, and "map's verdict true" what they could know from it. "Damage found" are the
chats about damaged photos whose first answer says so.

FOLDER gets `chats.jsonl` with every question, answer and judgement, `summary.json` and
`summary.md`. Whatever stops it, the same command goes on where it was; a larger number of
chats adds to those that are there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import torch

from anomalygpt import AnomalyGPT, AnomalyGPTError
from anomalygpt.errors import ConfigError, MissingPartError
from anomalygpt.evaluation.provenance import model_hash, versions
from anomalygpt.files import write_atomically
from anomalygpt.progress import with_bar
from chats.figures import as_json, figures, table
from chats.photos import held_out
from chats.questions import FEWEST_TURNS, MOST_TURNS
from chats.talks import Record, held_before, hold, keep

SUMMARY = "summary"

# Letters of a SHA-256 that tell one model from another.
_MARK_LENGTH = 16


def measure(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    """Hold the chats that are not there yet; the summary, as markdown.

    Raises:
        AnomalyGPTError: an option, the photos, the assistant or the folder cannot be used.
    """
    _check(options)
    if options.threads:
        torch.set_num_threads(options.threads)
    cv2.setNumThreads(torch.get_num_threads())
    assistant = AnomalyGPT.from_pretrained(options.model, device=options.device)
    if assistant.language_model is None:
        raise MissingPartError(f"{options.model} has no language model to talk with")
    photos, marks = held_out(options.photos, assistant.training_photos)
    settings = {
        "model": model_hash(assistant),
        "photos": hashlib.sha256("\n".join(marks).encode()).hexdigest(),
        "turns": options.turns,
        "references": options.references,
        "seed": options.seed,
        "fresh": options.fresh,
    }
    records = held_before(options.output, settings)
    missing = [number for number in range(options.chats) if number not in records]
    for number in with_bar(missing, len(missing), "chats"):
        records[number] = hold(
            assistant,
            photos,
            number,
            seed=options.seed,
            turns=options.turns,
            references=options.references,
            fresh=options.fresh,
        )
        keep(options.output, records[number])
    wanted = [records[number] for number in range(options.chats)]
    return summarise(wanted, settings, len(photos), options, arguments)


def _check(options: argparse.Namespace) -> None:
    if options.chats < 1:
        raise ConfigError(f"--chats counts from 1 on; got {options.chats}")
    if not FEWEST_TURNS <= options.turns <= MOST_TURNS:
        raise ConfigError(f"--turns is from {FEWEST_TURNS} to {MOST_TURNS}; got {options.turns}")
    for name in ("references", "seed", "threads"):
        if getattr(options, name) < 0:
            raise ConfigError(f"--{name} must be 0 or more; got {getattr(options, name)}")


def summarise(
    records: Sequence[Record],
    settings: dict[str, Any],
    photos: int,
    options: argparse.Namespace,
    arguments: Sequence[str],
) -> str:
    """Write both summaries, and return the one for people."""
    found = figures(records)
    command = shlex.join(["python", "scripts/measure_chats.py", *arguments])
    short = sum(record["ended"] is not None for record in records)
    values = {
        "command": command,
        "date": date.today().isoformat(),
        "model_name": str(options.model),
        **settings,
        "chats": len(records),
        "ended_early": short,
        "photos_to_draw_from": photos,
        "versions": versions(),
        "figures": as_json(found),
    }
    damaged = sum(record["truth"]["damaged"] for record in records)
    text = "\n".join(
        [
            "# Chats about simulated damage",
            "",
            f"{values['date']}, model {options.model} ({settings['model'][:_MARK_LENGTH]}), "
            f"seed {options.seed}. {len(records)} chats of {options.turns} turns, "
            f"{damaged} of them about damage, {options.references} references each, out of "
            f"{photos} photos.",
            *([f"{short} ended early: the language model had no room left."] if short else []),
            "",
            "```bash",
            command,
            "```",
            "",
            table(found),
        ]
    )
    _write(options.output / f"{SUMMARY}.json", json.dumps(values, indent=1))
    _write(options.output / f"{SUMMARY}.md", text)
    return text


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(f"{text}\n".encode()))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("photos", type=Path, nargs="+", metavar="PHOTOS", help="folders of photos")
    made.add_argument("--model", default="embedded", metavar="MODEL", help="embedded, or a folder")
    made.add_argument("--chats", type=int, default=300)
    made.add_argument("--turns", type=int, default=5, help="questions of each chat")
    made.add_argument("--references", type=int, default=1, help="of each chat")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--fresh", action="store_true", help="ask in words that nobody tuned on")
    made.add_argument("--device", default="auto")
    made.add_argument("--threads", type=int, default=0, help="0 leaves the choice to torch")
    made.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(arguments)
    try:
        print(measure(options, arguments))
    except AnomalyGPTError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it was", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
