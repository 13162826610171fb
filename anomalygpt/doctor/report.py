"""The doctor's findings in lines for a person; what to do comes last."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from anomalygpt.doctor.findings import BROKEN, FINE, Findings, free_of, gigabytes


def report(findings: Findings) -> Iterator[str]:
    """Lines for a person; what to do comes last."""
    sections = findings.sections
    yield from _version_lines(sections["versions"])
    yield from _device_lines(sections["devices"])
    yield "Disk and network"
    for name, disk in sections["disk"].items():
        yield f"  {name}: {gigabytes(disk['free_bytes'])} free at {disk['folder']}"
    for kind, address in sections["proxies"].items():
        yield f"  {kind} proxy: {address}"
    yield "Models"
    for name, needs in sections.get("models", {}).items():
        yield f"  {name}: {_needs_text(needs)}"
    yield "Known answers"
    yield from _answer_lines(sections.get("known_answers"))
    yield ""
    if findings.status == FINE:
        yield "All is fine."
        return
    yield "Broken:" if findings.status == BROKEN else "Works, with doubts:"
    yield from (f"  fault: {text}" for text in findings.faults)
    yield from (f"  doubt: {text}" for text in findings.doubts)


def _version_lines(versions: Mapping[str, Any]) -> Iterator[str]:
    yield "Versions"
    yield f"  anomalygpt {versions['anomalygpt']} at {versions['folder']}"
    yield f"  Python {versions['python']} at {sys.executable}"
    packages = versions["packages"]
    yield "  " + ", ".join(f"{name} {version}" for name, version in packages.items() if version)
    optional = versions.get("optional", {})
    missing = [name for name, version in packages.items() if not version and name not in optional]
    if missing:
        yield f"  not installed: {', '.join(missing)}"
    for name, extra in optional.items():
        yield f'  not installed (optional): {name}; `pip install "anomalygpt[{extra}]"` if wanted'


def _device_lines(devices: Mapping[str, Any]) -> Iterator[str]:
    yield "Devices"
    yield f"  {devices['system']}"
    yield f"  CPU: {devices['cpu_cores']} cores, {devices['threads'] or 'unknown'} threads of torch"
    yield f"  memory: {free_of(devices)}"
    for number, gpu in enumerate(devices["cuda"]):
        yield f"  cuda:{number}: {gpu['name']}, {free_of(gpu)}"
    if not devices["cuda"]:
        yield "  no CUDA GPU"
    if devices["mps"]:
        yield "  mps: Apple GPU, used with --device mps"


def _needs_text(needs: Mapping[str, Any]) -> str:
    if "problem" in needs:
        return str(needs["problem"])
    verdict = {True: "fits here", False: "does not fit here", None: "not known if it fits here"}
    return (
        f"{gigabytes(needs['disk_bytes'])} on disk, about {gigabytes(needs['memory_bytes'])} of "
        f"memory: {verdict[needs['fits']]}"
    )


def _answer_lines(answers: Mapping[str, Any] | None) -> Iterator[str]:
    if answers is None:
        yield "  not run: the model cannot be loaded"
        return
    asked = [photo for photo in answers["photos"] if photo["result"] != "not run"]
    right = sum(photo["result"] == "passed" for photo in asked)
    text = f"{right} of {len(answers['photos'])} photos as expected, on {answers.get('device')}"
    if len(answers["photos"]) < answers.get("known", 0):
        text += f" (--thorough asks about all {answers['known']})"
    yield f"  {answers['result']}: {answers.get('reason', text)}"
    for photo in answers["photos"]:
        if photo["reasons"]:
            yield f"  {photo['image']}: {photo['result']}: {'; '.join(photo['reasons'])}"
