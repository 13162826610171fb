"""A run of attacks over a data set, photo by photo; one that was interrupted goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch
from torch import Tensor

from anomalygpt.data import InspectionData, Sample, bit_depths, data_notes, open_data
from anomalygpt.errors import ConfigError, DataError, ImageError, OutputError
from anomalygpt.evaluation.figures.threshold import reference_threshold
from anomalygpt.evaluation.measuring import THRESHOLD, Measuring
from anomalygpt.evaluation.protocol import (
    CategoryPlan,
    Trial,
    hash_files,
    plan,
    refuse_seen,
    seen_photos,
    without,
)
from anomalygpt.evaluation.provenance import machine, model_hash, versions
from anomalygpt.evaluation.references import References, ReferenceSet
from anomalygpt.evaluation.robustness.attacks import AttackSettings, attacked
from anomalygpt.evaluation.robustness.figures import CLEAN, attack_figures
from anomalygpt.evaluation.robustness.pictures import FOLDER, draw_case
from anomalygpt.evaluation.robustness.report import RESULTS, write_report
from anomalygpt.evaluation.robustness.wrapper import (
    LEVELS,
    VerdictNetwork,
    in_8_bits,
    photo_mask,
    photo_pixels,
)
from anomalygpt.evaluation.settings import EvaluationSettings
from anomalygpt.files import write_atomically
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.images.reading import load_image
from anomalygpt.interruptions import stopping
from anomalygpt.model import AnomalyGPT
from anomalygpt.progress import with_bar
from anomalygpt.verdict import says_yes

PROGRESS = "attack-progress.json"

Record = dict[str, Any]


def attack(
    assistant: AnomalyGPT,
    settings: EvaluationSettings,
    attacks: AttackSettings,
    output: str | Path,
    *,
    command: str | None = None,
) -> dict[str, Any]:
    """Attack the verdict on every photo, and write figures and pictures into a folder.

    Photos are attacked at the size at which the encoder reads them, and seen whole; what is called
    clean is the same photo under the same conditions. A run that was interrupted goes on where it
    was when it is called again with the same arguments.

    Args:
        assistant: whom to attack; its language model's verdict, or the threshold's where it has
            none or the settings ask for it.
        settings: photos, references and their number; `detail`, `limit`, `maps` of more than one
            kind and the ablations are not for attacks.
        attacks: which, how strong, and how many photos of a product.
        output: folder for the results; a new one, or that of the interrupted run.
        command: what the user typed, for the results.

    Returns:
        What attack.json holds, docs/robustness.md.

    Raises:
        MissingExtraError: the library of attacks is not installed.
        ConfigError, DataError: see `evaluation.run.evaluate`.
        OutputError: the folder holds something else, or cannot be written.
        KeyboardInterrupt: Ctrl-C; what was attacked is kept.
    """
    settings = _for_attacks(settings, attacks)
    measuring = Measuring.of(assistant, settings)
    data = open_data(settings.data, settings.dataset, settings.categories)
    plans, left_out = _unseen(data, settings, assistant)
    weights = model_hash(assistant)
    mark = _mark(asdict(settings), asdict(attacks), weights, [asdict(each) for each in plans])
    folder = Path(output)
    progress = _Progress.begin(folder, mark)
    if progress is None:
        return dict(json.loads((folder / RESULTS).read_text(encoding="utf-8")))
    depths = bit_depths(data.samples, settings.bit_depth)
    _attack_all(measuring, settings, attacks, plans, depths, progress)
    results: dict[str, Any] = {
        "command": command,
        "settings": asdict(settings),
        "attacks": asdict(attacks),
        "verdict": measuring.verdicts[0],
        "model": {**assistant.card, "weights": weights},
        "versions": versions(),
        "machine": machine(assistant.device),
        **progress.found(),
        "left_out": left_out,
        "notes": data_notes(data),
        "mark": mark,
    }
    write_report(results, folder)
    (folder / PROGRESS).unlink(missing_ok=True)
    return results


def _mark(*about: Any) -> str:
    """What must be the same for a run to go on."""
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()


def _attack_all(
    measuring: Measuring,
    settings: EvaluationSettings,
    attacks: AttackSettings,
    plans: Sequence[CategoryPlan],
    depths: Mapping[Path, int],
    progress: _Progress,
) -> None:
    """Fill the progress.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was attacked is on the disk.
        DataError: no photo can be read.
    """
    with stopping() as stop:
        work = _photos(measuring, settings, attacks, plans, depths, progress)
        total = sum(len(each.samples) * len(each.trials) for each in plans)
        for _ in with_bar(work, total, "photos attacked"):
            if stop.is_set():
                raise KeyboardInterrupt
    if not progress.records:
        raise DataError(f"no photo could be attacked: {'; '.join(progress.skipped.values())}")


def _for_attacks(settings: EvaluationSettings, attacks: AttackSettings) -> EvaluationSettings:
    """
    Raises:
        ConfigError: the settings ask for what attacks do not have.
    """
    if settings.no_decoder or settings.no_prompt_learner or settings.own_words:
        raise ConfigError(
            "attacks are on the verdict that users get; leave out --no-decoder, "
            "--no-prompt-learner and --own-words"
        )
    if settings.detail not in ("auto", "whole"):
        raise ConfigError(
            "attacks see photos whole, at the size the encoder reads; leave --detail out"
        )
    if len(settings.verdicts) > 1 or len(settings.maps) > 1:
        raise ConfigError("attacks are on one verdict of one map; name one --verdict and one --map")
    if settings.limit is not None and attacks.photos is not None:
        raise ConfigError("--limit and --attack-photos say the same here; leave one of them out")
    return replace(settings, detail="whole", limit=attacks.photos or settings.limit)


def _unseen(
    data: InspectionData, settings: EvaluationSettings, assistant: AnomalyGPT
) -> tuple[list[CategoryPlan], list[str]]:
    """The plans without photos that the model or the references know, and those photos."""
    plans = plan(data, settings)
    seen = seen_photos(data, plans, hash_files(data), assistant.training_photos)
    if not settings.leave_out_seen:
        refuse_seen(seen)
    kept = without(plans, frozenset(each.image for each in seen))
    return kept, [str(each.image) for each in seen]


def _photos(
    measuring: Measuring,
    settings: EvaluationSettings,
    attacks: AttackSettings,
    plans: Sequence[CategoryPlan],
    depths: Mapping[Path, int],
    progress: _Progress,
) -> Iterator[Sample]:
    """Yield every photo once it is attacked in a trial, or was in an earlier run."""
    for each in plans:
        references = References(
            measuring.assistant,
            measuring.maps,
            rotations=settings.rotations,
            flips=settings.flips,
            fixed_pose=settings.fixed_pose,
            detail="whole",
            depths=depths,
        )
        sets: Sequence[ReferenceSet | None] = (
            [None] if each.own_references else references.sets(each)
        )
        for trial, shared in zip(each.trials, sets, strict=True):
            for sample in each.samples:
                key = f"{each.category}|{trial.shots}|{trial.seed}|{sample.image}"
                is_reference = shared is not None and str(sample.image) in shared.names
                if key in progress.done or sample.image in trial.excluded or is_reference:
                    yield sample
                    continue
                own = shared
                if own is None:
                    assert sample.reference is not None
                    own = references.single(sample.reference)
                progress.skipped |= references.skipped
                if own is not None:
                    _attack_sample(measuring, attacks, each, trial, sample, own, depths, progress)
                progress.done.append(key)
                progress.save()
                yield sample


def _attack_sample(
    measuring: Measuring,
    attacks: AttackSettings,
    plan: CategoryPlan,
    trial: Trial,
    sample: Sample,
    references: ReferenceSet,
    depths: Mapping[Path, int],
    progress: _Progress,
) -> None:
    """Write down what the attacks do to one photo; draw it while there are too few pictures."""
    assistant, kind = measuring.assistant, measuring.maps[0]
    try:
        photo = load_image(sample.image, depths.get(sample.image))
    except ImageError as error:
        progress.skipped[str(sample.image)] = str(error)
        return
    pixels, geometries = photo_pixels(assistant, [photo])
    threshold = None
    if measuring.verdicts[0] == THRESHOLD:
        grid = assistant.encode([photo]).features.grid
        threshold = reference_threshold(assistant, references, grid, plan.category, kind)
        if threshold is None:
            raise ConfigError("without a reference there is no threshold; leave out --shots 0")
    network = VerdictNetwork(
        assistant,
        references.banks[kind],
        category=plan.category,
        formulation=kind,
        threshold=threshold,
    )
    known = {
        "category": plan.category,
        "shots": trial.shots,
        "seed": trial.seed,
        "image": str(sample.image),
        "kind": sample.kind,
        "is_anomalous": sample.is_anomalous,
    }
    records, drawn = attack_photo(network, pixels, sample.is_anomalous, attacks, geometries[0])
    progress.records += [{**known, **each} for each in records]
    shown = sum(each["category"] == plan.category for each in progress.pictures)
    if drawn is not None and shown < attacks.pictures:
        record, changed, maps = drawn
        name = f"{FOLDER}/{quote(plan.category, safe='')}-{shown}.png"
        said = {True: "damaged", False: "good"}
        titles = (f"before: {said[record['said_clean']]}", f"after: {said[record['said']]}")
        draw_case(
            progress.folder / name,
            pixels[0],
            changed,
            maps,
            geometries[0],
            titles,
        )
        progress.pictures.append({**known, **record, "picture": name})


Drawn = tuple[Record, Tensor, tuple[Any, Any]]


def attack_photo(
    network: VerdictNetwork,
    pixels: Tensor,
    is_anomalous: bool,
    attacks: AttackSettings,
    geometry: ImageGeometry,
) -> tuple[list[Record], Drawn | None]:
    """Attack one photo.

    Args:
        network: whose verdict.
        pixels: (1, 3, S, S) of `photo_pixels`.
        is_anomalous: what is true.
        attacks: which.
        geometry: where the photo lies in the square.

    Returns:
        One record for the photo as it is and for each attack and epsilon: attack, epsilon, said
        (of the attacked photo in 8 bits), said_unrounded, said_clean, margin (of yes over no),
        probability, score, linf in 1/255 and l2; and of the first one whose right verdict became
        wrong the record, its pixels and the maps (M, M) before and after.
    """
    truth = torch.tensor([is_anomalous])
    logits, maps, scores = network.look(pixels)
    first = _record(CLEAN, 0, network, pixels, pixels, logits, logits, scores)
    first["said_clean"] = first["said"]
    records, drawn = [first], None
    inside = photo_mask([geometry])
    for name, epsilon, changed in attacked(network, pixels, truth, attacks, inside):
        shown = torch.where(inside.to(changed.device), in_8_bits(changed), changed)
        after, maps_after, scores = network.look(shown)
        loose = network.look(changed)[0]
        record = _record(name, epsilon, network, pixels, shown, after, loose, scores)
        record["said_clean"] = first["said"]
        records.append(record)
        if drawn is None and record["said"] != is_anomalous == first["said"]:
            pair = (maps[0].float().cpu().numpy(), maps_after[0].float().cpu().numpy())
            drawn = record, shown[0], pair
    return records, drawn


def _record(
    name: str,
    epsilon: int,
    network: VerdictNetwork,
    clean: Tensor,
    shown: Tensor,
    logits: Tensor,
    loose: Tensor,
    scores: Tensor,
) -> Record:
    change = (shown - clean)[0]
    margin = float(logits[0, 1] - logits[0, 0])
    return {
        "attack": name,
        "epsilon": epsilon,
        "said": says_yes(margin, 0.0),
        "said_unrounded": says_yes(float(loose[0, 1] - loose[0, 0]), 0.0),
        "margin": margin,
        "probability": float(logits.softmax(dim=1)[0, 1]) if network.has_probabilities else None,
        "score": float(scores[0]),
        "linf": float(change.abs().max()) * LEVELS,
        "l2": float(change.norm()),
    }


class _Progress:
    """What was attacked so far, on the disk after every photo."""

    def __init__(self, folder: Path, mark: str, known: Mapping[str, Any]) -> None:
        self.folder = folder
        self.mark = mark
        self.done: list[str] = list(known.get("done", ()))
        self.records: list[Record] = list(known.get("records", ()))
        self.pictures: list[Record] = list(known.get("pictures", ()))
        self.skipped: dict[str, str] = dict(known.get("skipped", {}))

    def save(self) -> None:
        """
        Raises:
            OutputError: the disk is full or cannot be written.
        """
        names = ("mark", "done", "records", "pictures", "skipped")
        packed = json.dumps({name: getattr(self, name) for name in names}).encode()
        write_atomically(self.folder / PROGRESS, lambda file: file.write(packed))

    def found(self) -> dict[str, Any]:
        """What the results say about photos."""
        return {
            "figures": attack_figures(self.records),
            "photos": self.records,
            "pictures": self.pictures,
            "skipped": [{"image": name, "reason": why} for name, why in self.skipped.items()],
        }

    @classmethod
    def begin(cls, folder: Path, mark: str) -> _Progress | None:
        """A new run's, an interrupted one's, or None where the same run is complete.

        Raises:
            OutputError: the folder holds something else.
        """
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file; name a folder for the results")
        for name in (RESULTS, PROGRESS):
            if not (folder / name).is_file():
                continue
            try:
                known = json.loads((folder / name).read_text(encoding="utf-8"))
                same = known["mark"] == mark
            except (OSError, ValueError, KeyError, TypeError):
                same = False
            if not same:
                raise OutputError(
                    f"{folder} holds another run of attacks (other settings, model or photos); "
                    "name another folder, or remove it"
                )
            return cls(folder, mark, known) if name == PROGRESS else None
        if folder.is_dir() and any(folder.iterdir()):
            first = min(each.name for each in folder.iterdir())
            raise OutputError(f"{folder} is not empty (it holds {first}); name a new folder")
        return cls(folder, mark, {})
