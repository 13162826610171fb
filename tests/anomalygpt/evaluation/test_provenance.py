"""Where figures come from."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from anomalygpt import AnomalyGPT
from anomalygpt.evaluation.provenance import (
    latency_ms,
    machine,
    model_hash,
    peak_memory_mb,
    versions,
)


@pytest.mark.parametrize("lora", [False, True])
def test_any_single_weight_changes_the_hash(build_assistant, lora: bool) -> None:
    assistant = build_assistant(lora=lora)
    before = model_hash(assistant)
    weights = {**assistant.state_dict(), **assistant.language_model.model.state_dict()}
    assert len(weights) > 50
    chance = np.random.default_rng(0)
    for name, weight in weights.items():
        flat = weight.data.view(-1)
        place = int(chance.integers(len(flat)))
        kept = flat[place].clone()
        flat[place] += 1
        assert model_hash(assistant) != before, name
        flat[place] = kept
    assert model_hash(assistant) == before


def test_the_same_weights_have_the_same_hash(build_assistant, assistant, assistant_folder) -> None:
    assert model_hash(build_assistant()) == model_hash(assistant)
    assert model_hash(AnomalyGPT.from_pretrained(assistant_folder)) == model_hash(assistant)
    assert len(model_hash(assistant)) == 64


def test_number_formats_have_hashes_of_their_own(build_assistant) -> None:
    found = {
        model_hash(build_assistant(words=False).to(dtype))
        for dtype in (torch.float32, torch.bfloat16, torch.float16)
    }
    assert len(found) == 3


def test_latency_weighs_batches_by_their_photos() -> None:
    found = latency_ms({"encode": [(3, 0.3), (1, 0.9)]})["encode"]
    assert found == {
        "median": pytest.approx(100.0),
        "p95": pytest.approx(np.quantile([100, 100, 100, 900], 0.95)),
        "photos": 4,
        "seconds": pytest.approx(1.2),
    }
    assert latency_ms({}) == {}


def test_all_of_it_is_strict_json() -> None:
    told = [versions(), machine(torch.device("cpu")), peak_memory_mb(torch.device("cpu"))]
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert {"python", "torch", "anomalygpt"} <= told[0].keys()
    assert told[2]["process"] > 10
    assert told[2]["gpu"] is None
