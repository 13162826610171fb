"""Evidence and prompts: tiny runs on an untrained encoder and a random language model."""

from __future__ import annotations

import argparse
import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from anomalygpt import AnomalyGPT, AnomalyGPTConfig
from anomalygpt.errors import DataError
from anomalygpt.presets import PRESETS
from decoder import StageHeadsConfig, image_score
from embedded import encoder, evidence, lessons, prompts
from embedded.lessons import Evidence, load_evidence
from embedded.notation import CLEAN, EXTRA_ROWS, REACHED, base_row, cell_row, image_row
from embedded.pairs import Part
from embedded.prompts import Lessons, starting_assistant

pytestmark = pytest.mark.usefixtures("one_thread", "small_input")

QUERIES, GRID, PIECES = 4, (8, 8), 400
PHASES = {"decoder": 2, "words": 3, "answers": 2}

Run = Callable[..., int]


@pytest.fixture(scope="module")
def look(
    photos: Path, encoder_file: Path, run_stage: Run, one_thread: None, small_input: None
) -> Run:
    """The evidence stage: two parts to train on, one held out, four photos of each."""

    def run(output: Path) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(evidence, "QUERIES", QUERIES)
            patch.setattr(evidence, "GROUPS_PER_SHARD", 1)
            patch.setattr(evidence, "SHOTS", (1,))
            patch.setattr(evidence, "SHOT_WEIGHTS", (1.0,))
            return run_stage(
                evidence, photos=photos, encoder=encoder_file, output=output, groups=2,
                validation_groups=1,
            )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def seen(look: Run, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The folder of a run, and the masks that were simulated, at full size."""
    folder, masks = tmp_path_factory.mktemp("evidence"), []
    damage = Part.damage

    def spied(part: Part, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        photo, mask = damage(part, view)
        masks.append(mask)
        return photo, mask

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Part, "damage", spied)
        assert look(folder) == 0
    return SimpleNamespace(folder=folder, masks=masks)


def records_of(folder: Path) -> list[dict[str, Any]]:
    paths = sorted(folder.glob("train-*.pt")) + sorted(folder.glob("held-*.pt"))
    return [record for path in paths for record in torch.load(path, weights_only=False)]


def test_shards_are_written_once(look: Run, seen: SimpleNamespace) -> None:
    written = {path.name: path.stat().st_mtime_ns for path in seen.folder.iterdir()}
    assert sorted(written) == [
        "encoder.txt", "held-1000000.pt", "train-0000000.pt", "train-0000001.pt",
    ]  # fmt: skip
    assert look(seen.folder) == 0
    assert {path.name: path.stat().st_mtime_ns for path in seen.folder.iterdir()} == written


def test_a_lost_shard_comes_back_as_it_was(
    look: Run, seen: SimpleNamespace, tmp_path: Path
) -> None:
    folder = tmp_path / "again"
    shutil.copytree(seen.folder, folder)
    (folder / "train-0000001.pt").unlink()
    assert look(folder) == 0
    for one, other in zip(records_of(seen.folder), records_of(folder), strict=True):
        assert torch.equal(one["mask"], other["mask"])
        torch.testing.assert_close(one["cells"], other["cells"])
        torch.testing.assert_close(one["tokens"], other["tokens"])


def test_ctrl_c_leaves_whole_shards(
    look: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group_records = evidence.group_records

    def stopped(assistant: AnomalyGPT, pool: Any, group: int, seed: int) -> Any:
        if group == 1:
            raise KeyboardInterrupt
        return group_records(assistant, pool, group, seed)

    monkeypatch.setattr(evidence, "group_records", stopped)
    assert look(tmp_path) == 130
    assert [path.name for path in tmp_path.glob("*.pt")] == ["train-0000000.pt"]


def test_evidence_of_another_encoder_is_refused(
    look: Run, teach: Run, seen: SimpleNamespace, tmp_path: Path
) -> None:
    shutil.copytree(seen.folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "encoder.txt").write_text("another")
    with pytest.raises(DataError, match="what another encoder saw"):
        look(tmp_path)
    with pytest.raises(DataError, match="what another encoder saw"):
        teach(tmp_path / "prompts", evidence=tmp_path)


def test_records_have_these_shapes(seen: SimpleNamespace) -> None:
    records = records_of(seen.folder)
    assert len(records) == 3 * QUERIES
    for record in records:
        assert (record["cells"].shape, record["cells"].dtype) == (GRID, torch.float16)
        assert 0 <= record["cells"].min() <= record["cells"].max() <= 1
        assert (record["mask"].shape, record["mask"].dtype) == ((224, 224), torch.bool)
        assert record["embedding"].shape == (192,)
        assert [stage.shape for stage in record["tokens"]] == [(64, 16)] * 4
        assert all(stage.dtype == torch.float16 for stage in record["tokens"])
    for kind, count in (("train", 2), ("held", 1)):
        stacked = load_evidence(seen.folder, kind)
        assert len(stacked) == count * QUERIES
        assert stacked.grid == GRID


def test_masks_and_scores_are_those_of_the_photos(seen: SimpleNamespace) -> None:
    records = records_of(seen.folder)
    good = [not record["mask"].any() for record in records]
    assert good == [index % QUERIES < evidence.GOOD_QUERIES for index in range(len(good))]
    bad = [record for record in records if record["mask"].any()]
    for record, mask in zip(bad, seen.masks, strict=True):
        assert record["mask"].float().mean() == pytest.approx(mask.mean(), abs=0.02)
    for start in range(0, len(records), QUERIES):
        part = records[start : start + QUERIES]
        scores = [image_score(record["cells"].float()[None]).item() for record in part]
        expected = pytest.approx(np.mean(scores[: evidence.GOOD_QUERIES]), abs=2e-3)
        assert [record["ordinary"] for record in part] == [expected] * QUERIES


def test_no_evidence_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train-\*\.pt; run the evidence stage"):
        load_evidence(tmp_path, "train")


@pytest.fixture(scope="module")
def teach(seen: SimpleNamespace, encoder_file: Path, language_folder: Path, run_stage: Run) -> Run:
    """The prompts stage, a few steps of each phase."""

    def run(output: Path, **changes: Any) -> int:
        settled = {
            "evidence": seen.folder,
            **{f"{phase.rstrip('s')}_steps": steps for phase, steps in PHASES.items()},
            "batch_size": 4,
            "save_every": 1,
            **changes,
        }
        return run_stage(
            prompts, encoder=encoder_file, language_model=language_folder, output=output, **settled,
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def taught(teach: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("prompts")
    assert teach(output) == 0
    return output


@pytest.fixture(scope="module")
def fresh(encoder_file: Path, language_folder: Path) -> AnomalyGPT:
    """The assistant that the prompts stage begins with."""
    options = SimpleNamespace(
        encoder=encoder_file, language_model=language_folder, text_weight=0.0, seed=0
    )
    return starting_assistant(options)  # type: ignore[arg-type]


def test_prompts_begin_as_the_rows_that_the_language_model_knows(fresh: AnomalyGPT) -> None:
    speech = fresh.speech
    learner, projection, language_model = (
        speech.prompt_learner,
        speech.projection,
        speech.language_model,
    )
    assert learner is not None
    rows = language_model.embed([range(PIECES, PIECES + EXTRA_ROWS)])[0]
    with torch.no_grad():
        said = learner(torch.zeros(1, 224, 224))[0]
        image = projection(torch.randn(1, 192))[0]
    torch.testing.assert_close(image, rows[image_row(PIECES) - PIECES])
    for prompt in said[:9]:
        torch.testing.assert_close(prompt, rows[base_row(PIECES) - PIECES])
    clean = rows[cell_row(PIECES, CLEAN) - PIECES]
    nearest = torch.cdist(said[9:], rows).argmin(dim=1)
    assert (nearest == cell_row(PIECES, CLEAN) - PIECES).all()
    assert (said[9:] - clean).abs().max() < rows.std()


def bright_cells() -> Evidence:
    """Twelve photos; in the n-th the n-th of nine places is damaged, three are good."""
    places = torch.zeros(12, 3, 3)
    places.view(12, 9)[range(9), range(9)] = 1.0
    masks = torch.zeros(12, 224, 224, dtype=torch.bool)
    for place in range(9):
        row, column = divmod(place, 3)
        masks[place, 75 * row + 20 : 75 * row + 50, 75 * column + 20 : 75 * column + 50] = True
    return Evidence(
        ratios=F.interpolate(places[:, None], size=(9, 9))[:, 0] * 0.9 + 0.1,
        masks=masks,
        ordinary=torch.full((12,), 0.1),
        embeddings=torch.arange(12.0)[:, None].expand(12, 192),
        tokens=tuple(torch.randn(12, 64, 16) for _ in range(4)),
    )


def lessons_about(fresh: AnomalyGPT, known: Evidence, monkeypatch: pytest.MonkeyPatch) -> Lessons:
    """Lessons on one photo's damage each, on plain ground."""
    monkeypatch.setattr(lessons, "JOINED_SHARE", 0.0)
    monkeypatch.setattr(lessons, "MOST_BUMPS", 0)
    made = Lessons(fresh, known, SimpleNamespace(batch_size=18))
    made.text_maps = F.interpolate(known.ratios[:, None], size=(56, 56))[:, 0].half()
    return made


@pytest.mark.parametrize("seed", range(20))
def test_maps_and_words_are_turned_together(
    fresh: AnomalyGPT, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Also where the text side's map stands for the references'."""
    made = lessons_about(fresh, bright_cells(), monkeypatch)
    maps, words, embeddings = made.lesson(np.random.default_rng(seed))
    assert maps.shape[1:] == (224, 224)
    brightest = F.adaptive_avg_pool2d(maps, 3).flatten(1).argmax(dim=1)
    damaged = embeddings[:, 0] < 9
    named = (words > REACHED).int().argmax(dim=1)
    assert torch.equal(brightest[damaged], named[damaged])
    assert (words[~damaged] == CLEAN).all()
    assert ((words[damaged] > REACHED).sum(dim=1) == 1).all()


def test_turns_and_mirrors_all_occur(fresh: AnomalyGPT, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lessons_about(fresh, bright_cells(), monkeypatch)
    poses = set()
    for seed in range(100):
        _, words, embeddings = made.lesson(np.random.default_rng(seed))
        named = (words > REACHED).int().argmax(dim=1)
        places = dict(zip(embeddings[:, 0].tolist(), named.tolist(), strict=True))
        if {0.0, 1.0} <= places.keys():  # a corner and the edge beside it tell the pose
            poses.add((places[0.0], places[1.0]))
    assert len(poses) == 8


def test_a_run_leaves_an_assistant_that_answers(taught: Path, photos: Path) -> None:
    assistant = AnomalyGPT.from_pretrained(taught / "assistant", device="cpu")
    photo, reference = sorted(photos.iterdir())[:2]
    for references in ([reference], []):
        found = assistant.inspect(photo, references)
        assert 0 <= found.anomaly_probability <= 1
        assert 0 <= found.anomaly_score <= 1
        assert found.answer
    for phase, steps in PHASES.items():
        with (taught / f"{phase}.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [row["step"] for row in rows] == [str(step + 1) for step in range(steps)]
        assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    checks = (taught / "checks.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in checks] == ["maps", "lessons", "simulated", "none"]


def test_what_is_chosen_is_as_in_the_shipped_model(taught: Path) -> None:
    """No setting was written into the shipped file by hand that the stages would not write."""
    written, shipped = (
        AnomalyGPTConfig.load(folder) for folder in (taught / "assistant", PRESETS["embedded"])
    )
    # The tests' encoder is narrower; the stage's own default is what was shipped.
    parser = argparse.ArgumentParser()
    encoder.add_arguments(parser)
    widths = (parser.get_default("width"),) * len(written.decoder.stage_widths)
    # The stage heads comes after this one.
    whole = replace(written.decoder, stage_widths=widths, heads=StageHeadsConfig())
    assert whole == shipped.decoder
    assert shipped.decoder.usual_score is not None
    assert written.language_model == shipped.language_model
    assert written.prompt_learner is not None
    assert shipped.prompt_learner is not None
    assert written.prompt_learner.channels == shipped.prompt_learner.channels


def test_only_the_parts_between_are_trained(
    taught: Path, fresh: AnomalyGPT, encoder_file: Path, language_folder: Path
) -> None:
    folder = taught / "assistant"
    for file, frozen in (
        ("encoder.safetensors", encoder_file),
        ("language_model/model.safetensors", language_folder / "model.safetensors"),
    ):
        before, after = load_file(frozen), load_file(folder / file)
        assert before.keys() == after.keys()
        assert all(torch.equal(value, after[name]) for name, value in before.items())
    for part in ("decoder", "prompt_learner", "projection"):
        after = load_file(folder / f"{part}.safetensors")
        for name, value in getattr(fresh, part).state_dict().items():
            assert not torch.equal(value, after[name]), f"{part}.{name}"


@pytest.mark.parametrize(("phase", "save_every"), [("decoder", 1), ("words", 2), ("answers", 1)])
def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    teach: Run,
    taught: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    phase: str,
    save_every: int,
) -> None:
    """The last step of a phase is interrupted; what was not saved is done again."""
    losses, calls = getattr(Lessons, phase), []

    def stopped_at_last(lessons: Lessons, generator: np.random.Generator) -> Any:
        calls.append(phase)
        if len(calls) == PHASES[phase]:
            raise KeyboardInterrupt
        return losses(lessons, generator)

    with monkeypatch.context() as patch:
        patch.setattr(Lessons, phase, stopped_at_last)
        assert teach(tmp_path, save_every=save_every) == 130
    assert not (tmp_path / "assistant").exists()
    assert teach(tmp_path, save_every=save_every) == 0

    for part in ("decoder", "prompt_learner", "projection"):
        whole, resumed = (
            load_file(folder / "assistant" / f"{part}.safetensors") for folder in (taught, tmp_path)
        )
        for name, value in whole.items():
            torch.testing.assert_close(resumed[name], value, rtol=1e-4, atol=1e-5)


def test_training_with_other_lessons_does_not_go_on(
    teach: Run, taught: Path, tmp_path: Path
) -> None:
    shutil.copyfile(taught / "decoder.pt", tmp_path / "decoder.pt")
    state = torch.load(taught / "words.pt", weights_only=True)
    torch.save({**state, "lessons": lessons.KIND - 1}, tmp_path / "words.pt")
    with pytest.raises(DataError, match=r"words\.pt was taught with lessons of another kind"):
        teach(tmp_path)
