"""The encoder stage: its losses, and a run of a few steps on untrained teachers."""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from anomalygpt.encoders.compact import CompactEncoder, compact_config
from anomalygpt.errors import SourceError
from decoder import MemoryBank
from embedded import encoder
from embedded.encoder import EncoderTrainer, _map_losses, _nearest, _relation_loss

pytestmark = pytest.mark.usefixtures("one_thread", "small_input")
STEPS = 3

Run = Callable[[Path], int]


def unit(seed: int, *shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_distances_are_those_of_the_memory_bank(seed: int) -> None:
    asked, bank = unit(seed, 2, 30, 16), unit(seed + 1, 2, 50, 16)
    found = _nearest(asked, bank)
    for row in range(2):
        memory = MemoryBank()
        memory.add([bank[row : row + 1]])
        exact = memory.distances([asked[row : row + 1]])[0, 0]
        # The search may be in bfloat16: it may then take a pair that is a little further apart.
        assert (found[row] >= exact - 1e-5).all()
        assert (found[row] - exact).max() < 0.02
        assert (found[row] - exact).abs().median() < 1e-5


def test_distances_carry_a_gradient_to_both_ends() -> None:
    asked, bank = unit(0, 1, 5, 8).requires_grad_(), unit(1, 1, 40, 8).requires_grad_()
    _nearest(asked, bank).sum().backward()
    assert asked.grad is not None
    assert bank.grad is not None
    assert asked.grad.abs().sum(dim=-1).min() > 0
    assert 1 <= (bank.grad.abs().sum(dim=-1) > 0).sum() <= 5


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_a_turned_space_is_as_good_as_the_old_one(seed: int) -> None:
    tokens, other = unit(seed, 2, 60, 12), unit(seed + 1, 2, 60, 12)
    turn = torch.linalg.qr(unit(seed + 2, 12, 12)).Q
    for alike in (tokens, tokens @ turn):
        assert _relation_loss(alike, tokens) < 1e-10
    assert _relation_loss(other, tokens) > 1e-3


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.5, 6.0))
def test_a_right_map_costs_less_than_a_wrong_one(seed: int, sure: float) -> None:
    share = torch.zeros(2, 64)
    share[0] = torch.rand(64, generator=torch.Generator().manual_seed(seed))
    share[0, :5] = 1.0
    right = torch.where(share > encoder.DAMAGED, sure, -sure)
    for good, bad in zip(_map_losses(right, share), _map_losses(-right, share), strict=True):
        assert good < bad


def test_cells_that_are_partly_damaged_teach_nothing() -> None:
    share = torch.tensor([[1.0, 0.0, 0.1, 0.2]])
    logits = torch.zeros(1, 4, requires_grad=True)
    sum(_map_losses(logits, share)).backward()  # type: ignore[union-attr]
    assert logits.grad is not None
    assert logits.grad[0, :2].abs().min() > 0
    assert logits.grad[0, 2:].abs().max() == 0


@pytest.fixture(scope="module")
def run(photos: Path, teachers: Path, run_stage: Callable[..., int]) -> Run:
    """A run into a folder; large rates, so that each step changes every number format.

    Few photos tell the axes: 64 take longer than all the rest.
    """

    def started(output: Path) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(encoder, "AXES_PHOTOS", 20)
            return run_stage(
                encoder, photos=photos, teachers=teachers, output=output, steps=STEPS,
                batch_size=1, workers=0, width=16, branch_rate=1e-3, projection_rate=1e-2,
            )  # fmt: skip

    return started


@pytest.fixture(scope="module")
def trained(
    run: Run, tmp_path_factory: pytest.TempPathFactory, one_thread: None, small_input: None
) -> Path:
    output = tmp_path_factory.mktemp("trained")
    assert run(output) == 0
    return output


def log_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_an_encoder_and_a_log(trained: Path) -> None:
    rows = log_of(trained)
    assert [row["step"] for row in rows] == [str(step + 1) for step in range(STEPS)]
    assert all(math.isfinite(float(value)) for row in rows for value in row.values())
    assert float(rows[0]["kept"]) < 1e-4  # the teacher's own space, up to rounding
    expected = CompactEncoder(compact_config(options={"width": 16})).state_dict()
    found = load_file(trained / "encoder.safetensors")
    assert {name: value.shape for name, value in found.items()} == {
        name: value.shape for name, value in expected.items()
    }
    assert not list(trained.glob("*.new"))


def test_every_tensor_is_trained(trained: Path, teachers: Path) -> None:
    found = load_file(trained / "encoder.safetensors")
    begun = torch.load(trained / "state.pt", weights_only=True)["teacher"]
    names = [name for name, _ in CompactEncoder(compact_config()).named_parameters()]
    assert not [name for name in names if torch.equal(found[name], begun[name])]
    for branch, file in encoder.TEACHERS.items():
        teacher = load_file(teachers / file)
        for name, value in teacher.items():
            if f"{branch}.{name}" in begun:
                torch.testing.assert_close(begun[f"{branch}.{name}"], value, check_dtype=False)


def test_projections_begin_as_the_main_axes(trained: Path) -> None:
    begun = torch.load(trained / "state.pt", weights_only=True)["teacher"]
    for stage in range(4):
        weight = begun[f"projections.{stage}.weight"]
        torch.testing.assert_close(weight @ weight.T, torch.eye(16), rtol=0, atol=1e-4)


def test_ctrl_c_saves_and_the_same_command_goes_on(
    run: Run,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    learn = EncoderTrainer.learn

    def stopped_at_two(trainer: EncoderTrainer, batch: list[torch.Tensor]) -> None:
        if trainer.step == 1:
            raise KeyboardInterrupt
        learn(trainer, batch)

    with monkeypatch.context() as patch:
        patch.setattr(EncoderTrainer, "learn", stopped_at_two)
        assert run(tmp_path) == 130
    assert "stopped after step 1" in capsys.readouterr().out
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 1
    assert not (tmp_path / "encoder.safetensors").exists()

    assert run(tmp_path) == 0
    whole, resumed = (load_file(path / "encoder.safetensors") for path in (trained, tmp_path))
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, msg=lambda m, n=name: f"{n}: {m}")
    for one, other in zip(log_of(trained), log_of(tmp_path), strict=True):
        del one["seconds"], other["seconds"]
        assert {k: float(v) for k, v in one.items()} == pytest.approx(
            {k: float(v) for k, v in other.items()}, rel=1e-3, abs=1e-6
        )


def test_a_teacher_that_is_not_there_is_named(
    run_stage: Callable[..., int], photos: Path, teachers: Path, tmp_path: Path
) -> None:
    only = tmp_path / "one of two"
    only.mkdir()
    shutil.copy(teachers / encoder.TEACHERS["transformer"], only)
    with pytest.raises(SourceError, match="one of two/resnet18_to_layer3"):
        run_stage(encoder, photos=photos, teachers=only, output=tmp_path / "out")
