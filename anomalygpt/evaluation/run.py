"""A whole evaluation: every photo once, encoded once, whatever is asked about it.

Photos come in batches; each batch is encoded, and then compared with the references of every
trial. So memory holds two batches, the references of one category, and counts: it does not grow
with the number of photos.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from anomalygpt.data import InspectionData, Sample, bit_depths, data_notes, open_data
from anomalygpt.errors import DataError, OutputError
from anomalygpt.evaluation.batches import load_batches
from anomalygpt.evaluation.category import CategoryRun
from anomalygpt.evaluation.examples import FOLDER as EXAMPLES
from anomalygpt.evaluation.examples import worst_examples
from anomalygpt.evaluation.measuring import Measuring
from anomalygpt.evaluation.protocol import (
    CategoryPlan,
    hash_files,
    plan,
    refuse_seen,
    seen_photos,
    without,
)
from anomalygpt.evaluation.provenance import model_hash
from anomalygpt.evaluation.reports.files import REPORTS, read_results, write_results
from anomalygpt.evaluation.settings import EvaluationSettings
from anomalygpt.evaluation.state import CategoryState
from anomalygpt.evaluation.summary import assemble
from anomalygpt.files import write_atomically
from anomalygpt.interruptions import stopping
from anomalygpt.progress import with_bar

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT

PROGRESS, RUN = "progress", "run.json"

# Seconds between states on the disk: a killed run loses no more.
SAVE_EVERY = 30.0


def evaluate(
    assistant: AnomalyGPT,
    settings: EvaluationSettings,
    output: str | Path,
    *,
    command: str | None = None,
) -> dict[str, Any]:
    """Measure an assistant on a data set, and write the results into a folder.

    A run that was interrupted goes on where it was when it is called again with the same
    assistant, data and settings; one that is complete returns its results.

    Args:
        assistant: whom to measure.
        settings: what to measure.
        output: folder for the results; a new one, or that of the interrupted run.
        command: what the user typed, for the results.

    Returns:
        What results.json holds, docs/evaluation.md.

    Raises:
        DataError: the data set cannot be measured, or holds test photos that the model or the
            references know.
        ConfigError: the settings ask for what the assistant does not have.
        OutputError: the folder holds something else, or cannot be written.
        KeyboardInterrupt: Ctrl-C; what was measured is kept.
    """
    folder = Path(output)
    measuring = Measuring.of(assistant, settings)
    data = open_data(settings.data, settings.dataset, settings.categories)
    plans = plan(data, settings)
    hashes = hash_files(data)
    plans, seen = _unseen(plans, data, settings, hashes, assistant.training_photos)
    weights = model_hash(assistant)
    mark = _mark(settings, weights, assistant, data, hashes)
    finished = _begin(folder, mark)
    if finished is not None:
        return finished
    depths = bit_depths(data.samples, settings.bit_depth)
    states = _measured(measuring, settings, plans, depths, folder)
    training = {hashes.get(sample.image) for sample in data.select(split="train")}
    results, photos = assemble(
        measuring,
        settings,
        data,
        plans,
        states,
        weights=weights,
        command=command,
        trained_here=bool(training & assistant.training_photos),
    )
    results |= {
        "left_out": seen,
        "notes": data_notes(data),
        "mark": mark,
    }
    write_results(results, photos, folder)
    shutil.rmtree(folder / PROGRESS, ignore_errors=True)
    return json.loads(json.dumps(results))  # as a later call would read it


def _unseen(
    plans: Sequence[CategoryPlan],
    data: InspectionData,
    settings: EvaluationSettings,
    hashes: Mapping[Path, str | None],
    trained_on: frozenset[str],
) -> tuple[list[CategoryPlan], list[str]]:
    """The plans without the photos that the model or the references know, and those photos.

    Raises:
        DataError: there are such photos, and the settings do not say to leave them out.
    """
    seen = seen_photos(data, plans, hashes, trained_on)
    if not settings.leave_out_seen:
        refuse_seen(seen)
    kept = without(plans, frozenset(each.image for each in seen))
    return kept, [str(each.image) for each in seen]


def _measured(
    measuring: Measuring,
    settings: EvaluationSettings,
    plans: Sequence[CategoryPlan],
    depths: Mapping[Path, int],
    folder: Path,
) -> dict[str, CategoryState]:
    """What was found on every photo, by category."""
    states: dict[str, CategoryState] = {}
    with stopping() as stop:
        work = _photos(measuring, settings, plans, depths, folder, states, stop)
        for _ in with_bar(work, sum(len(each.samples) for each in plans), "photos"):
            pass
    _check_measured(states, folder)
    return states


def _photos(
    measuring: Measuring,
    settings: EvaluationSettings,
    plans: Sequence[CategoryPlan],
    depths: Mapping[Path, int],
    folder: Path,
    states: dict[str, CategoryState],
    stop: threading.Event,
) -> Iterator[Sample]:
    """Yield every photo once it is measured, or was in an earlier run; fills `states`.

    Raises:
        KeyboardInterrupt: `stop` was set; the state is on the disk.
    """
    for each in plans:
        path = folder / PROGRESS / f"{quote(each.category, safe='')}.npz"
        state = states[each.category] = CategoryState.load(path)
        yield from each.samples[: state.done]
        if state.examples is not None:
            continue
        category = CategoryRun(measuring, settings, each, state, depths)
        saved = time.monotonic()
        for batch in load_batches(each.samples[state.done :], settings.batch_size, depths):
            begun = state.done
            category.add(batch)
            if stop.is_set() or time.monotonic() > saved + SAVE_EVERY:
                state.save(path)
                saved = time.monotonic()
            if stop.is_set():
                raise KeyboardInterrupt
            yield from each.samples[begun : state.done]
        state.examples = worst_examples(
            measuring, each, category, state.records, folder, settings.examples
        )
        state.save(path)


def _check_measured(states: Mapping[str, CategoryState], folder: Path) -> None:
    """
    Raises:
        DataError: no photo at all could be read; the folder can be used again.
    """
    if any(state.records for state in states.values()):
        return
    shutil.rmtree(folder / PROGRESS, ignore_errors=True)
    reasons = [reason for state in states.values() for reason in state.skipped.values()]
    why = "; ".join(reasons[:3]) or "all of them are references; ask for fewer, or add photos"
    raise DataError(f"no test photo could be measured: {why}")


def _mark(
    settings: EvaluationSettings,
    weights: str,
    assistant: AnomalyGPT,
    data: InspectionData,
    hashes: Mapping[Path, str | None],
) -> str:
    """What must be the same for a run to go on: settings, model, photos, labels and masks."""
    about = {
        # Another batch size changes the last digits only, but then a resumed run would differ.
        "settings": asdict(settings),
        "model": [weights, assistant.card, assistant.config.to_dict()],
        "samples": [asdict(sample) for sample in data.samples],
        "files": sorted((str(path), digest) for path, digest in hashes.items()),
    }
    text = json.dumps(about, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _begin(folder: Path, mark: str) -> dict[str, Any] | None:
    """Make the folder, or recognise in it what an earlier run left.

    Returns:
        The results of the same run, if it is complete.

    Raises:
        OutputError: the folder holds another run, or something else.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; name a folder for the results")
    results = read_results(folder)
    if results is not None:
        if results.get("mark") == mark:
            _check_complete(folder)
            return results
        raise OutputError(
            f"{folder} holds the results of another evaluation (other settings, model or photos); "
            "name another folder, or remove it"
        )
    run = folder / PROGRESS / RUN
    if run.is_file():
        try:
            same = json.loads(run.read_text(encoding="utf-8")) == {"mark": mark}
        except (OSError, ValueError):
            same = False
        if same:
            return None
        raise OutputError(
            f"{folder} holds an unfinished evaluation with other settings, another model or other "
            "photos; repeat that command to finish it, name another folder, or remove it"
        )
    # A full disk leaves the folder for the progress, without anything in it.
    ours = {EXAMPLES} if any((folder / PROGRESS).glob("*")) else {EXAMPLES, PROGRESS}
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if found - ours:
        raise OutputError(
            f"{folder} is not empty (it holds {min(found - ours)}); name a new folder"
        )
    text = json.dumps({"mark": mark}).encode()
    write_atomically(run, lambda file: file.write(text))
    return None


def _check_complete(folder: Path) -> None:
    """
    Raises:
        OutputError: a report was taken away; what it needs was not kept.
    """
    missing = [name for name in REPORTS if not (folder / name).is_file()]
    if missing:
        raise OutputError(
            f"{folder} holds the results, but no {missing[0]} any more; remove the folder to "
            "measure again, or name another one"
        )
