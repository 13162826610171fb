"""Evidence marks the regions and nothing else, on pictures of any shape and in words."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from anomalygpt.constants import LOCATIONS
from anomalygpt.errors import ConfigError, ImageError, MissingPartError
from anomalygpt.images.preprocessing import ImageGeometry
from anomalygpt.results.highlights import (
    NOTATIONS,
    PICTURES,
    highlighted,
    in_words,
    inspection_of_mask,
)
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.regions import find_regions
from simulation import Defect
from simulation.dialogues import facts_of

ON_PHOTO = ("bbox", "contour", "highlight")
SHAPES = [(16, 1), (1, 16), (20, 20), (40, 2000), (1500, 60), (300, 400)]
COLD = (68, 1, 84)


def noise(height: int, width: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def finding(
    height: int, width: int, *spots: tuple[float, float, float], **changes: Any
) -> Inspection:
    """A spot for each (x, y, peak), x and y in shares of the photo."""
    rows, columns = (np.mgrid[:56, :56] + 0.5) / 56
    anomaly_map = np.full((56, 56), 0.1, np.float32)
    for x, y, peak in spots:
        distance = (columns - x) ** 2 + (rows - y) ** 2
        anomaly_map = np.maximum(anomaly_map, peak * np.exp(-distance / 0.005))
    geometry = ImageGeometry.fit((height, width), 224, "square")
    given = {"regions": find_regions(anomaly_map, geometry), **changes}
    return Inspection(geometry=geometry, anomaly_score=0.5, small_map=anomaly_map, **given)


def two(height: int = 300, width: int = 400, **changes: Any) -> Inspection:
    """The stronger spot in the left, the weaker in the bottom right."""
    return finding(height, width, (0.2, 0.5, 1.0), (0.8, 0.8, 0.8), **changes)


def changed(photo: Image.Image, drawn: Image.Image) -> np.ndarray:
    assert drawn.mode == "RGB"
    assert drawn.size == photo.size
    return (np.asarray(photo) != np.asarray(drawn)).any(axis=-1)


def grown_boxes(inspection: Inspection, margin: int) -> np.ndarray:
    inside = np.zeros(inspection.image_size, bool)
    for region in inspection.regions:
        x0, y0, x1, y1 = region.bbox
        inside[max(0, y0 - margin) : y1 + margin, max(0, x0 - margin) : x1 + margin] = True
    return inside


# --- good parts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_a_good_photo_stays_as_it_is(shape: tuple[int, int]) -> None:
    photo, nothing = noise(*shape), finding(*shape)
    for notation in ON_PHOTO:
        assert not changed(photo, highlighted(photo, nothing, notation, max_side=2000)).any()
    assert not np.asarray(highlighted(photo, nothing, "mask")).any()
    assert (np.asarray(highlighted(photo, nothing, "heatmap")) == COLD).all()
    assert "Nothing stands out." in in_words(nothing)


def test_the_verdict_decides_not_the_map() -> None:
    """Who calls a part good names no regions, however high the map is."""
    photo, good = noise(300, 400), two(regions=(), is_anomalous=False)
    for notation in ON_PHOTO:
        assert not changed(photo, highlighted(photo, good, notation)).any()
    assert (np.asarray(highlighted(photo, good, "heatmap")) == COLD).all()


def test_larger_photos_are_scaled_down() -> None:
    photo, nothing = noise(300, 900), finding(300, 900)
    small = photo.resize((90, 30), Image.Resampling.LANCZOS)
    for notation in PICTURES:
        drawn = highlighted(photo, nothing, notation, max_side=90)
        assert drawn.size == (90, 30)
        if notation in ON_PHOTO:
            assert not changed(small, drawn).any()


# --- marks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if min(shape) < 96])
@pytest.mark.parametrize("notation", ON_PHOTO)
def test_marks_lie_at_the_regions(shape: tuple[int, int], notation: str) -> None:
    """On pictures too small for numbers there is nothing else."""
    photo, found = noise(*shape), two(*shape)
    assert found.regions
    marks = changed(photo, highlighted(photo, found, notation, max_side=2000))
    reach = 3 * max(1, round(max(shape) / 300))
    assert not (marks & ~grown_boxes(found, 0 if notation == "highlight" else reach)).any()
    if notation == "highlight" or min(shape) > 16:
        assert marks.any()


@pytest.mark.parametrize("notation", ["bbox", "contour"])
def test_lines_leave_the_damage_as_it_is(notation: str) -> None:
    photo, found = noise(90, 400), two(90, 400)
    marks = changed(photo, highlighted(photo, found, notation))
    assert marks.any()
    assert not (marks & found.mask()).any()


def test_filled_notations_cover_the_regions_alone() -> None:
    photo, found = noise(90, 400), two(90, 400)
    damaged = found.mask()
    mask = np.asarray(highlighted(photo, found, "mask"))
    assert set(np.unique(mask)) == {0, 255}
    assert np.array_equal(mask[..., 0] > 0, damaged)
    heat = np.asarray(highlighted(photo, found, "heatmap"))
    assert np.array_equal((heat != COLD).any(axis=-1), damaged)
    assert np.array_equal(changed(photo, highlighted(photo, found, "highlight")), damaged)


def test_only_regions_count_not_all_that_is_above_the_level() -> None:
    both = two(90, 400)
    first = replace(both, regions=both.regions[:1])
    mask = np.asarray(highlighted(noise(90, 400), first, "mask"))[..., 0] > 0
    assert mask[:, :200].any()
    assert not mask[:, 200:].any()


def test_a_rim_does_not_cover_what_it_encloses() -> None:
    rows, columns = np.mgrid[:60, :80]
    distance = np.hypot(rows - 30, columns - 40)
    rim = (distance > 14) & (distance < 20)
    mask = highlighted(noise(60, 80), inspection_of_mask(rim), "mask")
    assert np.array_equal(np.asarray(mask)[..., 0] > 0, rim)


def test_heat_means_the_same_on_every_photo() -> None:
    photo = noise(90, 400)
    weak = finding(90, 400, (0.2, 0.5, 0.6))
    strong = np.asarray(highlighted(photo, two(90, 400), "heatmap")).astype(int)
    faint = np.asarray(highlighted(photo, weak, "heatmap")).astype(int)
    # Viridis ends in yellow, and has little red half way.
    assert strong[..., 0].max() > 200
    assert faint[..., 0].max() < 100


def test_published_distances_are_seen_over_their_own_range() -> None:
    small = 0.02 * two(90, 400).small_map  # type: ignore[operator]
    geometry = ImageGeometry.fit((90, 400), 224, "square")
    published = Inspection(
        geometry=geometry,
        anomaly_score=0.02,
        small_map=small,
        regions=find_regions(small, geometry, 0.011),
        level=0.011,
        formulation="published",
        references=["good.png"],
    )
    heat = np.asarray(highlighted(noise(90, 400), published, "heatmap"))
    assert heat[..., 0].max() > 200


def label(drawn: Image.Image, number: int, found: Inspection) -> np.ndarray:
    """What stands above the corner of a region's box."""
    x0, y0, _, _ = found.regions[number].bbox
    return np.asarray(drawn)[y0 - 30 : y0 - 1, x0 - 10 : x0 + 20]


@pytest.mark.parametrize("notation", ["mask", "heatmap"])
def test_regions_bear_their_numbers(notation: str) -> None:
    photo, found = noise(300, 400), two()
    turned = replace(found, regions=found.regions[::-1])
    straight, swapped = (highlighted(photo, each, notation) for each in (found, turned))
    first, second = label(straight, 0, found), label(straight, 1, found)
    assert (first != second).any()
    # The number goes with the order, not with the place.
    assert np.array_equal(label(swapped, 1, turned), second)
    assert np.array_equal(label(swapped, 0, turned), first)


@pytest.mark.parametrize("notation", ON_PHOTO)
def test_numbers_on_the_photo(notation: str) -> None:
    photo, found = noise(300, 400), two()
    straight = highlighted(photo, found, notation)
    swapped = highlighted(photo, replace(found, regions=found.regions[::-1]), notation)
    differing = np.argwhere(changed(straight, swapped))
    assert len(differing)
    for y, x in differing:
        assert any(
            abs(x - region.bbox[0]) < 30 and -35 < y - region.bbox[1] < 1
            for region in found.regions
        )


# --- without a map, and what is refused ----------------------------------------------------------


def test_results_read_from_json_have_outlines() -> None:
    photo, whole = noise(300, 400), two()
    found = Inspection.from_json(whole.to_json())
    assert found.small_map is None
    drawn = np.asarray(highlighted(photo, found, "mask"))
    wanted = np.asarray(highlighted(photo, whole, "mask"))
    assert (drawn != wanted).any(axis=-1).mean() < 0.02
    for notation in ON_PHOTO:
        assert changed(photo, highlighted(photo, found, notation)).any()
    assert in_words(found) == in_words(whole)
    with pytest.raises(MissingPartError, match="carries no map"):
        highlighted(photo, found, "heatmap")


def test_what_is_no_picture_of_this_photo() -> None:
    photo, found = noise(300, 400), two()
    with pytest.raises(ConfigError, match="got 'words'; in_words says them"):
        highlighted(photo, found, "words")
    with pytest.raises(ConfigError, match="bbox, contour, highlight, mask, heatmap, got 'boxes'"):
        highlighted(photo, found, "boxes")
    with pytest.raises(ImageError, match="give the photo that was inspected"):
        highlighted(noise(400, 300), found, "bbox")
    with pytest.raises(ConfigError, match="at least 1 pixel"):
        highlighted(photo, found, "bbox", max_side=0)
    with pytest.raises(ConfigError, match="shape"):
        inspection_of_mask(np.ones(4))
    assert list(NOTATIONS) == [*PICTURES, "words"]


# --- words ---------------------------------------------------------------------------------------

REGION = re.compile(
    r"^(?P<number>\d+)\. x (?P<x0>\d+) to (?P<x1>\d+), y (?P<y0>\d+) to (?P<y1>\d+); place in the "
    r"3x3 grid: (?P<place>[a-z ]+)(?:, reaching into (?P<others>[a-z ,]+))?; "
    r"(?P<share>[\d.]+ %|under 0.1 %) of the photo; score (?P<score>[\d.]+) of 1\.$",
    re.MULTILINE,
)


def test_words_say_what_was_found() -> None:
    found = two(
        is_anomalous=True,
        anomaly_probability=0.97,
        references=["a.png", "b.png", "c.png"],
        cautions=["Look out."],
    )
    text = in_words(found)
    assert text.startswith("The photo is 400 pixels wide and 300 pixels high")
    assert "Verdict: something is wrong, probability of an anomaly 0.97 (quite sure)." in text
    assert "2 regions stand out (map above 0.50 of 1), the strongest first:" in text
    said = list(REGION.finditer(text))
    assert [each["number"] for each in said] == ["1", "2"]
    for each, region in zip(said, found.regions, strict=True):
        assert tuple(int(each[edge]) for edge in ("x0", "y0", "x1", "y1")) == region.bbox
        assert each["place"] == region.location
        assert float(each["score"]) == pytest.approx(region.score, abs=0.006)
        share = float(each["share"].removesuffix(" %"))
        assert share == pytest.approx(100 * region.area_fraction, abs=0.06)
    assert text.endswith("Look out.")


def test_words_say_nothing_that_nobody_knows() -> None:
    map_only = in_words(two())
    assert "Verdict" not in map_only
    assert "probability" not in map_only
    assert "sure" not in map_only
    certain = in_words(inspection_of_mask(np.eye(64)))
    assert "Verdict: something is wrong." in certain
    assert "probability" not in certain
    good = in_words(two(regions=(), is_anomalous=False, anomaly_probability=0.02))
    assert "Verdict: a good part, probability of an anomaly 0.02." in good
    assert "Nothing stands out." in good
    assert "region" not in good


def test_one_region_and_as_many_as_are_kept() -> None:
    assert "\n1 region stands out (map" in in_words(finding(300, 400, (0.2, 0.5, 1.0)))
    assert "may be weaker" not in in_words(two())
    dots = np.zeros((300, 400), bool)
    dots[20:290:50, 20:390:50] = True
    text = in_words(inspection_of_mask(cv2.dilate(dots.astype(np.uint8), np.ones((9, 9)))))
    assert "10 regions stand out (map above 0.50 of 1), the strongest first; there may be" in text


# --- true masks ----------------------------------------------------------------------------------


def made_masks(count: int, seed: int) -> Iterator[np.ndarray]:
    """One to three blots, scratches or blocks on photos of any shape."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        height, width = (int(side) for side in generator.integers(60, 900, 2))
        mask = np.zeros((height, width), np.uint8)
        for _ in range(generator.integers(1, 4)):
            x, y = int(generator.integers(width)), int(generator.integers(height))
            across, down = (
                int(generator.integers(3, max(4, side // 4))) for side in (width, height)
            )
            kind = generator.integers(3)
            if kind == 0:
                cv2.ellipse(
                    mask, (x, y), (across, down), int(generator.integers(180)), 0, 360, 1, -1
                )
            elif kind == 1:
                cv2.line(mask, (x, y), (x + across, y - down), 1, int(generator.integers(1, 5)))
            else:
                cv2.rectangle(mask, (x, y), (x + across, y + down), 1, -1)
        yield mask > 0


def true_places(mask: np.ndarray) -> list[tuple[str, frozenset[str]]]:
    """Of each part: the cell that holds most of it, and all that it reaches."""
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    defects = [Defect.from_mask(parts == number) for number in range(1, count)]
    facts = facts_of(defects, (mask.shape[0], mask.shape[1]))
    return sorted((each.place, frozenset(each.cells)) for each in facts.defects)


def said_places(text: str) -> list[tuple[str, frozenset[str]]]:
    found = []
    for each in REGION.finditer(text):
        others = each["others"].split(", ") if each["others"] else []
        assert {each["place"], *others} <= set(LOCATIONS)
        found.append((each["place"], frozenset([each["place"], *others])))
    return sorted(found)


def test_with_a_true_mask_the_words_name_its_places() -> None:
    right = places = 0
    for mask in made_masks(200, seed=0):
        said, true = said_places(in_words(inspection_of_mask(mask))), true_places(mask)
        right += said == true
        places += [place for place, _ in said] == [place for place, _ in true]
    assert right >= 190
    assert places >= 196


def test_with_a_true_mask_every_picture_shows_its_places() -> None:
    """Read off the marks: the cells of what is white, warm, tinted or enclosed."""
    right = dict.fromkeys(PICTURES, 0)
    for mask in made_masks(40, seed=1):
        photo = Image.new("RGB", mask.shape[::-1], (90, 90, 90))
        found = inspection_of_mask(mask)
        true = {cell for _, cells in true_places(mask) for cell in cells}
        for notation in PICTURES:
            seen = marked(np.asarray(highlighted(photo, found, notation)), notation)
            shown = {cell for _, cells in true_places(seen) for cell in cells}
            # Boxes enclose more than the damage, and lines have a margin.
            right[notation] += shown >= true if notation in ("bbox", "contour") else shown == true
    assert min(right.values()) >= 38, right


def marked(drawn: np.ndarray, notation: str) -> np.ndarray:
    """(H, W) bool: the pixels that a notation marks, without lines and numbers."""
    if notation == "mask":
        return (drawn == 255).all(axis=-1)
    if notation == "heatmap":
        return (drawn == (253, 231, 37)).all(axis=-1)
    if notation == "highlight":
        return (drawn == (156, 54, 54)).all(axis=-1)
    # Lines part what they enclose from the rest of the photo, its largest piece.
    grey = (drawn == 90).all(axis=-1)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(grey.astype(np.uint8), connectivity=4)
    return grey & (pieces != 1 + stats[1:, cv2.CC_STAT_AREA].argmax())


def test_thin_damage_on_a_large_photo_stays() -> None:
    mask = np.zeros((2000, 3000), np.uint8)
    mask[500, 200:900] = 255
    text = in_words(inspection_of_mask(np.dstack([mask] * 3), image="large.png"))
    (place,) = said_places(text)
    assert place[0] == "top left"
    assert "Nothing" in in_words(inspection_of_mask(np.zeros((2000, 3000))))
