"""Figures against a direct computation, and what the parts of a run say about each photo."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import label
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
)

from anomalygpt import AnomalyGPT
from anomalygpt.errors import ConfigError, DeviceError
from anomalygpt.evaluation.measuring import Measuring
from anomalygpt.evaluation.run import evaluate
from anomalygpt.evaluation.settings import EvaluationSettings

SHARED = Path(__file__).parents[4] / "shared"
MAP_FIGURES = (
    *("image_auroc", "image_ap", "image_f1_max"),
    *("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro", "aupro_05"),
)
ABLATIONS = ("language without map", "language without prompts")
NEAR = 5e-4  # three digits


# --- a direct computation, from the public `inspect` alone ---------------------------------------


def f1_max(labels: np.ndarray, scores: np.ndarray) -> float:
    precision, recall, _ = precision_recall_curve(labels, scores)
    return float(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12)))


def aupro(maps: list[np.ndarray], masks: list[np.ndarray], limit: float) -> float:
    """Every value of the maps as a threshold, one region after the other."""
    normal = np.sort(np.concatenate([m[~k] for m, k in zip(maps, masks, strict=True)]))
    thresholds = np.unique(np.concatenate([m.ravel() for m in maps]))[::-1]
    covered = []
    for values, mask in zip(maps, masks, strict=True):
        regions, count = label(mask, structure=np.ones((3, 3)))
        for number in range(1, count + 1):
            inside = np.sort(values[regions == number])
            covered.append(1 - np.searchsorted(inside, thresholds) / len(inside))
    rates = np.concatenate([[0.0], 1 - np.searchsorted(normal, thresholds) / len(normal)])
    overlap = np.concatenate([[0.0], np.mean(covered, axis=0)])
    grid = np.linspace(0, limit, 20001)
    heights = np.interp(grid, rates, overlap)
    return float((heights[1:] + heights[:-1]).mean() / 2)


def directly(
    assistant: AnomalyGPT, folder: Path, references: list[str], images: list[Path], *, words: bool
) -> dict[str, float]:
    """Figures of one draw of a category in MVTec's layout."""
    bank = assistant.remember(references) if references else ()
    found = list(assistant.inspect_batch(images, bank, category=folder.name, map_only=not words))
    bad = np.array([path.parent.name != "good" for path in images])
    scores = np.array([each.anomaly_score for each in found])
    figures = {
        "image_auroc": roc_auc_score(bad, scores),
        "image_ap": average_precision_score(bad, scores),
        "image_f1_max": f1_max(bad, scores),
    }
    if words:
        said = np.array([each.is_anomalous for each in found])
        probabilities = np.array([each.anomaly_probability for each in found])
        figures |= {
            "accuracy": accuracy_score(bad, said),
            "overkill": said[~bad].mean(),
            "miss_rate": 1 - said[bad].mean(),
            "probability_auroc": roc_auc_score(bad, probabilities),
        }
    maps = [each.anomaly_map for each in found]
    masks = [
        true_mask(folder, path, values.shape) for path, values in zip(images, maps, strict=True)
    ]
    if all(mask is not None for mask in masks):
        truth = np.concatenate([mask.ravel() for mask in masks])
        values = np.concatenate([each.ravel() for each in maps])
        figures |= {
            "pixel_auroc": roc_auc_score(truth, values),
            "pixel_ap": average_precision_score(truth, values),
            "pixel_f1_max": f1_max(truth, values),
            "aupro": aupro(maps, masks, 0.3),
            "aupro_05": aupro(maps, masks, 0.05),
        }
    return {name: float(value) for name, value in figures.items()} | {"scores": scores, "bad": bad}


def true_mask(folder: Path, image: Path, shape: tuple[int, int]) -> np.ndarray | None:
    if image.parent.name == "good":
        return np.zeros(shape, bool)
    places = folder / "ground_truth" / image.parent.name
    path = next((p for p in (places.glob(f"{image.stem}*") if places.is_dir() else ())), None)
    if path is None:
        return None
    with Image.open(path) as picture:
        values = np.asarray(picture.convert("L"))
    return values >= 128 if path.suffix == ".jpg" else values > 0


@pytest.mark.usefixtures("short_verdicts")
def test_figures_are_those_of_a_direct_computation(whole_run, assistant, tree) -> None:
    rows = [r for r in whole_run.results["rows"] if r["map"] == "normalised" and r["shots"]]
    settings = {(r["category"], r["shots"], r["seed"]) for r in rows}
    assert settings == {(c, k, s) for c in ("disc", "ring") for k in (1, 2) for s in (0, 1)}
    for category, shots, seed in sorted(settings):
        mine = {
            r["verdict"]: r
            for r in rows
            if (r["category"], r["shots"], r["seed"]) == (category, shots, seed)
        }
        language, threshold = mine["language"], mine["threshold"]
        assert len(language["references"]) == shots
        images = sorted((tree / category / "test").rglob("*.png"))
        expected = directly(assistant, tree / category, language["references"], images, words=True)
        scores, bad = expected.pop("scores"), expected.pop("bad")
        assert {name: language[name] for name in expected} == pytest.approx(expected, abs=NEAR)
        said = scores > threshold["threshold"]
        assert threshold["accuracy"] == pytest.approx(accuracy_score(bad, said))
        assert threshold["overkill"] == pytest.approx(said[~bad].mean())
        assert threshold["miss_rate"] == pytest.approx(1 - said[bad].mean())
        assert [threshold[name] for name in MAP_FIGURES] == [language[n] for n in MAP_FIGURES]


def test_the_text_side_alone_is_measured_directly(whole_run, assistant, tree) -> None:
    images = sorted((tree / "disc" / "test").rglob("*.png"))
    expected = directly(assistant, tree / "disc", [], images, words=False)
    (row,) = (
        r
        for r in whole_run.results["rows"]
        if (r["category"], r["shots"], r["map"], r["verdict"])
        == ("disc", 0, "normalised", "language")
    )
    del expected["scores"], expected["bad"]
    for name, value in expected.items():
        # A random text side is all but sure of most pixels: many share the lowest steps.
        assert abs(row[name] - value) <= NEAR + row["binning_error"].get(name, 0.0), name


@pytest.mark.skipif(
    not (SHARED / "teachers" / "vit_tiny_patch16_224.safetensors").is_file()
    or not (SHARED / "data" / "cookie").is_dir(),
    reason="needs ../shared with the cookie photos and the ViT",
)
def test_figures_on_real_photos(tmp_path: Path, photos_of) -> None:
    name = "vit_tiny_patch16_224"
    vit = AnomalyGPT.from_encoder(name, SHARED / "teachers" / f"{name}.safetensors", device="cpu")
    data = SHARED / "data"
    settings = EvaluationSettings(
        str(data), categories=("cookie",), shots=(2,), seeds=(0,), limit=8, examples=0
    )
    results = evaluate(vit, settings, tmp_path / "out")
    (row,) = results["rows"]
    photos = photos_of(tmp_path / "out")
    assert Counter(p["is_anomalous"] for p in photos) == {"true": 4, "false": 4}
    images = [Path(p["image"]) for p in photos]
    expected = directly(vit, data / "cookie", row["references"], images, words=False)
    scores, bad = expected.pop("scores"), expected.pop("bad")
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=NEAR)
    assert row["accuracy"] == pytest.approx(accuracy_score(bad, scores > row["threshold"]))


# --- verdicts ------------------------------------------------------------------------------------


def probabilities(photos: list[dict[str, str]], verdict: str, **wanted: object) -> dict:
    return {
        (p["image"], p["shots"], p["seed"], p["map"]): float(p["probability"])
        for p in photos
        if p["verdict"] == verdict and all(p[key] == str(value) for key, value in wanted.items())
    }


@pytest.mark.usefixtures("short_verdicts")
def test_the_languages_probabilities_are_those_of_judge(whole_run, assistant, tree) -> None:
    for row in whole_run.results["rows"]:
        chosen = (row["category"], row["shots"], row["map"], row["verdict"])
        if chosen != ("disc", 1, "normalised", "language"):
            continue
        found = probabilities(
            whole_run.photos, "language", category="disc", shots=1, seed=row["seed"],
            map="normalised",
        )  # fmt: skip
        images = [key[0] for key in found]
        evidence = assistant.examine(
            assistant.encode(images), assistant.remember(row["references"]), category="disc"
        )
        expected = [each.anomaly_probability for each in assistant.judge(evidence)]
        assert list(found.values()) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("verdict", ABLATIONS)
def test_without_a_map_no_reference_changes_what_is_said(whole_run, verdict) -> None:
    by_image: dict[str, set[float]] = {}
    for (image, *_), value in probabilities(whole_run.photos, verdict).items():
        by_image.setdefault(image, set()).add(value)
    assert len(by_image) == 16
    assert all(max(values) - min(values) < 1e-6 for values in by_image.values())


def test_with_a_map_the_references_change_what_is_said(whole_run) -> None:
    by_image: dict[str, set[float]] = {}
    for (image, *_), value in probabilities(whole_run.photos, "language").items():
        by_image.setdefault(image, set()).add(round(value, 6))
    assert all(len(values) > 2 for values in by_image.values())


def test_every_map_and_verdict_has_a_row(whole_run) -> None:
    rows = Counter(
        (r["category"], r["shots"], r["seed"], r["map"], r["verdict"])
        for r in whole_run.results["rows"]
    )
    draws = [(0, None), *((shots, seed) for shots in (1, 2) for seed in (0, 1))]
    assert rows == {
        (category, *draw, kind, verdict): 1
        for category in ("disc", "ring")
        for draw in draws
        for kind in ("normalised", "published")
        for verdict in ("language", "threshold", *ABLATIONS)
    }


def test_a_threshold_without_references_says_nothing(whole_run) -> None:
    for row in whole_run.results["rows"]:
        if row["verdict"] == "threshold":
            said_nothing = row["threshold"] is None
            assert said_nothing == (row["shots"] == 0) == (row["accuracy"] is None)
            assert row["image_auroc"] is not None


def test_a_photo_that_is_called_good_names_no_place(whole_run) -> None:
    called_good = [p for p in whole_run.photos if p["said"] != "true"]
    assert called_good
    assert not any(p["named"] for p in called_good)


def test_the_assistant_stays_as_it_was(whole_run, assistant) -> None:
    assert assistant.config.decoder.formulation == "normalised"
    assert assistant.decoder.config is assistant.config.decoder


def test_one_assistant_serves_several_runs_at_once(mute, disc, tmp_path) -> None:
    """Also while they draw different maps."""
    kinds = [("normalised",), ("published",), ("published", "normalised")]
    settings = [
        EvaluationSettings(str(disc), seeds=(0,), maps=each, examples=0, batch_size=1)
        for each in kinds
    ]
    found: dict[int, list] = {}

    def work(number: int) -> None:
        found[number] = evaluate(mute, settings[number], tmp_path / str(number))["rows"]

    threads = [Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    by_kind = {(r["category"], r["map"]): r for r in found[2]}
    assert len(by_kind) == 2
    for row in found[0] + found[1]:
        assert row == by_kind[row["category"], row["map"]]
    scores = {kind: by_kind["disc", kind]["threshold"] for kind in ("normalised", "published")}
    assert scores["normalised"] != scores["published"]
    assert mute.config.decoder.formulation == "normalised"


# --- what cannot be ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked", [{"verdicts": ("language",)}, {"no_decoder": True}, {"no_prompt_learner": True}]
)
def test_words_need_a_language_model(mute, asked) -> None:
    with pytest.raises(ConfigError, match="no language model"):
        Measuring.of(mute, EvaluationSettings("x", **asked))


def test_a_map_without_references_needs_a_text_side(encoder_alone) -> None:
    with pytest.raises(ConfigError, match="no trained text side"):
        Measuring.of(encoder_alone, EvaluationSettings("x", shots=(0, 1)))


def test_who_speaks_is_asked_unless_told_otherwise(assistant, mute) -> None:
    assert Measuring.of(assistant, EvaluationSettings("x")).verdicts == ["language"]
    assert Measuring.of(mute, EvaluationSettings("x")).verdicts == ["threshold"]
    both = EvaluationSettings("x", verdicts=("threshold", "language"), no_decoder=True)
    assert Measuring.of(assistant, both).verdicts == [
        *("threshold", "language", "language without map")
    ]


def test_a_map_that_is_no_number_is_an_error(build_assistant, run, disc) -> None:
    broken = build_assistant(words=False)
    with torch.no_grad():
        broken.decoder.fc[0].weight.fill_(float("nan"))
    with pytest.raises(DeviceError, match="NaN"):
        run(disc, assistant=broken)


# --- resolution ----------------------------------------------------------------------------------


def test_a_mask_size_compares_on_a_square(run, disc, mute) -> None:
    (own,) = run(disc, "own")["rows"]
    (square,) = run(disc, "square", mask_size=256)["rows"]
    changed = {name for name in own if own[name] != square[name]}
    assert changed <= {*MAP_FIGURES[3:], "binning_error"}
    assert changed
    images = sorted((disc / "disc" / "test").rglob("*.png"))
    bank = mute.remember(square["references"])
    values, truth = [], []
    for path in images:
        values.append(mute.inspect(path, bank, category="disc", map_only=True).map_at((256, 256)))
        mask = true_mask(disc / "disc", path, (72, 96))
        assert mask is not None
        rows, columns = ((np.arange(256) + 0.5) * side / 256 for side in mask.shape)
        truth.append(mask[rows.astype(int)][:, columns.astype(int)])
    expected = roc_auc_score(np.ravel(truth), np.ravel(values))
    assert square["pixel_auroc"] == pytest.approx(expected, abs=NEAR)


def test_masks_may_be_larger_than_photos(run, disc) -> None:
    (before,) = run(disc, "before")["rows"]
    for path in (disc / "disc" / "ground_truth" / "stain").iterdir():
        with Image.open(path) as picture:
            picture.resize((192, 144), Image.Resampling.NEAREST).save(path)
    results = run(disc, "after")
    assert results["skipped"] == []
    assert json.dumps(results["rows"]) == json.dumps([before])


def test_a_category_without_masks_has_no_pixel_figures(whole_run) -> None:
    for row in whole_run.results["rows"]:
        has_masks = row["category"] == "disc"
        assert (row["photos"], row["photos_with_pixels"]) == (8, 8 if has_masks else 0)
        for name in MAP_FIGURES[3:]:
            assert (row[name] is not None) is has_masks
        assert (row["binning_error"] != {}) is has_masks
        assert has_masks or row["place_recall"] is None


def test_a_photo_of_a_defect_without_a_mask_is_left_out_of_pixel_figures(run, disc, mute) -> None:
    masks = disc / "disc" / "ground_truth" / "stain"
    (masks / "000_mask.png").unlink()
    (row,) = run(disc)["rows"]
    assert (row["photos"], row["photos_with_pixels"]) == (6, 5)
    other = disc.parent / "other"
    shutil.copytree(disc, other)
    (other / "disc" / "test" / "stain" / "000.png").unlink()
    (without,) = run(other, "without")["rows"]
    assert [row[n] for n in MAP_FIGURES[3:]] == [without[n] for n in MAP_FIGURES[3:]]
