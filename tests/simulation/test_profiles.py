"""The published settings, found by any spelling, and bounds that make sense."""

import re

import pytest

from simulation import SimulationProfile, profile_for

MVTEC = (
    "bottle cable capsule carpet grid hazelnut leather metal_nut pill screw tile toothbrush "
    "transistor wood zipper"
)
VISA = "candle capsules cashew chewinggum fryum macaroni1 macaroni2 pcb1 pcb2 pcb3 pcb4 pipe_fryum"


@pytest.mark.parametrize("category", MVTEC.split() + VISA.split())
def test_every_category_has_published_settings(category: str) -> None:
    profile = profile_for(category)
    assert profile is not profile_for(None)
    assert profile.max_patches == 2
    assert profile.min_overlap == 0.25
    assert profile.size_gamma == (0.03, 2.0, 0.05)


def test_some_values_by_name() -> None:
    assert profile_for("bottle").background == ((200, 60),)
    assert profile_for("hazelnut").background == ((20, 20),)
    assert profile_for("carpet").background == ()
    assert profile_for("carpet").resize_bounds == (0.5, 2)
    assert profile_for("screw").width_bounds == (0.03, 0.12)
    assert (profile_for("screw").sharpness, profile_for("screw").midpoint) == (1, 3)
    # Rows come first: a capsule lies, so its patches are low and may be wide.
    assert profile_for("capsule").height_bounds == (0.03, 0.15)
    assert profile_for("capsule").width_bounds == (0.03, 0.4)
    assert profile_for("pcb1").background is None


@pytest.mark.parametrize("spelling", ["metal_nut", "Metal Nut", "METAL-NUT", "metalnut"])
def test_names_are_found_however_they_are_written(spelling: str) -> None:
    assert profile_for(spelling) is profile_for("metal_nut")


@pytest.mark.parametrize("unknown", [None, "", "gearbox", "bottles"])
def test_the_default_looks_for_the_part_itself(unknown: str | None) -> None:
    assert profile_for(unknown) == SimulationProfile()
    assert profile_for(unknown).background is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("height_bounds", (0.0, 0.4)),
        ("width_bounds", (0.5, 0.4)),
        ("width_bounds", (0.5, 1.4)),
        ("size_gamma", (0.03, 0.0, 0.05)),
        ("resize_bounds", (1.3, 0.7)),
        ("background", ((300.0, 20.0),)),
        ("min_object", 1.5),
        ("min_overlap", float("nan")),
        ("ellipse_share", -0.1),
        ("sharpness", 0.0),
        ("midpoint", float("inf")),
        ("max_patches", 0),
        ("blends", ()),
        ("blends", ("normal", "swap")),
    ],
)
def test_bounds_that_make_no_sense_are_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name) as error:
        SimulationProfile(**{name: value})  # type: ignore[arg-type]
    assert re.search(re.escape(str(value)), str(error.value))
