"""Good parts as a user gives them: how they are turned, and what is told of a doubtful one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from anomalygpt import AnomalyGPT, Inspection
from anomalygpt.errors import ConfigError, ImageError
from anomalygpt.evidence import cautions_of
from anomalygpt.images.reading import load_image
from anomalygpt.references.pictures import turns_of_each
from anomalygpt.results.cautions import AMONG_REFERENCES, OTHER_PRODUCT
from decoder import MemoryBank
from simulation import NormalVariation, vary


@pytest.fixture
def turns(assistant: AnomalyGPT, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """In how many turns each reference is encoded."""
    found: list[int] = []
    encode = assistant.library.encode

    def recorded(photo, rotations, *settings):  # type: ignore[no-untyped-def]
        found.append(rotations)
        return encode(photo, rotations, *settings)

    monkeypatch.setattr(assistant.library, "encode", recorded)
    return found


def test_turns_follow_how_many_references_there_are_in_all(assistant, parts, turns) -> None:
    """Those that are in the bank already count too."""
    good, other = parts / "good.png", parts / "other.png"
    bank = assistant.remember([good])
    assistant.remember([other], bank=bank)
    assistant.remember([good], bank=bank)
    assert turns == [12, 6, 1]
    turns.clear()
    assistant.remember([good, other, good])
    assistant.remember([good, other])
    assistant.remember([good, other], rotations=3)
    assistant.remember([good, other], fixed_pose=True)
    assert turns == [1, 1, 1, 6, 6, 3, 3, 1, 1]


def test_three_references_or_more_are_turned_where_they_lie_freely(
    assistant, parts, turns, monkeypatch
) -> None:
    three = [parts / "good.png", parts / "other.png", parts / "good.png"]
    monkeypatch.setattr(MemoryBank, "lie_alike", False)
    bank = assistant.remember(three)
    assert turns == [1, 1, 1, 6, 6, 6]
    assert len(bank) == 3
    turns.clear()
    assistant.remember(three, rotations=1)
    assistant.remember(three, formulation="published")
    assistant.remember(three, fixed_pose=True)
    assert turns == [1] * 9
    monkeypatch.setattr(MemoryBank, "lie_alike", True)
    turns.clear()
    assistant.remember(three)
    assert turns == [1, 1, 1]


def test_a_reference_that_is_gone_when_it_is_to_be_turned_leaves_the_bank_as_it_was(
    assistant, parts, monkeypatch
) -> None:
    monkeypatch.setattr(MemoryBank, "lie_alike", False)
    encoded = assistant.library.encoded

    def gone(source, turns=1, *settings):  # type: ignore[no-untyped-def]
        if turns > 1:
            raise ImageError(f"{source} does not exist")
        return encoded(source, turns, *settings)

    monkeypatch.setattr(assistant.library, "encoded", gone)
    bank = MemoryBank(assistant.encoder_id)
    with pytest.raises(ImageError):
        assistant.remember([parts / "good.png", parts / "other.png", parts / "good.png"], bank=bank)
    assert len(bank) == 0


def test_the_rule_of_turns() -> None:
    def turned(count: int) -> int:
        return turns_of_each(count, "normalised", lie_alike=False)

    assert [turned(count) for count in (1, 2, 3, 4, 6, 8, 13, 30)] == [12, 6, 6, 6, 4, 3, 1, 1]
    assert all(turns_of_each(count, "normalised") == 1 for count in (3, 8))


def test_what_was_encoded_unturned_is_not_encoded_again(assistant, parts) -> None:
    photo = load_image(parts / "good.png")
    library = assistant.library.in_memory()
    whole = library.encode(photo, 3, False, False)
    extended = library.encode(photo, 3, False, False, library.encode(photo, 1, False, False))
    for one, other in zip(
        whole.stages + whole.varied, extended.stages + extended.varied, strict=True
    ):
        torch.testing.assert_close(one, other)


def test_a_fixed_pose_goes_with_no_turns_and_with_its_own_bank(assistant, parts) -> None:
    good = parts / "good.png"
    for settings in ({"rotations": 2}, {"flips": True}):
        with pytest.raises(ConfigError, match="fixed pose"):
            assistant.remember([good], fixed_pose=True, **settings)
    with pytest.raises(ConfigError, match="any pose"):
        assistant.remember([good], fixed_pose=True, bank=assistant.remember([good]))
    fixed = assistant.remember([good], fixed_pose=True)
    assistant.remember([parts / "other.png"], bank=fixed)
    assert fixed.fixed_pose


def test_none_stands_for_no_reference(assistant, parts) -> None:
    photo = parts / "good.png"
    without, given = (
        assistant.inspect(photo, references, map_only=True) for references in (None, ())
    )
    assert np.array_equal(without.anomaly_map, given.anomaly_map)
    assert assistant.chat(photo, None)


# --------------------------------------------------------------------------------- cautions


def test_a_photo_that_is_its_own_reference_is_told(assistant, parts, tmp_path) -> None:
    """Under any name, in every form, and only that photo of a batch."""
    good, copy = parts / "good.png", tmp_path / "renamed.png"
    copy.write_bytes(good.read_bytes())
    forms = [copy, Image.open(good), np.asarray(Image.open(good))]
    for form in forms:
        found = assistant.inspect(form, [parts / "other.png", good], map_only=True)
        assert found.cautions == (AMONG_REFERENCES,)
    batch = [parts / "stained.png", copy]
    found = list(assistant.inspect_batch(batch, [good], map_only=True))
    assert [AMONG_REFERENCES in each.cautions for each in found] == [False, True]
    chat = assistant.chat(copy, assistant.remember([good]))
    assert AMONG_REFERENCES in chat.judge().cautions


@pytest.mark.parametrize("likeness", [0.8, 0.7])
def test_a_photo_of_another_product_is_told(assistant, parts, likeness) -> None:
    """Unlike the most similar reference as a whole; one that is alike is enough."""
    photos = assistant.encode([parts / "stained.png"])
    whole = torch.nn.functional.normalize(photos.features.embedding[0], dim=0)
    across = torch.randn(len(whole), generator=torch.Generator().manual_seed(0))
    across = torch.nn.functional.normalize(across - (across @ whole) * whole, dim=0)
    bank = MemoryBank(assistant.encoder_id)
    for name, cosine in (("far", 0.0), ("near", likeness)):
        embedding = cosine * whole + (1 - cosine**2) ** 0.5 * across
        stages = [stage[:1] for stage in assistant.encode([parts / "good.png"]).features.stages]
        bank.add(stages, name=name, varied=stages, embedding=embedding)
    embedding = photos.features.embedding
    (cautions,) = cautions_of(photos.marks, embedding, bank, 0.75)
    assert (OTHER_PRODUCT in cautions) is (likeness < 0.75)
    # Nothing is suspected where nobody measured what photos of one product keep.
    assert cautions_of(photos.marks, embedding, bank, None) == ((),)


# ----------------------------------------------------------------- with the embedded model


@pytest.fixture(scope="module")
def embedded() -> AnomalyGPT:
    return AnomalyGPT.from_pretrained("embedded", device="cpu")


HOLES = ((50, 50), (50, 150), (120, 100), (200, 60))


def plate(holes: tuple[tuple[int, int], ...] = HOLES, seed: int = 0) -> Image.Image:
    """A drawn plate that is not symmetric, in slightly other light for each seed."""
    generator = np.random.default_rng(seed)
    picture = Image.new("RGB", (256, 256), (60, 70, 80))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((20, 20, 236, 200), fill=(170, 175, 180))
    draw.rectangle((150, 130, 220, 180), fill=(120, 90, 60))
    for x, y in holes:
        draw.ellipse((x - 14, y - 14, x + 14, y + 14), fill=(30, 30, 35))
    pixels = np.asarray(picture) * generator.uniform(0.96, 1.04)
    noisy = pixels + generator.normal(0, 3, pixels.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def test_in_a_fixed_pose_what_is_missing_extra_moved_or_mirrored_is_seen(embedded) -> None:
    """Against the very photo it was made from, and clearly above another good photo."""
    good = plate()
    bank = embedded.remember([good], fixed_pose=True)
    changed = {
        "missing": plate(HOLES[:3]),
        "extra": plate((*HOLES, (110, 50))),
        "moved": plate((*HOLES[:3], (200, 100))),
        "mirrored": Image.fromarray(np.asarray(good)[:, ::-1].copy()),
    }
    found = embedded.inspect_batch([plate(seed=1), *changed.values()], bank, map_only=True)
    ordinary, *others = [inspection.anomaly_score for inspection in found]
    assert dict(zip(changed, [score > 2 * ordinary for score in others], strict=True)) == (
        dict.fromkeys(changed, True)
    )
    assert min(others) > 0.45


def test_the_command_compares_place_by_place_where_it_is_told_to(anomalygpt, tmp_path) -> None:
    """A hole that is missing is found in a fixed pose, and scores higher than without."""
    good, missing = tmp_path / "good.png", tmp_path / "missing.png"
    plate().save(good)
    plate(HOLES[:3], seed=1).save(missing)
    found = []
    for pose in ([], ["--fixed-pose"]):
        ran = anomalygpt("inspect", missing, "-r", good, "--device", "cpu", "--json", *pose)
        found.append(Inspection.from_json(ran.out))
    free, fixed = found
    assert fixed.is_anomalous
    assert fixed.anomaly_score > 1.5 * free.anomaly_score


@pytest.mark.parametrize("size", [(1280, 256), (256, 1280)])
def test_a_squeezed_photo_is_judged_as_it_was(embedded, size) -> None:
    """The model sees a square; how long the photo was does not change what it finds."""
    photos = [plate(), plate((*HOLES[:3], (110, 165), (125, 165)), seed=1), plate(seed=2)]
    scores = []
    for pictures in (photos, [each.resize(size, Image.Resampling.BICUBIC) for each in photos]):
        bank = embedded.remember(pictures[:1], rotations=1)
        scores.append(
            [
                each.anomaly_score
                for each in embedded.inspect_batch(pictures[1:], bank, map_only=True)
            ]
        )
    (bad, _), (long_bad, long_good) = scores
    assert long_bad == pytest.approx(bad, abs=0.12)
    assert long_good < 0.5 * long_bad


@pytest.mark.parametrize("count", [1, 2, 4])
def test_what_one_good_photo_shows_is_not_hidden_by_more(embedded, count) -> None:
    """The boards all lie alike, so that from two of them on they are compared by place."""
    folder = Path(__file__).parents[3] / "examples" / "circuit"
    good = [np.asarray(Image.open(folder / f"good_{number}.jpg")) for number in (1, 2)]
    generator = np.random.default_rng(1)
    others = [vary(pixels, generator, NormalVariation()) for pixels in good]
    bank = embedded.remember([*good, *others][:count])
    found = embedded.inspect(folder / "missing_capacitor.jpg", bank)
    assert found.is_anomalous
    spare = vary(good[1], generator, NormalVariation())
    assert embedded.inspect(spare, bank).is_anomalous is False
