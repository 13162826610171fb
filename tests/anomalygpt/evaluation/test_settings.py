"""Settings of an evaluation, and the options of the command line that make them."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from anomalygpt.cli.evaluate import add_arguments, settings_of
from anomalygpt.errors import ConfigError
from anomalygpt.evaluation.settings import EvaluationSettings


def parsed(*arguments: str) -> EvaluationSettings:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return settings_of(parser.parse_args(["data", "--output", "out", *arguments]))


def test_the_command_line_has_the_same_defaults() -> None:
    assert parsed() == EvaluationSettings("data")


@pytest.mark.parametrize("field", dataclasses.fields(EvaluationSettings)[1:], ids=lambda f: f.name)
def test_every_setting_is_an_option(field: dataclasses.Field) -> None:
    values: dict[str, Any] = {
        "dataset": "visa",
        "categories": ("a", "b c"),
        "shots": (0, 4),
        "seeds": (7, 3),
        "references": "first",
        "limit": 8,
        "mask_size": 256,
        "maps": ("published", "normalised"),
        "verdicts": ("threshold", "language"),
        "rotations": 4,
        "detail": 3,
        "bit_depth": 12,
        "batch_size": 2,
        "examples": 0,
    }
    names = {"categories": "category", "maps": "map", "verdicts": "verdict"}
    value = values.get(field.name, True)
    flag = "--" + names.get(field.name, field.name).replace("_", "-")
    several = value if isinstance(value, tuple) else (value,)
    words = [] if value is True else map(str, several)
    expected = dataclasses.replace(EvaluationSettings("data"), **{field.name: value})
    assert parsed(flag, *words) == expected
    assert expected != EvaluationSettings("data")


@pytest.mark.parametrize(
    "wrong",
    [
        {"dataset": "imagenet"},
        {"references": "best"},
        {"maps": ("normalised", "raw")},
        {"verdicts": ("oracle",)},
        {"shots": ()},
        {"shots": (1, -1)},
        {"seeds": ()},
        {"seeds": (-1,)},
        {"limit": 0},
        {"mask_size": 0},
        {"rotations": 0},
        {"batch_size": 0},
        {"examples": -1},
    ],
    ids=str,
)
def test_values_that_cannot_be(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=name):
        EvaluationSettings("data", **wrong)


def test_what_is_given_twice_is_measured_once_in_the_order_given() -> None:
    settings = EvaluationSettings(
        "data",
        shots=(4, 1, 4),
        seeds=(1, 0, 1),
        maps=("published",) * 2,
        categories=("b", "a", "b"),
    )
    assert (settings.shots, settings.seeds, settings.maps, settings.categories) == (
        (4, 1), (1, 0), ("published",), ("b", "a"),
    )  # fmt: skip


def test_settings_can_be_written_down() -> None:
    settings = EvaluationSettings(Path("some") / "data", shots=[0, 1])  # type: ignore[arg-type]
    told = json.loads(json.dumps(dataclasses.asdict(settings)))
    assert EvaluationSettings(**told) == settings


def test_single_values_are_one_of_one() -> None:
    given = EvaluationSettings("d", categories="disc", shots=2, seeds=5, verdicts="threshold")
    assert (given.categories, given.shots, given.seeds) == (("disc",), (2,), (5,))
    assert given.verdicts == ("threshold",)


@pytest.mark.parametrize("limit", ["3", 1.5])
def test_numbers_are_whole_numbers(limit) -> None:
    with pytest.raises(ConfigError, match="limit takes whole numbers from 1 on"):
        EvaluationSettings("d", limit=limit)
