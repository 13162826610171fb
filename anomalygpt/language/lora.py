"""LoRA on the language model, through peft, with the names of the published PandaGPT weights."""

from __future__ import annotations

import json
import pickle
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from anomalygpt.errors import CheckpointError, ConfigError, MissingPartError, SourceError

# peft takes a second to load, and most models have no LoRA.
if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel

PUBLISHED_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")


def add_lora(model: nn.Module, r: int, alpha: int, targets: Sequence[str]) -> PeftModel:
    """Wrap a causal language model; a new LoRA changes nothing until weights are loaded.

    Raises:
        ConfigError: `r` or `alpha` is not positive, or the model has none of the targets.
    """
    from peft import LoraConfig

    if r < 1 or alpha < 1:
        raise ConfigError(f"LoRA needs a positive rank and alpha, got r={r} and alpha={alpha}")
    config = LoraConfig(
        r=r,
        lora_alpha=alpha,
        target_modules=list(targets),
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
    return _wrap(model, config)


def load_lora_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy LoRA weights by name; every weight must be there, and nothing else.

    Args:
        model: what `add_lora` returned.
        state: names as in `model.named_parameters()`, or as peft saves them (without
            ".default").

    Raises:
        MissingPartError: the model has no LoRA.
        CheckpointError: keys are missing, unknown or of another shape; the first are named.
    """
    expected = {name: weight for name, weight in model.named_parameters() if "lora_" in name}
    if not expected:
        raise MissingPartError("the language model has no LoRA; call add_lora first")
    given = {_parameter_name(key): value for key, value in state.items()}
    faults = {
        "missing": [name for name in expected if name not in given],
        "unexpected": [name for name in given if name not in expected],
        "of another shape": [
            f"{name} {tuple(given[name].shape)} instead of {tuple(weight.shape)}"
            for name, weight in expected.items()
            if name in given and given[name].shape != weight.shape
        ],
    }
    raise_for_keys("the LoRA weights do not fit this language model", faults)
    with torch.no_grad():
        for name, weight in expected.items():
            weight.copy_(given[name])


def load_adapter(model: nn.Module, folder: Path) -> PeftModel:
    """Wrap the model with the LoRA that peft saved in `folder`.

    Raises:
        SourceError: the folder, its adapter_config.json or its weights are not there.
        ConfigError: the adapter is not a LoRA.
        CheckpointError: the weights are damaged or fit another model.
    """
    from peft import LoraConfig, PeftConfig

    weights = [folder / name for name in ADAPTER_WEIGHTS if (folder / name).is_file()]
    if not (folder / ADAPTER_CONFIG).is_file() or not weights:
        raise SourceError(
            f"no adapter in {folder}; put {ADAPTER_CONFIG} and {ADAPTER_WEIGHTS[0]} there, as "
            "peft's save_pretrained writes them"
        )
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{folder / ADAPTER_CONFIG} cannot be used: {error}") from error
    if not isinstance(config, LoraConfig):
        raise ConfigError(f"{folder} holds a {config.peft_type} adapter; only LoRA is supported")
    state = _read_weights(weights[0])
    # Where the base once lay says nothing here, and peft warns when it lies elsewhere now.
    config.base_model_name_or_path = None
    wrapped = _wrap(model, config)
    load_lora_state(wrapped, state)
    return wrapped


def save_adapter(model: Any, folder: Path) -> None:
    """Write the LoRA as `load_adapter` reads it, without paths of this machine."""
    model.save_pretrained(folder)
    path = folder / ADAPTER_CONFIG
    config = json.loads(path.read_text(encoding="utf-8")) | {"base_model_name_or_path": None}
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    # peft's empty model card names the folder that the base was loaded from.
    (folder / "README.md").unlink(missing_ok=True)


def merge(model: nn.Module) -> nn.Module:
    """Add the LoRA to the weights it belongs to and drop the wrapper.

    Raises:
        MissingPartError: the model has no LoRA.
    """
    if not has_adapter(model):
        raise MissingPartError("the language model has no LoRA to merge; call add_lora first")
    wrapped: Any = model
    return wrapped.merge_and_unload()


def has_adapter(model: nn.Module) -> bool:
    """Whether the model is wrapped by a LoRA."""
    peft = sys.modules.get("peft")  # what nobody has loaded has wrapped nothing
    return peft is not None and isinstance(model, peft.PeftModel)


def base_state(model: nn.Module) -> dict[str, Any]:
    """The weights of a wrapped model as they are called without the LoRA."""
    return {
        name.replace(".base_layer.", "."): value
        for name, value in model.state_dict().items()
        if ".lora_" not in name
    }


def raise_for_keys(sentence: str, faults: Mapping[str, Iterable[str]]) -> None:
    """Raise a CheckpointError that names the first keys of every kind of fault, if any."""
    shown = []
    for kind, keys in faults.items():
        names = sorted(keys)
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            shown.append(f"{kind}: {', '.join(names[:3])}{more}")
    if shown:
        raise CheckpointError(f"{sentence}; {'; '.join(shown)}")


def _wrap(model: nn.Module, config: LoraConfig) -> PeftModel:
    from peft import get_peft_model

    if has_adapter(model):
        raise ConfigError("the language model has a LoRA already; call merge_lora first")
    try:
        with warnings.catch_warnings():
            # peft asks transformers by a name that has a new one; nothing that users could mend.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            # Kept in the model's own number format: these weights are read, not trained.
            return get_peft_model(model, config, autocast_adapter_dtype=False)
    except ValueError as error:
        raise ConfigError(
            f"LoRA cannot be added to {sorted(config.target_modules or ())}: {error}"
        ) from error


def _parameter_name(key: str) -> str:
    for part in ("lora_A", "lora_B"):
        key = key.replace(f".{part}.weight", f".{part}.default.weight")
    return key


def _read_weights(path: Path) -> dict[str, Any]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}; copy the file again") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds a {type(state).__name__}, not a table of weights")
    return state
