from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from anomalygpt.checkpoints import open_weights
from anomalygpt.checkpoints.readers import find_weights
from anomalygpt.errors import CheckpointError, SourceError

STATE = {"a": torch.arange(6.0).reshape(2, 3), "b.c": torch.ones(4, dtype=torch.float16)}


def write(path: Path, kind: str) -> Path:
    if kind == "safetensors":
        save_file(STATE, path)
    elif kind == "legacy":
        torch.save(STATE, path, _use_new_zipfile_serialization=False)
    elif kind == "nested":
        torch.save({"state_dict": STATE, "epoch": 3}, path)
    else:
        torch.save(STATE, path)
    return path


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy", "nested"])
def test_every_format_is_read_by_content_whatever_the_name(tmp_path, kind):
    weights = open_weights(write(tmp_path / "weights.pth", kind))
    assert weights.shapes == {"a": (2, 3), "b.c": (4,)}
    assert weights.dtypes["b.c"] == torch.float16
    for name, value in STATE.items():
        assert torch.equal(weights.tensor(name), value)


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_shards_with_an_index(tmp_path, kind):
    save = save_file if kind == "safetensors" else torch.save
    save({"a": STATE["a"]}, tmp_path / "m-1.bin")
    save({"b.c": STATE["b.c"]}, tmp_path / "m-2.bin")
    index = tmp_path / "m.bin.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "m-1.bin", "b.c": "m-2.bin"}}))
    weights = open_weights(tmp_path / "m")
    assert weights.path == index
    assert torch.equal(weights.tensor("b.c"), STATE["b.c"])


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({}, "has no 'weight_map'"),
        ({"weight_map": {"a": "m-2.bin"}}, r"m-2\.bin is missing"),
        ({"weight_map": {"a": "m-1.bin", "z": "m-1.bin"}}, r"m-1\.bin lacks z"),
        ({"weight_map": {"a": "../m-1.bin"}}, "not a file beside it"),
        ({"weight_map": {"a": "m-1.bin", "b": "m-3.bin"}}, "repeats a"),
        ([], "not a JSON object"),
    ],
)
def test_a_wrong_index_is_an_error(tmp_path, index, message):
    torch.save({"a": STATE["a"]}, tmp_path / "m-1.bin")
    torch.save(dict.fromkeys("ab", STATE["a"]), tmp_path / "m-3.bin")
    (tmp_path / "m.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=message):
        open_weights(tmp_path / "m")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs pointer"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"\n <html>", "web page"),
        (b"Not Found", "neither a safetensors nor a torch file"),
        (b"abc", "neither a safetensors nor a torch file"),
        (b"\x01" + b"\xff" * 4000, "neither a safetensors nor a torch file"),
        (b"\x10\0\0\0\0\0\0\0{}", "damaged or incomplete"),
        (b"PK\x03\x04 and nothing", "damaged or incomplete"),
        (b"\x80\x02 and nothing", "damaged or incomplete"),
    ],
)
def test_files_that_are_no_weights(tmp_path, content, message):
    path = tmp_path / "imagebind_huge.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        open_weights(path)
    assert str(path) in str(caught.value)
    assert "download" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_a_file_cut_off_anywhere_is_an_error(tmp_path, kind):
    path = write(tmp_path / "w.pth", kind)
    whole = path.read_bytes()
    # At least two bytes: below that, no format can be told.
    for length in range(2, len(whole), 41):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"w\.pth"):
            open_weights(path)


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
def test_code_in_a_file_is_never_run(tmp_path, kind):
    path, target = tmp_path / "evil.pth", tmp_path / "was_run"
    content = {"a": torch.ones(1), "evil": Malicious(target)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"evil": Malicious(target)}))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(CheckpointError, match=r"evil\.pth"):
        open_weights(path)
    assert not target.exists()


def test_the_message_says_that_code_was_not_run(tmp_path):
    torch.save({"evil": Malicious(tmp_path / "was_run")}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="nothing was run"):
        open_weights(tmp_path / "evil.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [([1, 2], "holds a list"), ({"a": 1}, "not tensors: a"), ({"a": {"b": 1}}, "not tensors: a")],
)
def test_only_tensors_by_name(tmp_path, content, message):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=message):
        open_weights(tmp_path / "w.pth")


def test_what_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        open_weights(tmp_path / "encoder")
    with pytest.raises(SourceError, match="is a folder"):
        open_weights(tmp_path)
    assert find_weights(tmp_path, "model") is None


@pytest.mark.parametrize("first_byte", [0x80, 0x50])
def test_a_safetensors_header_whose_length_looks_like_another_format(tmp_path, first_byte):
    """The file begins with its header's length, whose low byte may be that of a pickle or zip."""
    path = tmp_path / "model.safetensors"
    for filling in range(512):
        save_file({"weight": torch.ones(2)}, path, metadata={"note": "x" * filling})
        if path.read_bytes()[0] == first_byte:
            break
    assert path.read_bytes()[0] == first_byte
    assert open_weights(path).shapes == {"weight": (2,)}
