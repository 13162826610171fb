"""`anomalygpt doctor`: whether this installation and this machine are fine, and what to do if not.

It must also run where something is broken, so everything that is not Python's own is imported
where it is looked at.
"""

from __future__ import annotations

import importlib
import math
import os
import platform
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomalygpt.doctor.findings import Findings, free_of, gigabytes, one_line
from anomalygpt.errors import AnomalyGPTError, CheckpointError
from anomalygpt.presets import PACKAGE, PRESETS, beside_package
from anomalygpt.proxies import proxies, unusable_proxy
from anomalygpt.version import __version__

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT

# Extras that people use; the others are for developers.
EXTRAS = ("clip", "gpu")

# Python, torch, transformers and the work on a photo, beside the weights: 1.1 GB at most were
# measured with the embedded model on 2026-11-21.
PROGRAM_BYTES = 1_100_000_000
LEAST_DISK_BYTES = 1_000_000_000

REINSTALL = "`pip install --upgrade --force-reinstall anomalygpt`"


def examine(
    model: str,
    examples: Path | None = None,
    device: str = "auto",
    *,
    thorough: bool = False,
) -> Findings:
    """Look at everything; nothing that is found wrong raises.

    Args:
        model: a preset, a folder or a hub name.
        examples: photos of the known answers; None looks beside the package.
        device: where the model runs.
        thorough: ask for all known answers, not for a few of them.
    """
    findings = Findings()
    _look_at_devices(findings)
    _look_at_packages(findings)
    _look_at_disks(findings)
    _look_at_proxies(findings)
    folder = _look_at_models(findings, model)
    if folder is not None:
        question = _Question(model, folder, examples or beside_package(), device, thorough)
        _look_at_answers(findings, question)
    return findings


# --- packages ----------------------------------------------------------------------------------


def _look_at_packages(findings: Findings) -> None:
    versions: dict[str, str | None] = {}
    optional: dict[str, str] = {}
    findings.sections["versions"] = {
        "python": platform.python_version(),
        "anomalygpt": __version__,
        "folder": str(PACKAGE),
        "packages": versions,
        "optional": optional,
    }
    try:
        requirements = list(_requirements())
    except (ImportError, metadata.PackageNotFoundError):
        findings.doubts.append(
            f"what AnomalyGPT needs is not recorded here; install it: {REINSTALL}"
        )
        return
    for requirement, extra in requirements:
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            versions[requirement.name] = None
            if extra is None:
                findings.doubts.append(f"{requirement.name} is missing; {REINSTALL}")
            else:
                optional[requirement.name] = extra
            continue
        versions[requirement.name] = version
        if not requirement.specifier.contains(version, prereleases=True):
            findings.doubts.append(
                f"{requirement.name} {version} does not fit {requirement.specifier}; "
                f'`pip install "{requirement.name}{requirement.specifier}"`'
            )


def _requirements() -> Iterator[tuple[Any, str | None]]:
    """Each package that is needed, and the extra that brings it, where it is an optional one."""
    from packaging.requirements import Requirement

    for text in metadata.requires("anomalygpt") or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            yield requirement, None
            continue
        extras = [extra for extra in EXTRAS if marker.evaluate({"extra": extra})]
        if extras:
            yield requirement, extras[0]


# --- the machine -------------------------------------------------------------------------------


def _look_at_devices(findings: Findings) -> None:
    total, free = memory()
    found: dict[str, Any] = {
        "system": platform.platform(),
        "cpu_cores": _cores(),
        "memory_bytes": total,
        "memory_free_bytes": free,
        "threads": None,
        "cuda": [],
        "mps": False,
    }
    findings.sections["devices"] = found
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found |= _torch_devices()
    except Exception as error:  # a broken installation raises nearly anything
        findings.faults.append(f"torch does not work here ({one_line(error)}); {REINSTALL}")
        return
    # torch warns, and goes on without a GPU, where the driver is too old for it.
    findings.doubts += [f"torch says: {one_line(warning.message)}" for warning in told]


def _torch_devices() -> dict[str, Any]:
    import torch

    cuda = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        cuda.append({"name": name, "memory_bytes": total, "memory_free_bytes": free})
    mps = torch.backends.mps.is_available()
    return {"threads": torch.get_num_threads(), "cuda": cuda, "mps": mps}


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory(limits: Path = Path("/sys/fs/cgroup")) -> tuple[int | None, int | None]:
    """Total and free memory in bytes, within the limit of a container; None where unknown.

    Args:
        limits: where the system keeps the limits of this process.
    """
    try:
        # accelerate brings it; it has no types.
        state = importlib.import_module("psutil").virtual_memory()
    except ImportError:
        return None, None
    total, free = int(state.total), int(state.available)
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        most, taken = _number(limits / limit), _number(limits / used)
        if most is not None and taken is not None and most < total:
            total, free = most, min(free, max(0, most - taken))
    return total, free


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # "max" stands for no limit
        return None


def _look_at_disks(findings: Findings) -> None:
    folders = {"downloads": _cache_folder(), "current folder": Path.cwd()}
    found = {}
    for name, folder in folders.items():
        free = _free_bytes(folder)
        found[name] = {"folder": str(folder), "free_bytes": free}
        if free < LEAST_DISK_BYTES:
            findings.doubts.append(
                f"{folder} ({name}) has only {gigabytes(free)} free; make room on that disk"
            )
    findings.sections["disk"] = found


def _cache_folder() -> Path:
    """Where weights that are given by a hub name end up."""
    try:
        return Path(importlib.import_module("huggingface_hub.constants").HF_HUB_CACHE)
    except ImportError:
        return Path.home() / ".cache" / "huggingface" / "hub"


def _free_bytes(folder: Path) -> int:
    """Free bytes of the disk that a folder is on, or will be on."""
    there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    return shutil.disk_usage(there).free


def _look_at_proxies(findings: Findings) -> None:
    findings.sections["proxies"] = proxies()
    problem = unusable_proxy()
    if problem is not None:
        findings.doubts.append(problem)


# --- models ------------------------------------------------------------------------------------


def _look_at_models(findings: Findings, model: str) -> Path | None:
    """The presets and the model in question; returns the latter's folder if it is there."""
    try:
        import anomalygpt.model  # noqa: F401 - whatever it needs is missing or broken
        from anomalygpt.pretrained import assistant_folder
    except Exception as error:  # a broken installation raises nearly anything
        findings.faults.append(f"the program cannot start ({one_line(error)}); {REINSTALL}")
        return None
    found = findings.sections["models"] = {}
    folder = None
    for name in dict.fromkeys([*PRESETS, model]):
        try:
            place = assistant_folder(name)
            found[name] = _needs(findings, name, place)
        except (AnomalyGPTError, OSError) as error:
            found[name] = {"problem": one_line(error)}
            if name == model:
                findings.faults.append(one_line(error))
            continue
        if name == model:
            folder = place
    return folder


def _needs(findings: Findings, name: str, folder: Path) -> dict[str, Any]:
    """Disk and memory that a model takes, and whether this machine has them."""
    devices = findings.sections["devices"]
    weights = _weights(folder)
    memory_bytes = PROGRAM_BYTES + 4 * weights
    # On GPUs weights have half precision, and the language model is spread over all of them.
    fits_gpus = PROGRAM_BYTES + 2 * weights <= sum(
        gpu["memory_free_bytes"] for gpu in devices["cuda"]
    )
    fits = (
        None
        if devices["memory_free_bytes"] is None
        else fits_gpus or memory_bytes <= devices["memory_free_bytes"]
    )
    if fits is False:
        findings.doubts.append(
            f"{name} needs about {gigabytes(memory_bytes)} of memory, {free_of(devices)}; close "
            "other programs or use a larger machine"
        )
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {
        "folder": str(folder),
        "disk_bytes": disk,
        "memory_bytes": memory_bytes,
        "fits": fits,
    }


def _weights(folder: Path) -> int:
    """Numbers in all weight files of a folder; only their headers are read.

    Raises:
        CheckpointError: a file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    count = 0
    for path in sorted(folder.rglob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                shapes = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{path} is damaged ({one_line(error)}); install or copy the model again"
            ) from error
        count += sum(math.prod(shape) for shape in shapes)
    return count


# --- known answers -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Question:
    """Which model is asked, about which photos and where; `thorough` asks about all of them."""

    model: str
    folder: Path
    examples: Path
    device: str
    thorough: bool


def _look_at_answers(findings: Findings, question: _Question) -> None:
    """Load the model, ask it what is known, and compare."""
    found: dict[str, Any] = {"result": "not run", "photos": []}
    findings.sections["known_answers"] = found
    model = question.model
    try:
        from anomalygpt.doctor.known_answers import load_known_answers, some_of

        known = load_known_answers(question.folder)
        # Answers were recorded with float32; half precision moves them by more than a fault does.
        assistant = _load(model, question.device, "float32" if known else "auto")
        found["device"] = str(assistant.device)
        if known is None:
            found["reason"] = f"{model} brings no known answers"
        else:
            found["known"] = len(known)
            asked = known if question.thorough else some_of(known)
            _compare(findings, assistant, asked, question.examples)
    except Exception as error:  # damaged weights raise nearly anything
        found["result"] = "failed"
        found["reason"] = one_line(error)
        findings.faults.append(f"{model} cannot be used: {one_line(error)}")
        return
    if found["result"] == "not run":
        findings.doubts.append(f"the known answers were not asked for: {found['reason']}")
    elif found["result"] == "failed":
        findings.faults.append(
            f"{model} no longer says what it did when it was made: its weights are damaged, or a "
            f"package computes wrongly; {_mend(model)}"
        )


def _load(model: str, device: str, dtype: str) -> AnomalyGPT:
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.references.cache import ReferenceCache

    assistant = AnomalyGPT.from_pretrained(model, device=device, dtype=dtype)
    # What this machine works out is examined, not what it kept from an earlier run.
    assistant.library.cache = ReferenceCache(None)
    return assistant


def _mend(model: str) -> str:
    return REINSTALL if model in PRESETS else f"copy or convert {model} again"


def _compare(
    findings: Findings, assistant: AnomalyGPT, known: Sequence[Mapping[str, Any]], examples: Path
) -> None:
    from anomalygpt.doctor.known_answers import ask_again, unusable_photos

    found = findings.sections["known_answers"]
    found["examples"] = str(examples)
    if not examples.is_dir():
        found["reason"] = (
            f"the example photos are not at {examples}; get the folder `examples` of the "
            "repository and give it with --examples"
        )
        return
    reasons = [unusable_photos(expected, examples) for expected in known]
    usable = [expected for expected, unusable in zip(known, reasons, strict=True) if not unusable]
    answers = iter(ask_again(assistant, examples, usable))
    for expected, unusable in zip(known, reasons, strict=True):
        differs = [] if unusable else _differences(expected, next(answers))
        result = "not run" if unusable else "failed" if differs else "passed"
        found["photos"].append(
            {"image": expected["image"], "result": result, "reasons": unusable or differs}
        )
    results = {photo["result"] for photo in found["photos"]}
    found["result"] = next(word for word in ("failed", "passed", "not run") if word in results)
    if found["result"] == "not run":
        found["reason"] = "none of the example photos can be used"
    problems = dict.fromkeys(text for unusable in reasons for text in unusable)
    findings.doubts += [f"{text}; get the photos of this version again" for text in problems]


def _differences(
    expected: Mapping[str, Any], answer: Mapping[str, Any] | AnomalyGPTError
) -> list[str]:
    from anomalygpt.doctor.known_answers import differences

    if isinstance(answer, AnomalyGPTError):  # damaged weights give no finite numbers
        return [one_line(answer)]
    return differences(expected, answer)
