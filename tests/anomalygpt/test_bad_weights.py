"""Weights and assistants that are damaged or of something else: one line says so."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import timm
import torch

from decoder import DecoderError, MemoryBank


class _Code:
    """Unpickling it would make a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("another architecture", "missing"),
        ("another width", "misshaped"),
        ("text", "neither a safetensors nor a torch file"),
        ("web page", "web page"),
        ("empty", "is empty"),
        ("cut short", "damaged or incomplete"),
        ("code", "nothing was run"),
        ("code in a plain pickle", "no pickle as torch.save writes it"),
        ("no tensors", "not tensors"),
        ("a folder", "folder"),
        ("nothing", "does not exist"),
    ],
)
def test_wrong_weights(
    anomalygpt, parts, tmp_path, encoder_file, encoder_options, content, message
) -> None:
    path, target = tmp_path / "weights.pth", tmp_path / "was_run"
    if content == "another architecture":
        torch.save(timm.create_model("resnet10t", pretrained=False).state_dict(), path)
    elif content == "another width":
        network = timm.create_model(
            "vit_tiny_patch16_224", pretrained=False, embed_dim=48, depth=4, num_heads=2
        )
        torch.save(network.state_dict(), path)
    elif content == "text":
        path.write_text("weights", encoding="utf-8")
    elif content == "web page":
        path.write_text("<!DOCTYPE html><html>404</html>", encoding="utf-8")
    elif content == "empty":
        path.touch()
    elif content == "cut short":
        path.write_bytes(encoder_file.read_bytes()[:5000])
    elif content == "code":
        torch.save({"a": _Code(target)}, path)
    elif content == "code in a plain pickle":
        path.write_bytes(pickle.dumps({"a": _Code(target)}))
    elif content == "no tensors":
        torch.save({"epoch": 3}, path)
    elif content == "a folder":
        path.mkdir()
    options = [str(path) if option == str(encoder_file) else option for option in encoder_options]
    ran = anomalygpt("inspect", parts / "good.png", "-r", parts / "other.png", *options)
    assert ran.status == 2
    assert str(path) in ran.error
    assert message in ran.error
    assert not target.exists()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, "has no config.json"),
        ("config.json", "{", "cannot be read as JSON"),
        ("config.json", '{"model_type": "llama"}', "belongs to another program"),
        ("config.json", '{"format_version": 99}', "format_version 99"),
        ("encoder.safetensors", None, "encoder"),
        ("encoder.safetensors", "", "encoder.safetensors is empty"),
        ("projection.safetensors", "x", "projection.safetensors"),
        ("prompt_learner.safetensors", None, "prompt_learner"),
        ("language_model/model.safetensors", None, "language_model"),
        ("language_model/model.safetensors", "x", "language_model"),
        ("language_model/config.json", "{", "language_model"),
        ("language_model/tokenizer.json", "{", "language_model"),
    ],
)
def test_damaged_assistants(
    anomalygpt, parts, tmp_path, assistant_folder, file, content, message
) -> None:
    folder = tmp_path / "assistant"
    for source in assistant_folder.rglob("*"):
        place = folder / source.relative_to(assistant_folder)
        if source.is_dir() or source == assistant_folder / file:
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.hardlink_to(source)
    if content is not None:
        (folder / file).write_text(content, encoding="utf-8")
    ran = anomalygpt("inspect", parts / "good.png", "--model", folder)
    assert ran.status == 2
    assert message in ran.error
    assert str(folder) in ran.error


def test_a_foreground_mask_of_another_size() -> None:
    bank = MemoryBank()
    with pytest.raises(DecoderError, match=r"\(15,\).*\(1, 16\)") as caught:
        bank.add([torch.rand(1, 16, 8)], foreground=torch.ones(15, dtype=torch.bool))
    assert "\n" not in str(caught.value)
    assert len(bank) == 0
