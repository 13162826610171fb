"""The command that inspects photos: what it prints and which files it writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.inspections import inspections


def test_json_is_one_object_per_line(anomalygpt, parts, encoder_options) -> None:
    ran = anomalygpt("inspect", parts, "-r", parts / "good.png", *encoder_options, "--json")
    assert (ran.status, ran.err) == (0, "")
    found = inspections(ran.out)
    assert [Path(item.image).name for item in found] == [
        "good.png",
        "other.png",
        "plain.jpg",
        "stained.png",
    ]
    assert all(item.references == (str(parts / "good.png"),) for item in found)
    assert all(item.is_anomalous is None for item in found)
    scores = {Path(item.image).name: item.anomaly_score for item in found}
    assert max(scores, key=scores.get) == "stained.png"


def test_a_sentence_per_photo(anomalygpt, parts, encoder_options) -> None:
    ran = anomalygpt("inspect", parts / "stained.png", "-r", parts / "good.png", *encoder_options)
    assert ran.status == 0
    assert ran.out.startswith(f"{parts / 'stained.png'}: score 0.")
    assert "stands out: " in ran.out


def test_a_whole_assistant_answers(anomalygpt, parts, assistant, assistant_folder) -> None:
    options = ["--model", assistant_folder, "-r", parts / "good.png", "--category", "disc"]
    ran = anomalygpt("inspect", parts / "stained.png", *options, "--json", "--device", "cpu")
    (found,) = inspections(ran.out)
    expected = assistant.inspect(parts / "stained.png", [parts / "good.png"])
    assert (found.answer, found.anomaly_probability) == (
        expected.answer,
        expected.anomaly_probability,
    )
    spoken = anomalygpt("inspect", parts / "stained.png", *options)
    assert f"(P(anomaly) {expected.anomaly_probability:.2f}, " in spoken.out


def test_patterns_and_several_references(anomalygpt, parts, encoder_options) -> None:
    ran = anomalygpt(
        *("inspect", parts / "*.jpg", "-r", parts / "good.png", "-r", parts / "o*.png"),
        *(*encoder_options, "--json", "--rotations", 2, "--flips"),
    )
    (found,) = inspections(ran.out)
    assert Path(found.image).name == "plain.jpg"
    assert [Path(name).name for name in found.references] == ["good.png", "other.png"]


def test_pictures_do_not_collide(anomalygpt, parts, tmp_path, encoder_options) -> None:
    """part.jpg beside part.png, and part.png in two folders, keep a file of their own each."""
    for folder, names in (("a", ["part.png", "part.jpg"]), ("b/c", ["part.png"])):
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            with Image.open(parts / "stained.png") as picture:
                picture.save(tmp_path / folder / name)
    drawn, maps = tmp_path / "drawn", tmp_path / "maps"
    ran = anomalygpt(
        *("inspect", tmp_path / "a", tmp_path / "b", "-r", parts / "good.png", *encoder_options),
        *("--save-overlay", drawn, "--save-map", maps),
    )
    assert ran.status == 0
    expected = ["a/part.jpg.png", "a/part.png.png", "b/c/part.png.png"]
    for folder in (drawn, maps):
        files = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())
        assert files == [str(Path(name)) for name in expected]
    with Image.open(maps / expected[0]) as picture:
        assert (picture.mode, picture.size) == ("I;16", (96, 80))
    with Image.open(drawn / expected[0]) as picture:
        assert (picture.mode, picture.size) == ("RGB", (96, 80))


def test_one_photo_gets_a_plain_name(anomalygpt, parts, tmp_path, encoder_options) -> None:
    photos = [parts / "plain.jpg", parts / "stained.png"]
    anomalygpt(
        *("inspect", *photos, "-r", parts / "good.png", *encoder_options),
        *("--save-overlay", tmp_path / "new" / "drawn"),
    )
    names = sorted(file.name for file in (tmp_path / "new" / "drawn").iterdir())
    assert names == ["plain.png", "stained.png"]


def test_results_stay_inside_their_folder(
    anomalygpt, parts, tmp_path, encoder_options, monkeypatch
) -> None:
    """ ".." in the name of a photo must not lead out of the folder for results."""
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        shutil.copyfile(parts / "stained.png", tmp_path / folder / "part.png")
    before = (tmp_path / "there" / "part.png").read_bytes()
    monkeypatch.chdir(tmp_path / "here")
    ran = anomalygpt(
        *("inspect", "part.png", "../there/part.png", "-r", parts / "good.png"),
        *(*encoder_options, "--save-overlay", tmp_path / "drawn"),
    )
    assert ran.status == 0
    assert (tmp_path / "there" / "part.png").read_bytes() == before
    assert len(list((tmp_path / "drawn").rglob("*.png"))) == 2


@pytest.mark.parametrize("option", ["--save-overlay", "--save-map"])
def test_no_photo_is_overwritten(anomalygpt, parts, tmp_path, encoder_options, option) -> None:
    shutil.copytree(parts, tmp_path / "photos")
    photo = tmp_path / "photos" / "stained.png"
    before = photo.read_bytes()
    reference = ["-r", parts / "good.png", *encoder_options]
    ran = anomalygpt("inspect", photo, *reference, option, tmp_path / "photos")
    assert ran.status == 2
    assert f"{photo} is one of the photos" in ran.error
    assert photo.read_bytes() == before
    # A photo whose result has another name may have its result beside it.
    plain = tmp_path / "photos" / "plain.jpg"
    assert anomalygpt("inspect", plain, *reference, option, tmp_path / "photos").status == 0


def test_overlays_and_maps_need_a_folder_each(anomalygpt, parts, tmp_path, encoder_options) -> None:
    ran = anomalygpt(
        *("inspect", parts, *encoder_options, "-r", parts / "good.png"),
        *("--save-overlay", tmp_path / "x", "--save-map", tmp_path / "y" / ".." / "x"),
    )
    assert ran.status == 2
    assert "two different folders" in ran.error


def test_a_broken_photo_is_named_and_the_rest_goes_on(
    anomalygpt, parts, tmp_path, encoder_options
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes((parts / "good.png").read_bytes()[:300])
    gone = tmp_path / "gone.png"
    ran = anomalygpt(
        *("inspect", parts / "good.png", broken, gone, parts / "plain.jpg"),
        *("-r", parts / "good.png", *encoder_options, "--json", "--batch-size", 2),
    )
    assert ran.status == 1
    assert [Path(item.image).name for item in inspections(ran.out)] == ["good.png", "plain.jpg"]
    lines = ran.err.splitlines()
    assert [line.split()[2] for line in lines[:2]] == [str(broken), str(gone)]
    assert lines[2] == "anomalygpt: 2 of 4 photos could not be inspected"


def test_the_published_formulation_can_be_asked_for(anomalygpt, parts, encoder_options) -> None:
    photo = ["inspect", parts / "stained.png", "-r", parts / "good.png", *encoder_options]
    levels = [
        inspections(anomalygpt(*photo, "--json", "--formulation", name).out)[0].level
        for name in ("normalised", "published")
    ]
    assert levels[0] == 0.5
    assert levels[1] != 0.5
