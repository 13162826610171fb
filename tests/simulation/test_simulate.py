"""A simulated photo: what it promises about its mask, its defects and its chance."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation import KINDS, DefectKind, SimulatedAnomaly, find_defects, profile_for, simulate
from simulation.labels import smallest_change


def photo(name: str, seed: int, size: tuple[int, int] = (160, 180)) -> np.ndarray:
    """A rendered photo: grain, brushed metal, a part on a plain ground, grey cloth."""
    generator = np.random.default_rng([seed, len(name)])
    noise = generator.normal(0, 1, size)
    y, x = np.mgrid[: size[0], : size[1]]
    clouds = cv2.GaussianBlur(noise, (0, 0), 3)
    if name == "grain":
        tinted = (130 + 150 * clouds + 8 * noise)[..., None] * (1.1, 0.9, 0.7)
    elif name == "brushed":
        tinted = (110 + 60 * cv2.GaussianBlur(noise, (0, 0), 9, sigmaY=0.7))[..., None] * (1, 1, 1)
    elif name == "part":
        inside = np.hypot(x - size[1] / 2, y - size[0] / 2) < 0.33 * min(size)
        tinted = np.where(inside, 90 + 120 * clouds, 228 + noise)[..., None] * (1, 0.98, 0.9)
    else:
        tinted = (100 + 40 * np.sin(x / 3) * np.sin(y / 3) + 5 * noise)[..., None] * (1, 1, 1)
    return np.clip(np.rint(tinted), 0, 255).astype(np.uint8)


NAMES = ("grain", "brushed", "part", "cloth")


def check(before: np.ndarray, anomaly: SimulatedAnomaly) -> None:
    """All promises that hold for every photo."""
    assert anomaly.image.shape == before.shape
    assert anomaly.image.dtype == np.uint8
    assert anomaly.label.dtype == np.float32
    assert 0 <= anomaly.label.min() <= anomaly.label.max() <= 1
    untouched = anomaly.label == 0
    assert np.array_equal(anomaly.image[untouched], before[untouched])
    assert anomaly.defects
    for defect in anomaly.defects:
        rows, columns = np.nonzero(defect.mask)
        assert defect.area == len(rows) > 0
        assert defect.center == pytest.approx((columns.mean(), rows.mean()))
        x0, y0, x1, y1 = defect.box
        assert (x0, y0) == (columns.min(), rows.min())
        assert (x1, y1) == (columns.max() + 1, rows.max() + 1)
        assert defect.kind in KINDS
    together = np.sum([defect.mask for defect in anomaly.defects], axis=0)
    assert together.max() == 1
    assert np.array_equal(together > 0, anomaly.mask)
    found = find_defects(anomaly.mask)
    assert sorted((d.box, d.place, d.area) for d in found) == sorted(
        (d.box, d.place, d.area) for d in anomaly.defects
    )


@given(st.integers(0, 2**32 - 1), st.sampled_from(NAMES), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_every_simulation_keeps_its_promises(seed: int, name: str, most: int) -> None:
    image, source = photo(name, 0), photo(name, 1, (120, 200))
    untouched = image.copy()
    anomaly = simulate(image, np.random.default_rng(seed), source=source, max_defects=most)
    check(image, anomaly)
    assert len(anomaly.defects) <= most
    assert np.array_equal(image, untouched)
    assert not np.shares_memory(anomaly.image, image)


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(["constant", "dark", "noise"]),
)
@settings(max_examples=40, deadline=None)
def test_tiny_and_plain_photos_have_a_defect_too(
    seed: int, size: tuple[int, int], content: str
) -> None:
    generator = np.random.default_rng(seed)
    highest = {"constant": 1, "dark": 8, "noise": 256}[content]
    image = generator.integers(0, highest, (*size, 3), dtype=np.uint8)
    image += np.uint8(seed % 256 if content == "constant" else 0)
    check(image, simulate(image, generator))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(16, 16), (16, 600), (600, 16), (224, 224)])
def test_no_photo_is_too_plain_for_any_kind(kind: DefectKind, size: tuple[int, int]) -> None:
    for grey in (0, 128, 255):
        image = np.full((*size, 3), grey, np.uint8)
        anomaly = simulate(image, np.random.default_rng(grey), kinds=(kind,))
        check(image, anomaly)
        assert {defect.kind for defect in anomaly.defects} == {kind}


def test_large_photos() -> None:
    image = cv2.resize(photo("part", 0), (2000, 1500), interpolation=cv2.INTER_CUBIC)
    for seed in range(3):
        check(image, simulate(image, np.random.default_rng(seed)))


def test_the_mask_is_where_the_photo_changed() -> None:
    """IoU of the mask and the pixels that changed by more than the label's threshold.

    They cannot agree pixel by pixel: where two textures happen to have the same brightness, a
    pixel inside a defect did not change, and the label closes such gaps. The photo's damages are
    labelled with their own threshold.
    """
    profile = profile_for(None)
    agreement = []
    for seed in range(120):
        image, source = photo(NAMES[seed % 4], seed), photo(NAMES[seed % 4], seed + 500)
        anomaly = simulate(image, np.random.default_rng(seed), source=source, max_defects=1)
        change = np.abs(image.astype(float) - anomaly.image).mean(axis=2)
        if anomaly.defects[0].kind == "patch":
            changed = change > smallest_change(profile.sharpness, profile.midpoint)
        else:
            changed = change > smallest_change(1 / 12, 24)
        agreement.append((changed & anomaly.mask).sum() / (changed | anomaly.mask).sum())
    assert np.mean(agreement) > 0.9
    # The thinnest scratches are two pixels wide, and a closed gap is a good part of them.
    assert min(agreement) > 0.5
    assert np.quantile(agreement, 0.1) > 0.8


def test_the_same_seed_gives_the_same_photo_and_another_a_different_one() -> None:
    image, source = photo("grain", 0), photo("grain", 1)
    first, again, other = (
        simulate(image, np.random.default_rng(seed), source=source) for seed in (5, 5, 6)
    )
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.label, again.label)
    assert [d.box for d in first.defects] == [d.box for d in again.defects]
    assert not np.array_equal(first.image, other.image)


def test_several_defects_keep_their_own_places() -> None:
    """The published code gave the second defect the box around both."""
    image, source = photo("grain", 0, (224, 224)), photo("grain", 1, (224, 224))
    several = 0
    for seed in range(20):
        anomaly = simulate(image, np.random.default_rng(seed), source=source, max_defects=4)
        check(image, anomaly)
        several += len(anomaly.defects) > 1
        boxes = [defect.box for defect in anomaly.defects]
        assert len(set(boxes)) == len(boxes)
    assert several >= 10


def test_defects_lie_on_the_part() -> None:
    image, source = photo("part", 0, (224, 224)), photo("part", 1, (224, 224))
    y, x = np.mgrid[:224, :224]
    inside = np.hypot(x - 112, y - 112) < 0.33 * 224 + 2
    shares = []
    for seed in range(40):
        anomaly = simulate(image, np.random.default_rng(seed), source=source)
        shares += [float(inside[defect.mask].mean()) for defect in anomaly.defects]
    assert np.mean(shares) > 0.75
    assert min(shares) > 0.1


def test_a_known_ground_and_strict_shares() -> None:
    image, source = photo("part", 0, (224, 224)), photo("part", 1, (224, 224))
    profile = replace(
        profile_for("bottle"), background=((228, 40),), min_object=0.9, min_overlap=0.9
    )
    y, x = np.mgrid[:224, :224]
    inside = np.hypot(x - 112, y - 112) < 0.33 * 224 + 2
    for seed in range(15):
        generator = np.random.default_rng(seed)
        anomaly = simulate(image, generator, source=source, profile=profile, kinds=("patch",))
        assert np.mean([inside[defect.mask].mean() for defect in anomaly.defects]) > 0.7


def test_sizes_stay_within_the_profile() -> None:
    image, source = photo("grain", 0, (200, 200)), photo("grain", 1, (200, 200))
    profile = replace(profile_for("screw"), blends=("normal", "mixed", "paste"))
    for seed in range(15):
        generator = np.random.default_rng(seed)
        anomaly = simulate(image, generator, source=source, profile=profile, kinds=("patch",))
        for defect in anomaly.defects:
            x0, y0, x1, y1 = defect.box
            assert max(x1 - x0, y1 - y0) <= max(0.12, 0.15) * 200


def test_the_default_mix_holds_all_kinds_and_mostly_patches() -> None:
    image, source = photo("grain", 0), photo("grain", 1)
    kinds = [
        defect.kind
        for seed in range(150)
        for defect in simulate(
            image, np.random.default_rng(seed), source=source, max_defects=1
        ).defects
    ]
    assert set(kinds) == set(KINDS)
    assert 0.45 < kinds.count("patch") / len(kinds) < 0.75


def test_a_grey_photo_stays_grey() -> None:
    image, source = photo("brushed", 0), photo("brushed", 1)
    for seed in range(25):
        pixels = simulate(image, np.random.default_rng(seed), source=source).image.astype(int)
        assert np.abs(pixels - pixels[..., :1]).max() <= 1


@pytest.mark.parametrize("image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3))])
def test_other_pixels_are_refused(image: np.ndarray) -> None:
    good = photo("grain", 0)
    with pytest.raises(ValueError, match=r"image: expected \(H, W, 3\) uint8"):
        simulate(image, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"source: expected \(H, W, 3\) uint8"):
        simulate(good, np.random.default_rng(0), source=image)


def test_arguments_that_make_no_sense() -> None:
    image = photo("grain", 0)
    with pytest.raises(ValueError, match="max_defects must be at least 1, got 0"):
        simulate(image, np.random.default_rng(0), max_defects=0)
    for kinds in ((), ("dent",), "patch"):
        with pytest.raises(ValueError, match="kinds must name some of"):
            simulate(image, np.random.default_rng(0), kinds=kinds)  # type: ignore[arg-type]
