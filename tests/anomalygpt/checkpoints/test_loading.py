from __future__ import annotations

import pytest
import torch
from torch import nn

from anomalygpt.checkpoints import load_module, save_module
from anomalygpt.errors import CheckpointError, SourceError


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.register_buffer("count", torch.zeros((), dtype=torch.long))
        self.register_buffer("grid", torch.full((2,), 7.0), persistent=False)


def state(dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    return {
        "fc.weight": torch.rand(2, 3).to(dtype),
        "fc.bias": torch.rand(2).to(dtype),
        "count": torch.tensor(5),
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "small.safetensors"


@pytest.mark.parametrize("ending", ["pth", "pt", "bin", "safetensors"])
def test_a_half_precision_file_takes_the_format_of_the_module(tmp_path, ending):
    values, module = state(torch.float16), Small()
    file = tmp_path / f"small.{ending}"
    if ending == "safetensors":
        save_module(values, file)
    else:
        torch.save(values, file)
    report = load_module(module, file)
    assert sorted(report.loaded) == ["count", "fc.bias", "fc.weight"]
    assert module.fc.weight.dtype == torch.float32
    assert torch.equal(module.fc.weight, values["fc.weight"].float())
    assert module.count == 5
    assert module.grid.tolist() == [7.0, 7.0]


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_a_module_on_the_meta_device_is_filled(path, dtype):
    values = state()
    save_module(values, path)
    with torch.device("meta"):
        module = Small()
    module.fc.bias.requires_grad_(False)
    load_module(module, path, dtype=dtype)
    assert {p.device.type for p in module.parameters()} == {"cpu"}
    assert module.fc.weight.dtype == (dtype or torch.float32)
    assert isinstance(module.fc.weight, nn.Parameter)
    assert module.fc.weight.requires_grad
    assert not module.fc.bias.requires_grad
    assert module.count.dtype == torch.long
    assert torch.equal(module.fc.weight, values["fc.weight"].to(dtype or torch.float32))


def test_another_format_on_a_real_module(path):
    save_module(state(), path)
    module = Small()
    load_module(module, path, dtype=torch.float16)
    assert module.fc.weight.dtype == torch.float16


@pytest.mark.parametrize("as_mapping", [True, False])
def test_renaming_and_skipping(path, as_mapping):
    values = {"linear." + n[3:] if n.startswith("fc") else n: v for n, v in state().items()}
    save_module({**values, "old.x": torch.zeros(1)}, path)
    table = {"linear.weight": "fc.weight", "linear.bias": "fc.bias"}
    report = load_module(
        Small(),
        path,
        rename=table if as_mapping else lambda name: name.replace("linear", "fc"),
        skip=lambda name: "an old part" if name.startswith("old.") else None,
    )
    assert report.ok
    assert report.skipped == {"old.x": "an old part"}


def test_two_names_for_one_are_refused(path):
    save_module({**state(), "x": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"both fc\.bias"):
        load_module(Small(), path, rename={"x": "fc.bias"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc.bias": None}, r"1 missing \(fc\.bias\)"),
        ({"fc.bias": torch.ones(3)}, r"fc\.bias needs \(2,\), has \(3,\)"),
        ({"more": torch.ones(3)}, r"1 unknown \(more\)"),
        ({"count": torch.tensor(0.5)}, "count holds torch.float32"),
    ],
)
def test_wrong_files_change_nothing(path, change, message):
    values = {name: v for name, v in (state() | change).items() if v is not None}
    save_module(values, path)
    module = Small()
    before = {name: v.clone() for name, v in module.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        load_module(module, path)
    assert all(torch.equal(v, before[name]) for name, v in module.state_dict().items())


def test_unknown_names_can_be_allowed(path):
    save_module({**state(), "more": torch.ones(3)}, path)
    report = load_module(Small(), path, allow_unknown=True)
    assert report.unexpected == ["more"]


def test_a_missing_file_is_a_source_error(path):
    with pytest.raises(SourceError, match="does not exist"):
        load_module(Small(), path)
