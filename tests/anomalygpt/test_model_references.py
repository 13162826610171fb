"""References of an assistant, and the memory banks that it makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.errors import ConfigError, ImageError, MissingPartError
from decoder import MemoryBank
from tests.inspections import same


def test_references_in_every_form_give_the_same_map(assistant, parts, bank, encoded) -> None:
    path = parts / "good.png"
    with Image.open(path) as picture:
        forms = [path, str(path), picture, np.asarray(picture)]
        maps = [
            assistant.inspect(parts / "stained.png", [form], map_only=True).anomaly_map
            for form in forms
        ]
    encoded.clear()
    found = assistant.inspect(parts / "stained.png", bank, map_only=True)
    assert encoded == [1]  # a bank is not encoded again
    assert found.references == (str(path),)
    for values in maps:
        assert np.array_equal(values, found.anomaly_map)


def test_the_same_reference_twice_is_no_error(assistant, parts, bank) -> None:
    path = parts / "good.png"
    twice = assistant.inspect(parts / "stained.png", [path, path], map_only=True)
    assert len(twice.references) == 2
    assert np.isfinite(twice.anomaly_map).all()


def test_a_broken_reference_is_named_at_once(assistant, parts, tmp_path) -> None:
    (tmp_path / "ref.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"ref\.png"):
        assistant.inspect_batch([parts / "good.png"], [parts / "good.png", tmp_path / "ref.png"])


def test_turned_references_know_a_turned_part(assistant, parts) -> None:
    with Image.open(parts / "stained.png") as picture:
        turned = picture.transpose(Image.Transpose.ROTATE_180)
    reference = [parts / "stained.png"]
    plain = assistant.remember(reference, rotations=1)
    turning = assistant.remember(reference, rotations=2)
    with_plain, with_turning = (
        assistant.decoder.reference_map(
            assistant.encode([turned]).features.stages, (4, 4), memory_bank
        ).mean()
        for memory_bank in (plain, turning)
    )
    assert with_turning < 0.5 * with_plain
    with pytest.raises(ConfigError, match="rotations"):
        assistant.remember(reference, rotations=0)


@pytest.mark.parametrize(
    ("count", "formulation", "turns"),
    [(1, "normalised", 12), (2, "normalised", 6), (3, "normalised", 1), (1, "published", 1)],
)
def test_few_references_are_turned_by_themselves(
    assistant, parts, count, formulation, turns
) -> None:
    """About a dozen views while references are few; never for published maps."""
    references = [parts / "good.png"] * count
    by_itself = assistant.remember(references, formulation=formulation)
    asked = assistant.remember(references, rotations=turns)
    query = assistant.encode(references[0]).features.stages
    assert torch.equal(by_itself.self_distances(), asked.self_distances())
    assert torch.equal(by_itself.distances(query), asked.distances(query))


def test_neither_reference_nor_text_side(parts, encoder_file) -> None:
    options = {"input_size": 64, "embed_dim": 32, "depth": 4, "num_heads": 2}
    eyes = AnomalyGPT.from_encoder(
        "vit_tiny_patch16_224", encoder_file, options=options, device="cpu"
    )
    with pytest.raises(MissingPartError, match="at least one photo of a good part"):
        eyes.inspect(parts / "good.png", map_only=True)
    assert (
        eyes.inspect(parts / "good.png", [parts / "other.png"], map_only=True).regions is not None
    )


def test_a_bank_of_another_encoder_is_refused(assistant, parts) -> None:
    foreign = MemoryBank()
    foreign.add([torch.rand(1, 16, 7)] * 2, name="x", varied=[torch.rand(1, 16, 7)] * 2)
    with pytest.raises(ConfigError, match="same encoder"):
        assistant.inspect(parts / "good.png", foreign, map_only=True)


def test_the_formulation_can_be_asked_for(assistant, parts) -> None:
    """Each call has its own: a model is shared by many."""
    photo, references = parts / "stained.png", [parts / "good.png"]
    before = assistant.inspect(photo, references, map_only=True)
    after = assistant.inspect(photo, references, map_only=True, formulation="published")
    assert (before.formulation, after.formulation) == ("normalised", "published")
    again = assistant.inspect(photo, references, map_only=True)
    assert np.array_equal(again.anomaly_map, before.anomaly_map)
    assert not np.allclose(before.anomaly_map, after.anomaly_map)
    assert after.level < after.anomaly_map.max()


def test_one_reference_needs_no_list(assistant: AnomalyGPT, parts: Path) -> None:
    """A path is one reference, not a list of letters."""
    path = parts / "good.png"
    for single in (path, str(path), Image.open(path)):
        same(
            assistant.inspect(path, single, map_only=True),
            assistant.inspect(path, [path], map_only=True),
        )


def test_a_saved_bank_knows_its_encoder(build_assistant, assistant, parts, tmp_path) -> None:
    """Features of equal width from another encoder would give wrong maps without a word."""
    assistant.remember(parts / "good.png").save(tmp_path / "bank.safetensors")
    bank = MemoryBank.load(tmp_path / "bank.safetensors")
    expected = assistant.inspect(parts / "stained.png", parts / "good.png", map_only=True)
    same(assistant.inspect(parts / "stained.png", bank, map_only=True), expected)
    other = build_assistant(words=False)
    with torch.no_grad():
        next(other.encoder.parameters()).add_(0.5)
    for use in (
        lambda: other.inspect(parts / "good.png", bank, map_only=True),
        lambda: other.remember(parts / "good.png", bank=bank),
    ):
        with pytest.raises(ConfigError, match="another encoder"):
            use()


def test_a_broken_reference_leaves_the_bank_as_it_was(assistant, parts, tmp_path) -> None:
    bank = assistant.remember(parts / "good.png")
    (tmp_path / "broken.png").write_bytes(b"no photo")
    with pytest.raises(ImageError):
        assistant.remember([parts / "other.png", tmp_path / "broken.png"], bank=bank)
    assert bank.names == (str(parts / "good.png"),)
