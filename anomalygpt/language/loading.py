"""Bringing a Hugging Face language model from a folder or the hub onto a device.

Everything that can go wrong on the way ends in one sentence: files that are not there, weights
that are incomplete or of another model, a device that this machine does not have.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from sentencepiece import SentencePieceProcessor
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import logging as transformers_logging

from anomalygpt.checkpoints.gguf import check_gguf, is_gguf, reading
from anomalygpt.errors import (
    AnomalyGPTError,
    CheckpointError,
    ConfigError,
    DeviceError,
    MissingExtraError,
    SourceError,
)
from anomalygpt.language.lora import raise_for_keys

Quantization = Literal["4bit", "8bit"]

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")
_WEIGHT_FILES = ("*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin")
_TRIAL = "Is there any anomaly in the image? No, there is none at the top left."
_SPACE = "\u2581"  # what SentencePiece writes for a space
_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def quantization_config(
    quantization: Quantization | None, device: torch.device, dtype: torch.dtype
) -> BitsAndBytesConfig | None:
    """The bitsandbytes settings for 4- or 8-bit weights.

    Raises:
        ConfigError: an unknown value.
        DeviceError: the device is not CUDA.
        MissingExtraError: bitsandbytes is not installed.
    """
    if quantization is None:
        return None
    if quantization not in ("4bit", "8bit"):
        raise ConfigError(f"quantization is None, '4bit' or '8bit', got {quantization!r}")
    if device.type != "cuda":
        raise DeviceError(
            f"{quantization} weights need a CUDA device, this is {device}; leave quantization out"
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtraError(
            f"{quantization} weights need bitsandbytes; pip install 'anomalygpt[gpu]'"
        )
    if quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
    )


def check_source(source: str | Path) -> None:
    """Look whether a local folder is complete, or a file is GGUF; a name that may be on the hub
    passes.

    Raises:
        SourceError: the folder or files in it are not there.
        CheckpointError: a file that the index of the weights names is not there, or it is no GGUF.
        MissingExtraError: what reads GGUF is not installed.
    """
    folder = Path(source)
    if is_gguf(source):
        check_gguf(folder)
        return
    if not folder.is_dir():
        if isinstance(source, Path) or folder.exists() or not _HUB_NAME.fullmatch(str(source)):
            raise SourceError(f"no folder {source}; {_what_to_put(source)}")
        return
    absent = [] if (folder / "config.json").is_file() else ["config.json"]
    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        absent.append(" or ".join(_TOKENIZER_FILES))
    if not any(path for pattern in _WEIGHT_FILES for path in folder.glob(pattern)):
        absent.append("model.safetensors")
    if absent:
        raise SourceError(f"{folder} lacks {', '.join(absent)}; {_what_to_put(source)}")
    for index in folder.glob("*.index.json"):
        _check_shards(index)


def load_tokenizer(source: str | Path) -> Any:
    """The tokenizer of a folder, hub name or GGUF file.

    Raises:
        SourceError: it is not there.
        CheckpointError: it cannot be read, or gives other tokens than its own SentencePiece file.
    """
    with plain_errors(source), _opened(source) as (name, options):
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False, **options)
    _check_tokens(tokenizer, Path(source, "tokenizer.model"))
    return tokenizer


@contextmanager
def _opened(source: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What transformers is asked for: a name, and options besides."""
    if not is_gguf(source):
        yield str(source), {}
        return
    path = Path(source)
    with reading(path):
        yield str(path.parent), {"gguf_file": path.name}


def _check_tokens(tokenizer: Any, file: Path) -> None:
    """Compare with SentencePiece itself: some versions of transformers convert its file wrongly.

    The model then reads and writes nonsense, without any error.
    """
    if not file.is_file() or (file.parent / "tokenizer.json").exists():
        return
    try:
        expected = SentencePieceProcessor(model_file=str(file)).encode(_TRIAL, out_type=str)
    except (OSError, RuntimeError):  # the name is also used for files of another kind
        return
    found = tokenizer.tokenize(_TRIAL)
    # Whether a text begins with a space is a setting of the tokenizer.
    if (
        "".join(found).lstrip(_SPACE) != "".join(expected).lstrip(_SPACE)
        or found[1:] != expected[1:]
    ):
        raise CheckpointError(
            f"transformers {transformers.__version__} reads {file} wrongly; install the version "
            "of requirements/pinned.txt"
        )


def load_causal_lm(
    source: str | Path,
    device: torch.device,
    dtype: torch.dtype,
    quantization: BitsAndBytesConfig | None,
    spread: bool,
    kind: Any = AutoModelForCausalLM,
) -> nn.Module:
    """The language model with every weight from the files and none invented.

    Args:
        source: a folder, a hub name or a GGUF file, whose weights are then written out.
        device: where it runs.
        dtype: the number format of weights that are not quantized.
        quantization: from `quantization_config`.
        spread: put the layers on all CUDA devices.
        kind: transformers' class for such models.

    Raises:
        SourceError: it is not there.
        CheckpointError: weights are missing, unknown, damaged or of another shape.
        DeviceError: it does not fit into the device's memory.
    """
    options: dict[str, Any] = {"dtype": dtype}
    if device.type != "cpu":
        options["device_map"] = "auto" if spread else {"": str(device)}
    if quantization is not None:
        options["quantization_config"] = quantization
    with plain_errors(source), quiet(), _opened(source) as (name, more):
        model, report = kind.from_pretrained(
            name,
            trust_remote_code=False,
            output_loading_info=True,
            # Not to be lenient: without it transformers raises without naming a key.
            ignore_mismatched_sizes=True,
            **options,
            **more,
        )
    if is_gguf(source):
        _as_plain(model)
    raise_for_keys(
        f"the weights in {source} do not fit its config.json",
        {
            "missing": report["missing_keys"],
            "unexpected": report["unexpected_keys"],
            "of another shape": [_shape_fault(*fault) for fault in report["mismatched_keys"]],
            "unreadable": report["error_msgs"],
        },
    )
    return model


def _as_plain(model: Any) -> None:
    """A model from GGUF holds plain numbers now; transformers would refuse to save it as it is."""
    for name in ("hf_quantizer", "quantization_method", "is_quantized"):
        model.__dict__.pop(name, None)
    model.config.__dict__.pop("quantization_config", None)
    # Nobody should look beside the file for what a folder of weights would have there.
    model.config._name_or_path = ""
    model.name_or_path = None


def _shape_fault(name: str, found: Any, expected: Any) -> str:
    return f"{name} {tuple(found)} instead of {tuple(expected)}"


def _check_shards(index: Path) -> None:
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{index} cannot be read ({error!r}); copy it again") from error
    for key, file in places.items():
        if not (index.parent / file).is_file():
            raise CheckpointError(
                f"{index.parent} lacks {file}, which holds {key}; copy that file into the folder"
            )


def _what_to_put(source: str | Path) -> str:
    return (
        f"put config.json, the tokenizer ({_TOKENIZER_FILES[0]} or {_TOKENIZER_FILES[1]}) and "
        f"model*.safetensors of a Hugging Face language model into the folder {source}"
    )


@contextmanager
def plain_errors(source: str | Path) -> Iterator[None]:
    """Turn what transformers raises while loading into our errors."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise DeviceError(
            f"{source} does not fit into the memory of the GPU; try quantization='4bit' or "
            "device='cpu'"
        ) from error
    except OSError as error:
        if Path(source).is_dir():
            raise CheckpointError(f"{source} cannot be loaded: {_first_line(error)}") from error
        raise SourceError(
            f"no folder {source}, and the Hugging Face hub gives no such model (offline, "
            f"misspelt or access needed); {_what_to_put(source)}"
        ) from error
    except AnomalyGPTError:
        raise
    # The tokenizers library raises nothing more special than Exception.
    except Exception as error:
        raise CheckpointError(
            f"{source} cannot be loaded: {_first_line(error)}; copy its files again, or give "
            "another causal language model"
        ) from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]


@contextmanager
def quiet() -> Iterator[None]:
    """No table of weights and no bar from transformers: we report ourselves."""
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
