from __future__ import annotations

import errno
import json
import os
import stat
from collections import namedtuple

import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from anomalygpt import files
from anomalygpt.checkpoints import load_module, open_weights, save_module, writer
from anomalygpt.checkpoints.writer import cast, parse_dtype
from anomalygpt.errors import CheckpointError, ConfigError, OutputError
from anomalygpt.files import gigabytes, staged_folder

Usage = namedtuple("Usage", "total used free")


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))


@pytest.mark.parametrize("max_shard_size", [10**6, 100])
def test_what_is_saved_is_loaded(tmp_path, max_shard_size):
    first, second = model(), model()
    written = save_module(first, tmp_path / "sub" / "decoder.safetensors", max_shard_size)
    assert (len(written) == 1) == (max_shard_size == 10**6)
    report = load_module(second, tmp_path / "sub" / "decoder.safetensors")
    assert report.ok
    assert set(report.loaded) == set(first.state_dict())
    for name, value in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], value)
    assert {file.name for file in (tmp_path / "sub").iterdir()} == {file.name for file in written}


def test_saving_again_leaves_nothing_of_the_former_files(tmp_path):
    path = tmp_path / "encoder.safetensors"
    (tmp_path / "encoder-notes.txt").write_text("mine")
    for size, count in ((100, None), (10**6, 1), (100, None), (300, None)):
        state = {"a": torch.rand(20), "b": torch.rand(20), "c": torch.rand(20)}
        written = save_module(state, path, size)
        assert count is None or len(written) == count
        found = {file for file in tmp_path.iterdir() if file.name != "encoder-notes.txt"}
        assert found == set(written)
        assert torch.equal(open_weights(path).tensor("c"), state["c"])


def test_index_is_the_one_of_transformers(tmp_path):
    state = {"a": torch.zeros(30), "b": torch.zeros(30), "c": torch.zeros(10)}
    save_module(state, tmp_path / "m.safetensors", 160)
    index = json.loads((tmp_path / "m.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 280
    assert index["weight_map"] == {
        "a": "m-00001-of-00002.safetensors",
        "b": "m-00002-of-00002.safetensors",
        "c": "m-00002-of-00002.safetensors",
    }


@pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")
def test_files_follow_the_umask(tmp_path):
    (file,) = save_module({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    (tmp_path / "plain").touch()
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_tied_tensors_are_both_written(tmp_path):
    shared = torch.rand(4)
    save_module({"a": shared, "b": shared}, tmp_path / "a.safetensors")
    assert torch.equal(open_weights(tmp_path / "a.safetensors").tensor("b"), shared)


def test_only_safetensors_are_written(tmp_path):
    with pytest.raises(OutputError, match="safetensors"):
        save_module({"a": torch.zeros(1)}, tmp_path / "a.pth")


def failing(number: int):
    def save_file(tensors, path, metadata=None):
        path.write_bytes(b"half")
        raise OSError(number, os.strerror(number), str(path))

    return save_file


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, r"disk is full: .* needs 400 bytes, .* are free"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "no permission"),
        (errno.EIO, "cannot be written"),
    ],
)
def test_a_failing_disk_leaves_the_former_file(tmp_path, monkeypatch, number, message):
    path = tmp_path / "a.safetensors"
    save_module({"a": torch.zeros(100)}, path)
    monkeypatch.setattr(writer, "save_file", failing(number))
    with pytest.raises(OutputError, match=message):
        save_module({"a": torch.ones(100)}, path)
    assert list(tmp_path.iterdir()) == [path]
    assert open_weights(path).tensor("a").sum() == 0


def test_an_error_of_safetensors_is_understood(tmp_path, monkeypatch):
    def save_file(tensors, path, metadata=None):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(writer, "save_file", save_file)
    with pytest.raises(OutputError, match="disk is full"):
        save_module({"a": torch.ones(1)}, tmp_path / "a.safetensors")


def test_too_small_a_disk_is_seen_before_writing(tmp_path, monkeypatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: Usage(10, 0, 10))
    with pytest.raises(OutputError, match=r"needs 400 bytes, but only 10 bytes are free"):
        save_module({"a": torch.zeros(100)}, tmp_path / "new" / "a.safetensors")
    assert not list(tmp_path.iterdir())


def test_ctrl_c_leaves_nothing(tmp_path):
    def interrupted() -> None:
        with staged_folder(tmp_path / "out", 0) as folder:
            (folder / "half").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_a_taken_place_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    with staged_folder(tmp_path / "out", 0) as folder:
        (folder / "a").write_text("x")
    assert (tmp_path / "out" / "a").exists()
    with pytest.raises(OutputError, match="not empty"), staged_folder(tmp_path / "out", 0):
        pass
    with pytest.raises(OutputError, match="is a file"), staged_folder(tmp_path / "out/a", 0):
        pass


def test_values_that_would_silently_turn_wrong():
    assert cast("w", torch.tensor([1.0]), torch.float16).dtype == torch.float16
    with pytest.raises(CheckpointError, match=r"w reaches 7e\+04, beyond float16"):
        cast("w", torch.tensor([7e4]), torch.float16)
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(CheckpointError, match="not numbers"):
            cast("w", torch.tensor([0.0, wrong]), torch.float16)
    mask = torch.tensor([0.0, -float("inf")])
    assert torch.equal(cast("m", mask, torch.float16, infinite=True).float(), mask)
    assert cast("e", torch.zeros(0), torch.float16).numel() == 0


def test_number_formats():
    assert parse_dtype("bfloat16") == torch.bfloat16
    with pytest.raises(ConfigError, match="float16, bfloat16, float32"):
        parse_dtype("int8")
    assert [gigabytes(n) for n in (5, 2_000, 3_100_000, 13_500_000_000)] == [
        "5 bytes",
        "2.0 kB",
        "3.1 MB",
        "13.5 GB",
    ]
