"""Regions lie where the map is high, and findings survive the way through JSON."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from anomalygpt.constants import LOCATIONS
from anomalygpt.errors import ConfigError, DeviceError, MissingPartError, OutputError
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import Region, find_regions

DOCS = Path(__file__).parents[3] / "docs" / "inspection-results.md"


def blob(
    x: float, y: float, spread: float = 0.05, peak: float = 0.9, cells: int = 56
) -> np.ndarray:
    """A bump at (x, y), both in [0, 1] of the square."""
    rows, columns = (np.mgrid[:cells, :cells] + 0.5) / cells
    distance = (columns - x) ** 2 + (rows - y) ** 2
    return (peak * np.exp(-distance / (2 * spread**2))).astype(np.float32)


def inspection(**changes: Any) -> Inspection:
    geometry = changes.pop("geometry", ImageGeometry.fit((120, 200), 224, "pad"))
    anomaly_map = changes.pop("small_map", blob(0.25, 0.5))
    values: dict[str, Any] = {
        "geometry": geometry,
        "anomaly_score": 0.8,
        "small_map": anomaly_map,
        "is_anomalous": True,
        "anomaly_probability": 0.93,
        "answer": "Yes, there is an anomaly in the image.",
        "question": "Is there any anomaly in the image?",
        "description": None,
        "regions": [] if anomaly_map is None else find_regions(anomaly_map, geometry),
        "image": "part.jpg",
        "references": ["good.jpg"],
        "model": {"name": "embedded", "hash": "00ff"},
    }
    return Inspection(**(values | changes))


# --- regions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(9))
@pytest.mark.parametrize("original", [(90, 90), (300, 100), (40, 3000)])
def test_regions_are_named_after_the_grid(index: int, original: tuple[int, int]) -> None:
    row, column = divmod(index, 3)
    x, y = (column + 0.5) / 3, (row + 0.5) / 3
    geometry = ImageGeometry.fit(original, 224, "square")
    (region,) = find_regions(blob(x, y), geometry)
    assert region.location == LOCATIONS[index]
    x0, y0, x1, y1 = region.bbox
    assert x0 <= x * original[1] <= x1
    assert y0 <= y * original[0] <= y1
    assert region.score == pytest.approx(0.9, abs=0.03)


def test_area_box_and_outline_of_a_known_rectangle() -> None:
    anomaly_map = np.zeros((100, 100), np.float32)
    anomaly_map[10:30, 40:80] = 0.9
    (region,) = find_regions(anomaly_map, ImageGeometry.fit((100, 100), 100, "square"))
    assert region.bbox == (40, 10, 80, 30)
    assert region.area_fraction == pytest.approx(0.08)
    assert sorted(region.polygon) == [(40, 10), (40, 30), (80, 10), (80, 30)]
    (region,) = find_regions(anomaly_map, ImageGeometry.fit((3000, 2000), 100, "square"))
    assert region.bbox == pytest.approx((800, 300, 1600, 900), abs=16)
    assert region.area_fraction == pytest.approx(0.08, abs=0.004)


def test_the_strongest_comes_first_and_specks_are_dropped() -> None:
    geometry = ImageGeometry.fit((224, 224), 224, "square")
    anomaly_map = np.zeros((224, 224), np.float32)
    anomaly_map[10:20, 10:20] = 0.7
    anomaly_map[100:110, 100:110] = 0.9
    anomaly_map[200, 200] = 1
    assert [region.location for region in find_regions(anomaly_map, geometry)] == [
        "center",
        "top left",
    ]
    assert len(find_regions(anomaly_map, geometry, max_regions=1)) == 1
    assert find_regions(anomaly_map, geometry, level=1.0) == []


def test_a_lone_speck_is_kept() -> None:
    anomaly_map = np.zeros((224, 224), np.float32)
    anomaly_map[200, 20] = 1
    anomaly_map[5, 5] = 0.8
    geometry = ImageGeometry.fit((224, 224), 224, "square")
    (region,) = find_regions(anomaly_map, geometry)
    assert region.bbox == (20, 200, 21, 201)
    assert len(region.polygon) == 4


def test_thin_scratches_keep_an_outline_with_area() -> None:
    anomaly_map = np.eye(224, dtype=np.float32)
    (region,) = find_regions(anomaly_map, ImageGeometry.fit((224, 224), 224, "square"))
    assert len(region.polygon) >= 3
    anomaly_map = np.zeros((224, 224), np.float32)
    anomaly_map[100] = 1
    (region,) = find_regions(anomaly_map, ImageGeometry.fit((224, 224), 224, "square"))
    assert sorted(region.polygon) == [(0, 100), (0, 101), (224, 100), (224, 101)]


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    st.sampled_from(["square", "pad"]),
    st.integers(0, 999),
)
def test_regions_lie_in_the_photo(original: tuple[int, int], resize: Any, seed: int) -> None:
    assume(max(original) >= 16)
    geometry = ImageGeometry.fit(original, 64, resize)
    values = np.random.default_rng(seed).random((16, 16), dtype=np.float32)
    for region in find_regions(values, geometry, level=0.6):
        x0, y0, x1, y1 = region.bbox
        assert 0 <= x0 < x1 <= original[1]
        assert 0 <= y0 < y1 <= original[0]
        assert 0 < region.area_fraction <= 1
        assert 0.6 < region.score <= 1
        assert region.location in LOCATIONS
        assert len(region.polygon) >= 3
        xs, ys = zip(*region.polygon, strict=True)
        assert x0 - 1 <= min(xs) < max(xs) <= x1 + 1
        assert y0 - 1 <= min(ys) < max(ys) <= y1 + 1


def test_padding_never_becomes_a_region() -> None:
    geometry = ImageGeometry.fit((50, 200), 224, "pad")
    assert find_regions(blob(0.5, 0.05), geometry) == []
    assert find_regions(blob(0.5, 0.5), geometry)[0].location == "center"


def test_lines_of_pixels_keep_their_peak() -> None:
    geometry = ImageGeometry.fit((1, 10_000), 224, "square")
    (region,) = find_regions(blob(0.25, 0.5, spread=0.02), geometry)
    assert region.bbox[1::2] == (0, 1)
    assert region.bbox[0] <= 2500 <= region.bbox[2]


# --- the inspection --------------------------------------------------------------------------


def test_the_map_has_the_photos_size_and_is_made_once() -> None:
    found = inspection()
    assert found.image_size == (120, 200)
    assert found.anomaly_map.shape == (120, 200)
    assert found.anomaly_map.dtype == np.float32
    assert found.anomaly_map is found.anomaly_map
    assert found.map_at((12, 20)).shape == (12, 20)
    peak = np.unravel_index(found.anomaly_map.argmax(), (120, 200))
    assert peak == pytest.approx((60, 50), abs=3)
    assert found.mask().sum() == (found.anomaly_map > 0.5).sum() > 0
    assert found.mask(0.95).sum() == 0


@pytest.mark.parametrize("include_map", [False, True])
def test_json_goes_there_and_back(include_map: bool) -> None:
    found = inspection()
    text = found.to_json(include_map=include_map)
    again = Inspection.from_json(text)
    assert again.to_json(include_map=include_map) == text
    assert again.regions == found.regions
    assert again.geometry == found.geometry
    if include_map:
        assert np.abs(again.anomaly_map - found.anomaly_map).max() < 1e-4
    else:
        with pytest.raises(MissingPartError, match="include_map=True"):
            _ = again.anomaly_map


def test_findings_without_a_language_model() -> None:
    found = inspection(is_anomalous=None, anomaly_probability=None, answer=None, image=None)
    values = json.loads(found.to_json())
    assert values["is_anomalous"] is values["anomaly_probability"] is values["answer"] is None
    assert Inspection.from_json(found.to_json()).is_anomalous is None


def test_numpy_values_become_plain_ones() -> None:
    found = inspection(
        is_anomalous=np.bool_(True),
        anomaly_probability=np.float32(0.25),
        anomaly_score=np.float64(0.5),
        image=Path("part.png"),
        references=[Path("good.png")],
        small_map=blob(0.5, 0.5).astype(np.float16),
    )
    values = json.loads(found.to_json())
    assert values["is_anomalous"] is True
    assert (values["anomaly_probability"], values["anomaly_score"]) == (0.25, 0.5)
    assert (values["image"], values["references"]) == ("part.png", ["good.png"])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_never_reach_json(bad: float) -> None:
    broken = blob(0.5, 0.5)
    broken[3, 4] = bad
    with pytest.raises(DeviceError, match="1 of 3136 values"):
        inspection(small_map=broken, regions=[])
    with pytest.raises(DeviceError, match="anomaly_score"):
        inspection(anomaly_score=bad)
    with pytest.raises(DeviceError, match="anomaly_probability"):
        inspection(anomaly_probability=bad)


def test_values_outside_their_range() -> None:
    with pytest.raises(ConfigError, match="from 0 to 2"):
        inspection(small_map=np.array([[0.0, 2.0]]), regions=[])
    with pytest.raises(ConfigError, match=r"\(3,\)"):
        inspection(small_map=np.zeros(3), regions=[])
    with pytest.raises(ConfigError, match=r"anomaly_probability must be in \[0, 1\], got 1.5"):
        inspection(anomaly_probability=1.5)
    assert inspection(anomaly_probability=1.0000001).anomaly_probability == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema_version": 2}, "schema_version 2"),
        ({"image_size": None}, "damaged"),
        ({"regions": [{"bbox": [1, 2]}]}, "damaged"),
        ({"is_anomalous": "no"}, "is_anomalous is 'no'"),
        ({"references": "good.jpg"}, "references is no list"),
        ({"cautions": "a guess"}, "cautions is no list"),
        ({"map": {"encoding": "jpeg"}}, "encoding 'jpeg'"),
        ({"map": {"encoding": "png16-base64", "height": 1, "width": 1, "data": "AAAA"}}, "decoded"),
        ({"anomaly_score": "high"}, "damaged"),
    ],
)
def test_json_that_is_no_inspection(changes: dict[str, Any], words: str) -> None:
    values = inspection().to_dict(include_map=True) | changes
    with pytest.raises(ConfigError, match=re.escape(words)):
        Inspection.from_json(json.dumps(values))


def test_text_that_is_no_json_or_lacks_a_key() -> None:
    with pytest.raises(ConfigError, match="no JSON"):
        Inspection.from_json("Yes")
    with pytest.raises(ConfigError, match="schema_version None"):
        Inspection.from_json("[1]")
    values = inspection().to_dict()
    del values["regions"]
    with pytest.raises(ConfigError, match="lacks the key 'regions'"):
        Inspection.from_json(json.dumps(values))
    stated = inspection().to_dict(include_map=True)
    stated["map"]["width"] = 57
    with pytest.raises(ConfigError, match="not what it states"):
        Inspection.from_json(json.dumps(stated))


def test_cautions_are_kept_and_older_results_have_none() -> None:
    found = inspection(cautions=["There was no photo of a good part."])
    values = json.loads(found.to_json())
    assert values["cautions"] == ["There was no photo of a good part."]
    assert Inspection.from_json(found.to_json()).cautions == found.cautions
    del values["cautions"]
    assert Inspection.from_json(json.dumps(values)).cautions == ()


def test_unknown_keys_are_ignored() -> None:
    values = inspection().to_dict() | {"added_later": 1}
    assert Inspection.from_json(json.dumps(values)).image == "part.jpg"


def test_saved_maps(tmp_path: Path) -> None:
    found = inspection()
    found.save_map(tmp_path / "new" / "map.png")
    with Image.open(tmp_path / "new" / "map.png") as picture:
        assert picture.mode == "I;16"
        assert np.abs(np.asarray(picture) / 65535 - found.anomaly_map).max() < 1e-5
    found.save_map(tmp_path / "map.npy")
    assert np.array_equal(np.load(tmp_path / "map.npy"), found.anomaly_map)
    found.save_map(tmp_path / "map.tif")
    with Image.open(tmp_path / "map.tif") as picture:
        assert np.array_equal(np.asarray(picture), found.anomaly_map)
    with pytest.raises(OutputError, match=r"\.png, \.npy or \.tif"):
        found.save_map(tmp_path / "map.jpg")


# --- the page --------------------------------------------------------------------------------


def test_the_documented_example_is_what_the_code_writes() -> None:
    example, documented_map = (
        json.loads(block)
        for block in re.findall(r"```json\n(.*?)```", DOCS.read_text("utf-8"), re.S)
    )
    written = inspection().to_dict(include_map=True)
    assert list(example) == list(written)
    for key in ("image_size", "geometry"):
        assert list(example[key]) == list(written[key])
    assert list(example["geometry"]["content_box"]) == list(written["geometry"]["content_box"])
    assert list(example["regions"][0]) == list(written["regions"][0])
    assert list(example["regions"][0]) == [field.name for field in dataclasses.fields(Region)]
    assert list(documented_map) == list(written["map"])
    assert Inspection.from_json(json.dumps(example)).to_dict() == example


def test_the_page_explains_every_key() -> None:
    text = DOCS.read_text("utf-8")
    written = inspection().to_dict()
    for key in [*written, *written["regions"][0]]:
        assert f"| `{key}` |" in text
    for place in LOCATIONS:
        assert f"`{place}`" in text
