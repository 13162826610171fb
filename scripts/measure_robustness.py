"""What defences are worth against attacks on the verdict: measured, on photos held out.

    python scripts/measure_robustness.py DATA --choose NAME... --report NAME... \\
        --train-photos FOLDER --output FILE.json

Photos are seen whole, at the size the encoder reads, against one reference. What has to be fitted
is fitted on the sets of --choose and reported on those of --report. `--parts` takes some of:

    temperature  calibration error before and after temperature scaling
    alarm        how often it goes off on good and damaged photos, and on those that PGD turned
    smoothing    the mean over noisy copies (attacked through the noise, EOT), JPEG (attacked
                 straight through, BPDA), each against an attack that knows it and one that does not
    training     prompt learner and projection trained on FGSM photos of simulated damage, and the
                 same number of steps on clean ones; nothing is kept

Each part is written as soon as it is done.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from anomalygpt import AnomalyGPT, AnomalyGPTError
from anomalygpt.alarm.alarm import judged_steady
from anomalygpt.alarm.changes import HARMLESS, as_jpeg
from anomalygpt.data import open_data
from anomalygpt.evaluation.figures.image_figures import probability_figures
from anomalygpt.evaluation.protocol import plan
from anomalygpt.evaluation.robustness.attacks import AttackName, AttackSettings, attacked
from anomalygpt.evaluation.robustness.defences import Smoothed, Through, fitted_temperature
from anomalygpt.evaluation.robustness.wrapper import (
    VerdictNetwork,
    as_photo,
    in_8_bits,
    photo_pixels,
)
from anomalygpt.evaluation.settings import EvaluationSettings
from anomalygpt.files import write_atomically
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.images.reading import load_image
from anomalygpt.progress import with_bar
from decoder import MemoryBank
from embedded.pairs import OTHER_LIGHT, OTHER_PHOTO, Part
from embedded.photos import split_photos
from embedded.prompts import LEAST_LIKENESS
from simulation import vary

PARTS = ("temperature", "alarm", "training", "smoothing")
MOVES = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
# Copies and noise, in 1/255, of the smoothing.
COPIES, NOISE = 4, 4.0
JPEG_QUALITY = 75
# Photos of a simulated part, half of them damaged.
QUERIES = 4


@dataclass(frozen=True)
class Case:
    """A test photo: its set, pixels (1, 3, S, S), where it lies, and what is true."""

    product: str
    pixels: Tensor
    geometry: ImageGeometry
    is_anomalous: bool


@dataclass(frozen=True)
class Sets:
    """Cases of some products, and the memory bank of each."""

    cases: Sequence[Case]
    banks: dict[str, MemoryBank]

    def network(self, assistant: AnomalyGPT, case: Case) -> VerdictNetwork:
        return VerdictNetwork(assistant, self.banks[case.product], category=case.product)


def sets_of(assistant: AnomalyGPT, options: argparse.Namespace, names: Sequence[str]) -> Sets:
    """The photos of products, half of them good, and one reference of each."""
    settings = EvaluationSettings(
        options.data,
        "mvtec",
        tuple(names),
        seeds=(options.seed,),
        limit=options.photos,
    )
    data = open_data(settings.data, settings.dataset, settings.categories)
    cases, banks = [], {}
    for product in plan(data, settings):
        reference = product.trials[0].order[:1]
        banks[product.category] = assistant.remember(reference, detail="whole")
        for sample in product.samples:
            pixels, where = photo_pixels(assistant, [load_image(sample.image)])
            cases.append(Case(product.category, pixels, where[0], sample.is_anomalous))
    return Sets(cases, banks)


def margin(network: nn.Module, pixels: Tensor) -> float:
    """log(P(yes) / P(no)) of one photo."""
    with torch.no_grad():
        found = network(pixels)[0]
    return float(found[1] - found[0])


def attacked_once(
    network: nn.Module, case: Case, name: AttackName, epsilon: int, steps: int
) -> Tensor:
    """The photo as an attack leaves it, in 8 bits."""
    settings = AttackSettings((name,), (epsilon,), steps=steps)
    truth = torch.tensor([case.is_anomalous])
    return in_8_bits(next(attacked(network, case.pixels, truth, settings))[2])


# --- temperature ----------------------------------------------------------------------------------


def temperature(assistant: AnomalyGPT, options: argparse.Namespace) -> dict[str, Any]:
    """Calibration errors of the reported sets, before and after a temperature of the others."""
    wider = argparse.Namespace(**{**vars(options), "photos": options.clean_photos})
    chosen, reported = (
        margins_of(assistant, sets_of(assistant, wider, names))
        for names in (options.choose, options.report)
    )
    fitted = fitted_temperature(torch.tensor([m for _, m, _ in chosen]), _truth(chosen))
    rows = {}
    for name in (*options.report, "all"):
        mine = [each for each in reported if name in (each[0], "all")]
        rows[name] = {
            "photos": len(mine),
            "ece_before": _ece(mine, 1.0),
            "ece_after": _ece(mine, fitted),
        }
    return {"temperature": fitted, "fitted_on": len(chosen), "reported": rows}


def margins_of(assistant: AnomalyGPT, sets: Sets) -> list[tuple[str, float, bool]]:
    """Product, margin and truth of each case."""
    cases = with_bar(sets.cases, len(sets.cases), "photos")
    return [
        (each.product, margin(sets.network(assistant, each), each.pixels), each.is_anomalous)
        for each in cases
    ]


def _truth(rows: Sequence[tuple[str, float, bool]]) -> Tensor:
    return torch.tensor([bad for _, _, bad in rows])


def _ece(rows: Sequence[tuple[str, float, bool]], heat: float) -> float | None:
    margins = np.array([m for _, m, _ in rows])
    probabilities = 1 / (1 + np.exp(-margins / heat))
    return probability_figures(probabilities, np.array([bad for _, _, bad in rows]))["ece"]


# --- the alarm ------------------------------------------------------------------------------------


def alarm(assistant: AnomalyGPT, options: argparse.Namespace) -> dict[str, Any]:
    """Rates of the alarm on clean photos, and on those whose right verdict PGD turned."""
    rows = []
    for kind, names in (("choose", options.choose), ("report", options.report)):
        sets = sets_of(assistant, options, names)
        for case in with_bar(sets.cases, len(sets.cases), f"photos of {' '.join(names)}"):
            network = sets.network(assistant, case)
            clean = _watched(network, case, case.pixels)
            rows.append({"sets": kind, "attack": "none", **clean, "epsilon": 0})
            right = (clean["before"] > 0.5) == case.is_anomalous
            if kind == "choose" or not right:
                continue
            for epsilon in options.epsilon:
                shown = attacked_once(network, case, "pgd", epsilon, options.steps)
                if (margin(network, shown) > 0) == case.is_anomalous:
                    continue
                found = _watched(network, case, shown)
                rows.append({"sets": kind, "attack": "pgd", "epsilon": epsilon, **found})
    return {"rates": list(_rates(rows)), "rows": rows}


def _watched(network: VerdictNetwork, case: Case, pixels: Tensor) -> dict[str, Any]:
    """P(anomaly) of a photo and of its harmlessly changed copies, and what it is most like."""
    photo = as_photo(pixels[0], case.geometry)
    moved = {}
    for name, change in HARMLESS.items():
        again, _ = photo_pixels(network.assistant, [change(photo)])
        moved[name] = _sigmoid(margin(network, again))
    with torch.no_grad():
        likeness = network.bank.likeness(network.embedding(pixels))
    return {
        "product": case.product,
        "is_anomalous": case.is_anomalous,
        "before": _sigmoid(margin(network, pixels)),
        "moved": moved,
        "likeness": None if likeness is None else float(likeness[0]),
    }


def _rates(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Share of photos on which the alarm goes off, for every limit of the movement."""
    groups = dict.fromkeys((row["sets"], row["attack"], row["epsilon"]) for row in rows)
    for key in groups:
        mine = [row for row in rows if (row["sets"], row["attack"], row["epsilon"]) == key]
        shares = {
            f"moved over {limit}": float(np.mean([not _steady(row, limit) for row in mine]))
            for limit in MOVES
        }
        far = float(np.mean([(row["likeness"] or 1.0) < LEAST_LIKENESS for row in mine]))
        yield {
            **dict(zip(("sets", "attack", "epsilon"), key, strict=True)),
            "photos": len(mine),
            **shares,
            "far from the reference": far,
        }


def _steady(row: dict[str, Any], limit: float) -> bool:
    return judged_steady(row["before"], row["moved"], limit).is_steady


def _sigmoid(value: float) -> float:
    return float(torch.tensor(value, dtype=torch.float64).sigmoid())


# --- smoothing ------------------------------------------------------------------------------------


def smoothing(assistant: AnomalyGPT, options: argparse.Namespace) -> dict[str, Any]:
    """Accuracy of each defence on clean photos, and under PGD that knows it or does not."""
    sets = sets_of(assistant, _fewer(options), options.report)
    defences: dict[str, Callable[[nn.Module], nn.Module]] = {
        "none": lambda network: network,
        f"mean of {COPIES} noisy copies": partial(Smoothed, copies=COPIES, noise=NOISE),
        f"JPEG {JPEG_QUALITY}": partial(Through, change=_through_jpeg),
    }
    epsilon = options.epsilon[0]
    right: dict[str, dict[str, list[bool]]] = {
        name: {"clean": [], "attack on the model": [], "attack on the defence": []}
        for name in defences
    }
    for case in with_bar(sets.cases, len(sets.cases), "photos attacked"):
        bare = sets.network(assistant, case)
        blind = attacked_once(bare, case, "pgd", epsilon, options.steps)
        for name, made in defences.items():
            network = made(bare)
            torch.manual_seed(options.seed)
            known = blind
            if name != "none":
                known = attacked_once(network, case, "pgd", epsilon, options.steps)
            shown = (case.pixels, blind, known)
            for column, pixels in zip(right[name], shown, strict=True):
                right[name][column].append((margin(network, pixels) > 0) == case.is_anomalous)
    return {
        "epsilon": epsilon,
        "photos": len(sets.cases),
        "accuracy": {
            name: {column: float(np.mean(hits)) for column, hits in columns.items()}
            for name, columns in right.items()
        },
    }


def _through_jpeg(pixels: Tensor) -> Tensor:
    size = pixels.shape[-1]
    whole = ImageGeometry.fit((size, size), size, "square")
    made = [as_jpeg(as_photo(each, whole), JPEG_QUALITY) for each in pixels]
    values = np.stack([np.asarray(each, dtype=np.float32) / 255 for each in made])
    return torch.from_numpy(values).permute(0, 3, 1, 2).to(pixels)


def _fewer(options: argparse.Namespace) -> argparse.Namespace:
    """Smoothing costs as many times more as it has copies."""
    return argparse.Namespace(**{**vars(options), "photos": options.smoothed_photos})


# --- adversarial training -------------------------------------------------------------------------


def training(assistant: AnomalyGPT, options: argparse.Namespace) -> dict[str, Any]:
    """Accuracy of copies whose prompt learner and projection were trained further."""
    sets = sets_of(assistant, options, options.report)
    epsilon = options.epsilon[0]
    lessons = simulated_parts(assistant, options)
    found = {"as shipped": accuracy_under(assistant, sets, epsilon, options.steps)}
    for name, size in (("trained on clean photos", 0), ("trained on FGSM photos", epsilon)):
        begun = time.monotonic()
        taught = trained(assistant, lessons, size, options)
        seconds = round(time.monotonic() - begun)
        found[name] = {
            **accuracy_under(taught, sets, epsilon, options.steps),
            "training_seconds": seconds,
        }
    return {
        "epsilon": epsilon,
        "photos": len(sets.cases),
        "steps": options.train_steps,
        "parts": len(lessons),
        "accuracy": found,
    }


Lesson = tuple[MemoryBank, Tensor, Tensor]


def simulated_parts(assistant: AnomalyGPT, options: argparse.Namespace) -> list[Lesson]:
    """Of each part a memory bank of one reference, photos (QUERIES, 3, S, S), and the truth."""
    photos = split_photos([Path(options.train_photos)]).training
    side = assistant.config.encoder.input_size
    lessons = []
    for number in with_bar(range(options.train_parts), options.train_parts, "simulated parts"):
        generator = np.random.default_rng([options.seed, number])
        part = Part(photos, generator, side)
        reference = vary(part.view(), generator, OTHER_PHOTO)
        truth = [index % 2 == 1 for index in range(QUERIES)]
        queries = []
        for bad in truth:
            view = part.view()
            shown = part.damage(view)[0] if bad else view
            queries.append(Image.fromarray(vary(shown, generator, OTHER_LIGHT)))
        pixels, _ = photo_pixels(assistant, queries)
        bank = assistant.remember([reference], detail="whole")
        lessons.append((bank, pixels, torch.tensor(truth)))
    return lessons


def trained(
    assistant: AnomalyGPT, lessons: Sequence[Lesson], epsilon: int, options: argparse.Namespace
) -> AnomalyGPT:
    """A copy whose prompt learner and projection learned on; epsilon 0 shows no attacked photo."""
    parts = {
        name: copy.deepcopy(getattr(assistant, name)) for name in ("prompt_learner", "projection")
    }
    taught = AnomalyGPT(
        assistant.config,
        assistant.encoder,
        assistant.decoder,
        language_model=assistant.language_model,
        **parts,
    )
    for parameter in (*taught.encoder.parameters(), *taught.decoder.parameters()):
        parameter.requires_grad_(False)
    learning = [each for part in parts.values() for each in part.parameters()]
    for parameter in learning:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW(learning, lr=options.learning_rate)
    order = np.random.default_rng(options.seed)
    for step in with_bar(range(options.train_steps), options.train_steps, "steps"):
        bank, pixels, truth = lessons[int(order.integers(len(lessons)))]
        network = VerdictNetwork(taught, bank)
        shown, wanted = pixels, truth
        if epsilon:
            settings = AttackSettings(("fgsm",), (epsilon,), seed=step)
            changed = in_8_bits(next(attacked(network, pixels, truth, settings))[2])
            shown, wanted = torch.cat([pixels, changed]), torch.cat([truth, truth])
        optimiser.zero_grad()
        F.cross_entropy(network(shown), wanted.long()).backward()
        optimiser.step()
    return taught.eval()


def accuracy_under(assistant: AnomalyGPT, sets: Sets, epsilon: int, steps: int) -> dict[str, float]:
    """Accuracy on the photos as they are, and under FGSM and PGD on this very model."""
    right: dict[str, list[bool]] = {"clean": [], "fgsm": [], "pgd": []}
    for case in with_bar(sets.cases, len(sets.cases), "photos attacked"):
        network = sets.network(assistant, case)
        shown = {"clean": case.pixels}
        names: tuple[AttackName, ...] = ("fgsm", "pgd")
        for name in names:
            shown[name] = attacked_once(network, case, name, epsilon, steps)
        for column, pixels in shown.items():
            right[column].append((margin(network, pixels) > 0) == case.is_anomalous)
    return {name: float(np.mean(hits)) for name, hits in right.items()}


# --- the command ----------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    measured: dict[str, Any] = {}
    told = {name: value for name, value in vars(options).items() if name != "output"}
    try:
        assistant = AnomalyGPT.from_pretrained(options.model)
        for part in options.parts:
            begun = time.monotonic()
            found = globals()[part](assistant, options)
            measured[part] = {**found, "seconds": round(time.monotonic() - begun)}
            packed = json.dumps({"options": told, **measured}, indent=1).encode()
            write_atomically(options.output, partial(_write, packed))
            shown = {name: value for name, value in measured[part].items() if name != "rows"}
            print(json.dumps({part: shown}, indent=1), flush=True)
    except AnomalyGPTError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _write(packed: bytes, file: BinaryIO) -> None:
    file.write(packed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="folder of products in MVTec's layout")
    parser.add_argument("--choose", nargs="+", required=True, metavar="NAME")
    parser.add_argument("--report", nargs="+", required=True, metavar="NAME")
    parser.add_argument("--train-photos", metavar="FOLDER", help="photos to simulate damage on")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--photos", type=int, default=16, help="of a product")
    parser.add_argument(
        "--clean-photos", type=int, default=40, help="of a product, for calibration"
    )
    parser.add_argument("--smoothed-photos", type=int, default=8, help="of a product, smoothed")
    parser.add_argument("--epsilon", nargs="+", type=int, default=[2, 8], help="the first counts")
    parser.add_argument("--steps", type=int, default=10, help="of PGD")
    parser.add_argument("--train-steps", type=int, default=60)
    parser.add_argument("--train-parts", type=int, default=12)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
