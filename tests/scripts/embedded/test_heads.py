"""The heads stage: what is learned from simulated damage, and that nothing else changes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from anomalygpt import AnomalyGPT
from decoder import StageHeads, StageHeadsConfig
from embedded import heads
from embedded.prompts import starting_assistant

pytestmark = pytest.mark.usefixtures("one_thread", "small_input")

Run = Callable[..., int]
CELLS, STAGES, WIDTH = 16, 2, 4


@pytest.fixture(scope="module")
def before(
    encoder_file: Path,
    language_folder: Path,
    small_input: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """What the prompts stage would leave, untrained."""
    options: Any = argparse.Namespace(
        encoder=encoder_file, language_model=language_folder, text_weight=0.1, seed=0
    )
    folder = tmp_path_factory.mktemp("prompts") / "assistant"
    starting_assistant(options).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def output(
    run_stage: Run, before: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    given = {"photos": photos, "assistant": before, "output": folder}
    assert run_stage(heads, **given, pairs=6, held_pairs=3, steps=5) == 0
    return folder


def test_heads_come_beside_what_is_there(output: Path, before: Path) -> None:
    after = output / "assistant"
    for file in ("encoder", "prompt_learner", "projection", "language_model/model"):
        both = [load_file(folder / f"{file}.safetensors") for folder in (before, after)]
        assert both[0].keys() == both[1].keys()
        assert all(torch.equal(value, both[1][name]) for name, value in both[0].items())
    old, new = (load_file(folder / "decoder.safetensors") for folder in (before, after))
    assert all(torch.equal(value, new[name]) for name, value in old.items())
    learned = {name for name in new if name not in old}
    assert learned == {
        f"heads.{name}" for name in StageHeads(StageHeadsConfig(), 1, 1).state_dict()
    }
    assert all(torch.isfinite(new[name]).all() for name in learned)
    one, two = (AnomalyGPT.from_pretrained(folder, device="cpu") for folder in (before, after))
    assert one.config.decoder == replace(two.config.decoder, heads=None)


def test_with_references_nothing_changes(output: Path, before: Path, photos: Path) -> None:
    one, two = (
        AnomalyGPT.from_pretrained(folder, device="cpu", map_only=True)
        for folder in (before, output / "assistant")
    )
    photo, *references = sorted(photos.iterdir())[:3]
    for given, alike in ((references, True), ([], False)):
        found = [each.inspect(photo, given, map_only=True) for each in (one, two)]
        assert np.array_equal(found[0].small_map, found[1].small_map) == alike
        assert (found[0].anomaly_score == found[1].anomaly_score) == alike


def test_what_was_seen_is_not_looked_at_again(
    run_stage: Run, output: Path, before: Path, photos: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    seen = sorted(output.glob("seen-*.pt"))
    assert len(seen) == 2
    for file in seen:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    stamps = [(tmp_path / file.name).stat().st_mtime_ns for file in seen]
    given = {"photos": photos, "assistant": before, "output": tmp_path}
    assert run_stage(heads, **given, pairs=6, held_pairs=3, steps=5) == 0
    assert [(tmp_path / file.name).stat().st_mtime_ns for file in seen] == stamps
    both = [load_file(f / "assistant" / "decoder.safetensors") for f in (output, tmp_path)]
    assert all(torch.equal(value, both[1][name]) for name, value in both[0].items())
    capsys.readouterr()
    assert run_stage(heads, **given, pairs=6, held_pairs=3, steps=5) == 0
    assert capsys.readouterr().out.endswith("is there already\n")


def seen(seed: int, photos: int = 40) -> heads.Seen:
    """Cells of which the first channel tells the damaged ones, photos alike."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(photos) % 2 == 1
    damaged = (torch.arange(photos * CELLS) % 4 == 0) & labels.repeat_interleave(CELLS)
    cells = torch.randn(photos * CELLS, STAGES, WIDTH + 4, generator=draw)
    cells[:, :, 0] += 4 * damaged[:, None]
    tokens = tuple(torch.randn(photos, CELLS, WIDTH, generator=draw).half() for _ in range(STAGES))
    told = torch.randn(photos, STAGES * (2 * WIDTH + 7), generator=draw)
    told[:, 1] += 4 * labels
    distances = torch.rand(photos, STAGES, CELLS, generator=draw)
    return heads.Seen(cells.half(), damaged, told, labels, tokens, distances, (4, 4))


def text_side() -> Any:
    from decoder import DecoderConfig, ImageDecoder

    torch.manual_seed(0)
    config = DecoderConfig(
        (WIDTH,) * STAGES, text_width=4, learned_states=True, logit_scale=5.0, map_size=32
    )
    return ImageDecoder(config)


@pytest.mark.parametrize("labelled", [False, True])
def test_what_tells_damage_is_learned(labelled: bool) -> None:
    others = [seen(2), seen(3)] if labelled else []
    found = heads.trained_heads(text_side(), seen(0), seen(1), 0, others=others, steps=60)
    assert found.pixel_weight[:, 0].min() > 3 * found.pixel_weight[:, 1:].abs().max()
    said = found.image_weight * seen(0).photos.std(dim=0)
    assert said.abs().argmax() == 1
    assert said[1] > 0
    assert not any(parameter.requires_grad for parameter in found.parameters())


def test_maps_lie_where_those_of_the_text_side_lie() -> None:
    made, held = text_side(), seen(1)
    found = heads.trained_heads(made, seen(0), held, 0, steps=60)
    with torch.no_grad():
        text, moved = (float(heads.map_logits(made, held, each).mean()) for each in (None, found))
        found.level.copy_(torch.tensor([1.0, 0.0]))
        unmoved = float(heads.map_logits(made, held, found).mean())
    assert abs(moved - text) < 0.5 * abs(unmoved - text)
