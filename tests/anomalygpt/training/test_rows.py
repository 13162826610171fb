"""Rows: what a photo, its mask, its words and its references have to do with each other."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from anomalygpt.config import EncoderConfig
from anomalygpt.data import Instruction, Sample
from anomalygpt.errors import DataError
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.images.reading import load_image
from anomalygpt.training.rows import (
    MOST_SKIPPED,
    InspectionRows,
    InstructionRows,
    Row,
    shrink_mask,
    side_of_step,
    vary_light,
)
from anomalygpt.training.start import training_data
from simulation import PLACES

ENCODER = EncoderConfig("timm", "none", input_size=64)


def rows_of(arguments: Any, encoder: EncoderConfig = ENCODER, map_size: int = 224) -> Any:
    data = training_data(arguments)
    return InspectionRows(arguments, encoder, map_size, data.samples, data.normal_photos)


def same(one: Row, other: Row) -> bool:
    return (
        torch.equal(one.pixels, other.pixels)
        and (one.mask is None) == (other.mask is None)
        and (one.mask is None or torch.equal(one.mask, other.mask))
        and (list(one.turns), one.references, one.skipped, one.places)
        == (list(other.turns), other.references, other.skipped, other.places)
    )


def spoil(path: Path) -> None:
    """What a copy that was cut short leaves."""
    path.write_bytes(path.read_bytes()[:200])


@pytest.fixture
def own_discs(discs: Path, tmp_path: Path) -> Path:
    """The data set, to change it."""
    return Path(shutil.copytree(discs, tmp_path / "own"))


@pytest.mark.parametrize("dialogues", ["published", "rich", "mixed"])
def test_a_number_is_a_row(training_arguments, dialogues):
    arguments = training_arguments(dialogues=dialogues, shots=(1, 3))
    one, other = rows_of(arguments), rows_of(arguments)
    numbers = [0, 1, 7, 18, 53]
    made = [one.row(number, with_references=True) for number in numbers]
    pickled = pickle.loads(pickle.dumps(one))
    assert all(row.references and not row.skipped for row in made)
    for number, row in reversed(list(zip(numbers, made, strict=True))):
        assert same(other.row(number, with_references=True), row)
        assert same(pickled.row(number, with_references=True), row)
    another_seed = rows_of(training_arguments(dialogues=dialogues, seed=1))
    assert not same(another_seed.row(1, with_references=True), made[1])


def test_an_epoch_has_every_photo_good_and_damaged(training_arguments):
    rows = rows_of(training_arguments(normal_variation=False))
    epochs = []
    for epoch in range(2):
        made = [
            rows.row(epoch * len(rows) + number, with_references=False)
            for number in range(len(rows))
        ]
        assert [bool(row.mask.any()) for row in made] == [False, True] * len(rows.samples)
        # Good rows are the photos as they are, so an epoch has each of them once.
        epochs.append([row.pixels.numpy().tobytes() for row in made[::2]])
        assert len(set(epochs[-1])) == len(rows.samples)
    assert set(epochs[0]) == set(epochs[1])
    assert epochs[0] != epochs[1]


def test_the_words_say_what_the_mask_shows(training_arguments):
    rows = rows_of(training_arguments(dialogues="published"))
    for number in range(0, 16, 2):
        row = rows.row(number, with_references=False)
        assert not row.mask.any()
        assert (row.places, row.references) == ((), ())
        ((_, answer),) = row.turns
        assert answer.startswith("No, ")
    for number in range(1, 17, 2):
        row = rows.row(number, with_references=False)
        assert row.mask.any()
        ((question, answer),) = row.turns
        assert question.endswith("Is there any anomaly in the image?")
        assert answer.startswith("Yes, ")
        assert row.places
        # Longest first: "top left" is not also "top".
        rest, named = answer, set()
        for place in sorted(PLACES, key=len, reverse=True):
            if place in rest:
                named.add(place)
                rest = rest.replace(place, "")
        assert named == set(row.places)
        for place in row.places:
            assert _cell(row.mask, place).any()


def _cell(mask: torch.Tensor, place: str) -> torch.Tensor:
    """The part of a mask in one cell of the grid, and a little around it."""
    line, column = divmod(PLACES.index(place), 3)
    side = len(mask)
    rows, columns = (
        slice(max(0, index * side // 3 - 3), (index + 1) * side // 3 + 3)
        for index in (line, column)
    )
    return mask[rows, columns]


@pytest.mark.parametrize("input_size", [224, 64, 300])
@pytest.mark.parametrize(
    ("resize", "size"), [("square", (160, 200)), ("pad", (120, 240)), ("pad", (240, 100))]
)
def test_the_mask_lies_where_pixels_changed(
    training_arguments, make_discs_in, tmp_path, input_size, resize, size
):
    data = make_discs_in(tmp_path / "data", good=3, size=size)
    encoder = EncoderConfig("timm", "none", input_size=input_size, resize=resize)
    arguments = training_arguments(
        data=str(data), normal_variation=False, validation_share=0, detail="whole"
    )
    rows = rows_of(arguments, encoder)
    found = changed = overlap = 0
    for number in range(0, 12, 2):
        good, damaged = (rows.row(number + one, with_references=False) for one in (0, 1))
        # Half a grey level of 255, after the division by the standard deviation.
        difference = (good.pixels - damaged.pixels).abs().amax(dim=0).numpy()
        is_changed = shrink_mask(difference > 0.5 / 255 / max(ENCODER.std), (224, 224))
        mask = damaged.mask.numpy().copy()
        overlap += (mask & is_changed).sum()
        found += mask.sum()
        changed += is_changed.sum()
        top, left, bottom, right = map(round, ImageGeometry.fit(size, 224, resize).box)
        blur = 1 + 224 // input_size
        mask[max(0, top - blur) : bottom + blur, max(0, left - blur) : right + blur] = False
        assert not mask.any()
    # The label leaves out changes that cannot be seen, so it may be smaller, hardly larger.
    assert overlap / found > 0.98
    assert overlap / changed > 0.6


def test_held_out_photos_stay_out_of_training(
    training_arguments, make_discs_in, tmp_path, monkeypatch
):
    make_discs_in(tmp_path / "data", "disc", good=6)
    make_discs_in(tmp_path / "data", "plate", good=5)
    arguments = training_arguments(
        data=str(tmp_path / "data"), validation_share=0.4, shots=(2,), seed=3
    )
    data = training_data(arguments)
    held_out = {sample.image for sample in data.held_out}
    assert {sample.category for sample in data.held_out} == {"disc", "plate"}
    read: set[Path] = set()

    def noted(path: Path, bit_depth: int | None = None) -> Image.Image:
        read.add(path)
        return load_image(path, bit_depth)

    monkeypatch.setattr("anomalygpt.training.rows.load_image", noted)
    for samples in (data.samples, data.held_out):
        rows = InspectionRows(arguments, ENCODER, 32, samples, data.normal_photos)
        read.clear()
        references: set[Path] = set()
        for number in range(4 * len(rows)):
            made = rows.row(number, with_references=True)
            references |= {Path(reference) for reference in made.references}
        assert references <= set().union(*data.normal_photos.values())
        if samples is data.samples:
            assert not (read | references) & held_out
            # Many rows, so that every photo had its turn.
            assert read == {sample.image for sample in samples}
        else:
            assert held_out <= read


@pytest.mark.parametrize("shots", [(1,), (2,), (1, 3), (50,)])
def test_references_are_other_photos(training_arguments, discs, shots):
    arguments = training_arguments(shots=shots)
    data = training_data(arguments)
    counts = set()
    # One photo to train on, so that it is known which one a row shows.
    for sample in data.samples[:3]:
        rows = InspectionRows(arguments, ENCODER, 32, [sample], data.normal_photos)
        for number in range(12):
            references = rows.row(number, with_references=True).references
            assert str(sample.image) not in references
            assert len(set(references)) == len(references)
            counts.add(len(references))
    most = len(data.samples) - 1
    assert counts == {min(shot, most) for shot in shots}


def test_a_single_photo_is_its_own_reference(training_arguments, make_discs_in, tmp_path):
    data = make_discs_in(tmp_path / "data", good=1)
    row = rows_of(training_arguments(data=str(data))).row(1, with_references=True)
    assert row.references == (str(data / "disc" / "train" / "good" / "000.png"),)


def test_a_pair_keeps_its_own_reference(training_arguments, discs):
    good = sorted((discs / "disc" / "train" / "good").iterdir())
    sample = Sample(good[0], "disc", "train", False, reference=good[5])
    rows = InspectionRows(training_arguments(), ENCODER, 32, [sample], {"disc": good})
    assert {rows.row(number, True).references for number in range(6)} == {(str(good[5]),)}


def _oriented(path: Path, code: int) -> None:
    """Store a photo turned, with the EXIF note that turns it back."""
    operations = {
        6: Image.Transpose.ROTATE_90,
        3: Image.Transpose.ROTATE_180,
        8: Image.Transpose.ROTATE_270,
    }
    with Image.open(path) as photo:
        turned = photo.transpose(operations[code])
    exif = Image.Exif()
    exif[0x0112] = code
    turned.save(path, exif=exif)


@pytest.mark.parametrize("resize", ["square", "pad"])
@pytest.mark.parametrize("code", [None, 3, 6, 8])
def test_real_defects_carry_their_mask(training_arguments, make_discs_in, tmp_path, resize, code):
    size = (150, 300)
    data = make_discs_in(tmp_path / "data", good=4, size=size)
    if code is not None:
        for path in (data / "disc" / "test" / "stain").iterdir():
            _oriented(path, code)
    encoder = EncoderConfig("timm", "none", input_size=64, resize=resize)
    arguments = training_arguments(data=str(data), supervised=True, normal_variation=False)
    chosen = training_data(arguments)
    real = [sample for sample in chosen.samples if sample.is_anomalous]
    rows = InspectionRows(arguments, encoder, 100, real, chosen.normal_photos)
    top, left, bottom, right = (
        side * 100 for side in np.array(ImageGeometry.fit(size, 64, resize).box) / 64
    )
    # The stain as make_discs paints it, in shares of the photo: 1/5 to 2/5 and 3/5 to 4/5.
    expected = np.zeros((100, 100), bool)
    height, width = bottom - top, right - left
    expected[
        round(top + height / 5) : round(top + 2 * height / 5),
        round(left + 3 * width / 5) : round(left + 4 * width / 5),
    ] = True
    red = (np.array((230, 30, 20)) / 255 - encoder.mean) / encoder.std
    for number in range(1, 8, 2):
        row = rows.row(number, with_references=True)
        mask = row.mask.numpy()
        assert (mask & expected).sum() / (mask | expected).sum() > 0.8
        assert row.places == ("top right",)
        assert row.turns[0][1].startswith("Yes, ")
        assert {Path(path) for path in row.references} <= set(chosen.normal_photos["disc"])
        is_red = np.abs(row.pixels.numpy() - red[:, None, None]).max(axis=0) < 0.9
        is_red = shrink_mask(is_red, (100, 100))
        assert (mask & is_red).sum() / (mask | is_red).sum() > 0.7
        good = rows.row(number - 1, with_references=False)
        assert not good.mask.any()
        assert good.turns[0][1].startswith("No, ")


def test_a_thin_defect_is_not_lost():
    mask = np.zeros((400, 400), bool)
    mask[200, 30:370] = True
    small = shrink_mask(mask, (20, 20))
    assert small.any()
    assert not small[:9].any()
    assert not small[12:].any()
    assert not shrink_mask(np.zeros((400, 400), bool), (20, 20)).any()


def test_an_unreadable_photo_gives_its_place_to_another(training_arguments, own_discs):
    arguments = training_arguments(data=str(own_discs), validation_share=0)
    whole = rows_of(arguments)
    numbers = range(2 * len(whole))
    before = [whole.row(number, with_references=False) for number in numbers]
    broken = whole.samples[4].image
    spoil(broken)
    rows = rows_of(arguments)
    replaced = 0
    for number in numbers:
        row = rows.row(number, with_references=False)
        if row.skipped:
            replaced += 1
            assert all(str(broken) in reason for reason in row.skipped)
        else:
            assert same(row, before[number])
        assert bool(row.mask.any()) == bool(number % 2)
    # Twice in each of two epochs as the photo itself; at times as the source of patches too.
    assert 4 <= replaced < len(before) / 2


@pytest.mark.parametrize("good", [2, 3, 6])
def test_one_unreadable_photo_stops_nothing(training_arguments, make_discs_in, tmp_path, good):
    data = make_discs_in(tmp_path / "data", good=good)
    broken = data / "disc" / "train" / "good" / "001.png"
    spoil(broken)
    arguments = training_arguments(data=str(data), shots=(1, good), validation_share=0)
    rows = rows_of(arguments)
    named = set()
    for number in range(6 * good):
        row = rows.row(number, with_references=True)
        assert row.references
        assert str(broken) not in row.references
        assert len(set(row.skipped)) == len(row.skipped)
        named |= set(row.skipped)
    (reason,) = named
    assert str(broken) in reason


@pytest.mark.parametrize("fault", ["cut", "black", "missing"])
def test_a_bad_mask_gives_its_place_to_another(training_arguments, own_discs, fault):
    masks = sorted((own_discs / "disc" / "ground_truth" / "stain").iterdir())
    arguments = training_arguments(data=str(own_discs), supervised=True, validation_share=0)
    chosen = training_data(arguments)
    if fault == "cut":
        masks[0].write_bytes(masks[0].read_bytes()[:40])
    elif fault == "black":
        Image.new("L", (48, 40)).save(masks[0])
    else:
        masks[0].unlink()
    rows = InspectionRows(arguments, ENCODER, 64, chosen.samples, chosen.normal_photos)
    made = [rows.row(number, with_references=False) for number in range(len(rows))]
    told = {reason for row in made for reason in row.skipped}
    assert len(told) == 1
    assert "stain" in told.pop()
    assert [bool(row.mask.any()) for row in made] == [False, True] * len(rows.samples)
    assert all(row.turns[0][1].startswith("Yes") for row in made[1::2])


@pytest.mark.parametrize("good", [3, MOST_SKIPPED + 5])
def test_all_unreadable_is_an_error(training_arguments, make_discs_in, tmp_path, good):
    data = make_discs_in(tmp_path / "data", good=good)
    arguments = training_arguments(data=str(data), validation_share=0)
    rows = rows_of(arguments)
    shutil.rmtree(data / "disc" / "train")
    with pytest.raises(DataError, match="no photo can be used") as caught:
        rows.row(0, with_references=False)
    assert f"{min(good, MOST_SKIPPED)} tried" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="no photo"):
        InspectionRows(arguments, ENCODER, 64, [], {})


def test_varied_light_leaves_everything_in_its_place(training_arguments):
    varied, plain = (rows_of(training_arguments(normal_variation=v)) for v in (True, False))
    differ = 0
    for number in range(8):
        one, other = (rows.row(number, with_references=False) for rows in (varied, plain))
        assert torch.equal(one.mask, other.mask)
        assert one.turns == other.turns
        differ += not torch.equal(one.pixels, other.pixels)
    assert differ > 4


def test_another_shot_leaves_edges_where_they_are():
    image = np.full((120, 160, 3), 60, np.uint8)
    image[10:40, 100:155] = 200
    image[70:110, 5:50] = 200
    bright = image[..., 0] > 128
    for seed in range(20):
        varied = vary_light(image, np.random.default_rng(seed)).mean(axis=2)
        again = varied > (varied[bright].mean() + varied[~bright].mean()) / 2
        assert (bright & again).sum() / (bright | again).sum() > 0.98


def test_the_share_of_reference_batches(training_arguments):
    for share in (0.0, 0.3, 1.0):
        arguments = training_arguments(reference_share=share)
        sides = [side_of_step(arguments, step) for step in range(600)]
        assert sides == [side_of_step(arguments, step) for step in range(600)]
        assert np.mean(sides) == pytest.approx(share, abs=0.07 if 0 < share < 1 else 0)


def test_dialogues_about_everyday_pictures(training_arguments, discs):
    pictures = sorted((discs / "disc" / "train" / "good").iterdir())[:5]
    items = [
        Instruction(path, ((f"What is {number}?", "A disc."), ("Why?", "It is round.")))
        for number, path in enumerate(pictures)
    ]
    arguments = training_arguments()
    rows = InstructionRows(arguments, ENCODER, items)
    made = [rows.row(number) for number in range(2 * len(rows))]
    asked = [row.turns[0][0] for row in made]
    assert set(asked[:5]) == set(asked[5:]) == {item.turns[0][0] for item in items}
    assert asked[:5] != asked[5:]
    assert all(row.mask is None and not row.references for row in made)
    pickled = pickle.loads(pickle.dumps(rows))
    for number, row in enumerate(made):
        assert same(pickled.row(number), row)
        item = next(item for item in items if item.turns == row.turns)
        with Image.open(item.image) as photo:
            small = np.asarray(photo.resize((64, 64), Image.Resampling.BICUBIC)) / 255
        expected = (small - ENCODER.mean) / ENCODER.std
        np.testing.assert_allclose(row.pixels.permute(1, 2, 0), expected, atol=1e-5)


def test_an_unreadable_picture_gives_its_place_to_another(training_arguments, own_discs):
    pictures = sorted((own_discs / "disc" / "train" / "good").iterdir())[:4]
    items = [Instruction(path, ((path.name, "A disc."),)) for path in pictures]
    whole = InstructionRows(training_arguments(), ENCODER, items)
    before = [whole.row(number) for number in range(8)]
    spoil(pictures[2])
    rows = InstructionRows(training_arguments(), ENCODER, items)
    after = [rows.row(number) for number in range(8)]
    replaced = [row for row in after if row.skipped]
    assert len(replaced) == 2
    for old, new in zip(before, after, strict=True):
        if new.skipped:
            assert old.turns[0][0] == pictures[2].name
            assert [str(pictures[2]) in reason for reason in new.skipped] == [True]
        else:
            assert same(old, new)
    for path in pictures:
        path.unlink(missing_ok=True)
    with pytest.raises(DataError, match="4 tried"):
        rows.row(0)
    with pytest.raises(DataError, match="no dialogue"):
        InstructionRows(training_arguments(), ENCODER, [])


def test_without_good_photos_both_rows_show_the_defect(training_arguments, make_discs_in, tmp_path):
    """A damaged photo is never taught as good, nor as a reference."""
    make_discs_in(tmp_path, "road", good=0)
    rows = rows_of(training_arguments(data=str(tmp_path), supervised=True))
    for number in range(2 * len(rows)):
        row = rows.row(number, True)
        assert row.mask.any()
        assert row.turns[0][1].startswith("Yes")
        assert row.references == ()
