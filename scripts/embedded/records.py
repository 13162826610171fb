"""What each stage was run with and what came of it, as hashes, up to the folder that is shipped.

A stage's output folder holds `stage.json`: its runs (arguments, a hash of the code, versions) and
the hash of its result. A shipped folder holds `made_by.json`: the hash of each of its files, and
the records of the stages that it came from. Files and folders are told by their hashes, never by
where they lay on a machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from anomalygpt.doctor.known_answers import KNOWN_ANSWERS
from anomalygpt.errors import AnomalyGPTError, DataError
from anomalygpt.files import hash_file, write_atomically
from anomalygpt.version import __version__

RECORD, MADE_BY = "stage.json", "made_by.json"
# What of its output folder a stage is run for.
RESULTS = {
    "encoder": "encoder.safetensors",
    "language": "language_model",
    "evidence": ".",
    "prompts": "assistant",
    "heads": "assistant",
    "talk": ".",
    "talk_prompts": "assistant",
}
ROOT = Path(__file__).parents[2]
CODE = ("scripts/embedded", "anomalygpt", "decoder", "prompt_learner", "simulation")
SCRIPTS = ("scripts/train_embedded.py", "scripts/tokenizer.py")
# Places, which say nothing about what is made.
_UNTOLD = ("stage", "run", "output", "work")

# For each stage, by its folder, which argument is whose result.
Sources = Mapping[str, Mapping[str, str]]


def hash_of(path: Path) -> str | None:
    """SHA-256 of a file, or of the names and bytes in a folder; None where nothing is.

    Tables, records and hidden files of a folder do not count: they are written beside a result.

    Raises:
        DataError: a file cannot be read.
    """
    if not path.is_dir():
        return hash_file(path) if path.exists() else None
    return _hash_files(_counted(path), path)


def _counted(folder: Path) -> list[Path]:
    return [
        file
        for file in folder.rglob("*")
        if file.is_file()
        and file.suffix != ".csv"
        and file.name != RECORD
        and not file.name.startswith(".")
    ]


def _stamps(folder: Path) -> set[tuple[str, int, int]]:
    """Changes when a stage writes anything that counts; cheaper than hashes."""
    found = [(str(file), file.stat()) for file in _counted(folder)]
    return {(name, stat.st_size, stat.st_mtime_ns) for name, stat in found}


def _hash_files(files: Iterable[Path], root: Path) -> str:
    lines = sorted(f"{file.relative_to(root).as_posix()} {hash_file(file)}" for file in files)
    return hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()


def run_of(options: argparse.Namespace) -> dict[str, Any]:
    """A run as it is kept: "arguments", "code" and "versions"."""
    code = [file for folder in CODE for file in (ROOT / folder).rglob("*.py")]
    code += [ROOT / script for script in SCRIPTS]
    return {
        "arguments": {
            name: _told(value) for name, value in vars(options).items() if name not in _UNTOLD
        },
        "code": _hash_files(code, ROOT),
        "versions": {"anomalygpt": __version__, "torch": version("torch")},
    }


def _told(value: Any) -> Any:
    if isinstance(value, list):
        return [_told(one) for one in value]
    return hash_of(value) if isinstance(value, Path) else value


def recorded(
    stage: str, options: argparse.Namespace, run: Callable[[argparse.Namespace], int]
) -> int:
    """Run a stage and keep its record: it is written before the stage runs, and the earlier one
    comes back where the stage was refused, stopped or had nothing to do, and left the result as
    it was.

    Args:
        stage: one of `RESULTS`.
        options: of the stage, with its `output`.
        run: the stage.

    Returns:
        Its exit status.
    """
    path, result = options.output / RECORD, options.output / RESULTS[stage]
    before, this = read_record(options.output), run_of(options)
    # Where something lies without a record, nobody knows how it was begun.
    runs = before["runs"] if before else [None] if _counted(options.output) else []
    runs = runs if this in runs[-1:] else [*runs, this]
    found = hash_of(result)
    finished = found if before and before["result"] == found else None
    begun = _stamps(options.output)
    record = {"stage": stage, "runs": runs, "result": None}
    _write(path, record)
    status = None
    try:
        status = run(options)
    except AnomalyGPTError:
        # Refused, if nothing was written.
        if finished is None and _stamps(options.output) == begun:
            _write(path, before)
        raise
    finally:
        found = hash_of(result)
        if finished is not None and found == finished:
            _write(path, before)
        elif status == 0:
            _write(path, {**record, "result": found})
    return status


def read_record(folder: Path) -> dict[str, Any] | None:
    """What a stage kept in its output folder; None where it kept nothing.

    Raises:
        DataError: the record is damaged.
    """
    return _read(folder / RECORD)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); delete it, or copy it again") from error
    return found


def _write(path: Path, record: Mapping[str, Any] | None) -> None:
    if record is None:
        path.unlink(missing_ok=True)
        return
    text = json.dumps(record, indent=2) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def write_made_by(folder: Path, options: argparse.Namespace, sources: Sources) -> None:
    """Write down what a folder that is ready to be shipped holds and was made of.

    Args:
        folder: gets `made_by.json`.
        options: of the stage that ships, with `work`, where the stages' folders lie.
        sources: of the stages before, and under "ship" of this one.

    Raises:
        DataError: a result is not as its stage left it, or not the one that a later stage read.
    """
    shipped = run_of(options)
    records = {name: read_record(options.work / name) for name in sources if name != "ship"}
    for name, record in records.items():
        if record is None or record["result"] is None:
            print(f"{options.work / name} has no record of a finished run; the hashes miss it")
        elif record["result"] != hash_of(options.work / name / RESULTS[record["stage"]]):
            raise DataError(
                f"{options.work / name} is not as its stage left it; delete it, and run it again"
            )
    runs = {name: record["runs"][-1] for name, record in records.items() if record}
    for name, run in {**runs, "ship": shipped}.items():
        for argument, source in sources[name].items():
            made = records[source]
            if made is not None and run["arguments"][argument] != made["result"]:
                raise DataError(
                    f"{name} was given another {argument.replace('_', ' ')} than "
                    f"{options.work / source} holds; run again what comes after {source}"
                )
    _write(folder / MADE_BY, made_by(folder, shipped, records))


def made_by(
    folder: Path, shipped: dict[str, Any] | None, stages: Mapping[str, dict[str, Any] | None]
) -> dict[str, Any]:
    """The record of a folder: "files", "shipped" (the run that shipped it) and "stages".

    Args:
        folder: to be shipped.
        shipped: None where nobody knows.
        stages: by name; None where a stage left no record.
    """
    return {"files": file_hashes(folder), "shipped": shipped, "stages": dict(stages)}


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file but the record itself and the known answers, which are asked again
    after any change of the program, and compared by `anomalygpt doctor`."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {
        file.relative_to(folder).as_posix(): hash_file(file)
        for file in files
        if file.name not in (MADE_BY, KNOWN_ANSWERS)
    }


def read_made_by(folder: Path) -> dict[str, Any]:
    """The record of a shipped folder.

    Raises:
        DataError: there is none, or it is damaged.
    """
    found = _read(folder / MADE_BY)
    if found is None:
        raise DataError(f"{folder} has no {MADE_BY}; the ship stage writes it")
    return found
