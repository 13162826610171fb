"""Settings of a run: what is refused, and what a resumed run may change."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from anomalygpt.errors import ConfigError
from anomalygpt.training import TrainingArguments
from anomalygpt.training.arguments import ARGUMENTS_FILE

WRONG = [
    *((name, value) for name in ("batch_size", "micro_batch_size", "text_width", "rotations",
      "max_tokens", "validate_every", "save_every", "log_every") for value in (0, -1)),
    *((name, -1) for name in ("workers", "cache_mb", "seed", "validation_rows")),
    *((name, value) for name in ("weight_decay", "ce_weight", "focal_weight", "dice_weight")
      for value in (-0.1, math.nan, math.inf)),
    *((name, value) for name in ("epochs", "learning_rate", "clip")
      for value in (0, -1.0, math.nan, math.inf)),
    *((name, value) for name in ("warmup", "reference_share", "validation_share")
      for value in (-0.1, 1.1, math.nan)),
    ("validation_share", 1.0),
    *(("shots", value) for value in ((), (0,), (1, -1))),
    ("max_steps", 0),
    *(("detail", value) for value in (0, 9, "close")),
    *((name, "other") for name in ("ablation", "dialogues", "mixed_precision", "template")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_setting_is_named_with_its_value(training_arguments, name, value):
    with pytest.raises(ConfigError, match=rf"\b{name}\b") as caught:
        training_arguments(**{name: value})
    assert str(value) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 1),
        ("workers", 0),
        ("warmup", 0),
        ("warmup", 1),
        ("reference_share", 0.0),
        ("reference_share", 1.0),
        ("validation_share", 0.0),
        ("weight_decay", 0.0),
        ("max_steps", 1),
        ("epochs", 0.01),
    ],
)
def test_the_ends_of_a_range_are_allowed(training_arguments, name, value):
    assert getattr(training_arguments(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": None}, "--encoder NAME"),
        ({"encoder": "vit", "model": "folder"}, "give one of them"),
        ({"language_model": "folder"}, "leave out"),
        ({"encoder_weights": "file"}, "leave out"),
        ({"encoder": "vit"}, "--language-model"),
        ({"instructions": "folder", "ablation": "no-prompt-learner"}, "--instructions"),
        ({"instructions": "folder", "ablation": "decoder-only"}, "--instructions"),
    ],
)
def test_starts_that_do_not_fit(training_arguments, changes, words):
    with pytest.raises(ConfigError, match=words):
        training_arguments(**changes)


def test_starts_that_fit(training_arguments):
    assert training_arguments(encoder="vit", ablation="decoder-only").model is None
    assert training_arguments(encoder="vit", language_model="folder").model is None
    assert training_arguments(instructions="folder", ablation="lora").instructions == "folder"


def test_what_is_saved_makes_the_same_again(training_arguments, tmp_path):
    arguments = training_arguments(
        shots=[1, 2], categories=["disc"], encoder_options={"size": [1, 2]}, max_steps=3
    )
    assert (arguments.shots, arguments.categories) == ((1, 2), ("disc",))
    arguments.save(tmp_path)
    values = json.loads((tmp_path / ARGUMENTS_FILE).read_text(encoding="utf-8"))
    assert TrainingArguments(**values) == arguments


# Another allowed value for each kind of value that the settings have.
OTHER: dict[str, object] = {
    "rotations": 3,
    "detail": 2,
    "bit_depth": 12,
    "data": "elsewhere",
    "layout": "visa",
    "categories": ("disc",),
    "instructions": "folder",
    "model": "another",
    "encoder_options": {"depth": 4},
    "template": "chat",
    "prompt_channels": (4, 8, 8, 8, 8),
    "ablation": "lora",
    "max_steps": 7,
    "shots": (1, 2),
    "dialogues": "rich",
    "mixed_precision": "bf16",
}
# Beside a model they are refused.
BESIDE_ENCODER = {"encoder", "encoder_weights", "language_model"}
FREE = {
    "output", "micro_batch_size", "gradient_checkpointing", "validate_every", "save_every",
    "log_every", "workers", "cache_mb", "cpu",
}  # fmt: skip


def _other(name: str, value: object) -> object:
    if name in OTHER:
        return OTHER[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, float):
        return value / 2
    return value + 1 if isinstance(value, int) else f"{value}-other"


def test_a_layout_that_was_found_out_is_the_layout_that_was_named(training_arguments, tmp_path):
    training_arguments(layout="mvtec").save(tmp_path)
    training_arguments(layout="auto").check_resumable(tmp_path)
    with pytest.raises(ConfigError, match="layout="):
        training_arguments(layout="visa").check_resumable(tmp_path)


@pytest.mark.parametrize("channels", [(3,), (0, 0, 0, 0, 0)])
def test_prompt_channels_are_five_counts(training_arguments, channels):
    with pytest.raises(ConfigError, match="five positive"):
        training_arguments(prompt_channels=channels)


@pytest.mark.parametrize(
    "name",
    [f.name for f in dataclasses.fields(TrainingArguments) if f.name not in BESIDE_ENCODER],
)
def test_a_resumed_run_keeps_what_decides_the_weights(training_arguments, tmp_path, name):
    folder = tmp_path / "run" / "checkpoints" / "step-00000001"
    folder.mkdir(parents=True)
    former = training_arguments(layout="mvtec")
    former.save(folder)
    former.check_resumable(folder)
    now = training_arguments(**{"layout": "mvtec", name: _other(name, getattr(former, name))})
    assert now != former
    if name in FREE:
        now.check_resumable(folder)
        return
    with pytest.raises(ConfigError, match=rf"\b{name}=") as caught:
        now.check_resumable(folder)
    assert str(tmp_path / "run") in str(caught.value)


@pytest.mark.parametrize("content", [None, "", "{", "7"])
def test_settings_that_cannot_be_read(training_arguments, tmp_path, content):
    if content is not None:
        (tmp_path / ARGUMENTS_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=ARGUMENTS_FILE):
        training_arguments().check_resumable(tmp_path)
