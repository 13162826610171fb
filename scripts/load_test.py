"""Many inspectors at once at the web app: errors, mixed states, waiting times, memory.

    python scripts/load_test.py --sessions 20 --minutes 3 --output load.json

Starts `anomalygpt demo` in a process of its own, or uses --url. Every session has a photo and a
reference of its own, inspects it, asks three questions, pauses as a person does, and begins again
with the next photo. An answer that names another session's photo is a mixed state.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np
from PIL import Image

from simulation import NormalVariation, vary

QUESTIONS = ("Where is it?", "How many are there?", "Are you sure?")
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
LIGHT = NormalVariation(max_shift=0.01, max_rotation_degrees=1.0, brightness=0.05)
NAME = re.compile(r"session-(\d+)-")


@dataclass
class Findings:
    """What the sessions met.

    Attributes:
        verdicts: seconds from the upload to the verdict.
        first_words: seconds from a question to the first word of its answer.
        answers: seconds from a question to the end of its answer.
        errors: what went wrong.
        mixed: answers that named another session's photo.
        memory: (seconds, MB of the server process).
    """

    verdicts: list[float] = field(default_factory=list)
    first_words: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)


def main(arguments: list[str] | None = None) -> int:
    """Run it; status 1 when there were errors or mixed states."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--pause", type=float, default=5.0, help="seconds between two actions")
    parser.add_argument("--url", help="a server that runs already; its memory is not measured")
    parser.add_argument("--output", type=Path, metavar="FILE.json")
    options = parser.parse_args(arguments)
    with server(options.url) as (url, process):
        found = asyncio.run(visit(url, process, options))
    print(summary(found))
    if options.output:
        options.output.write_text(json.dumps(found.__dict__, indent=1), encoding="utf-8")
    return 1 if found.errors or found.mixed else 0


@contextmanager
def server(url: str | None) -> Any:
    """The address, and the process if it is ours."""
    if url is not None:
        yield url.rstrip("/"), None
        return
    command = [sys.executable, "-m", "anomalygpt", "demo", "--port", "0", "--queue-size", "64"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "http" in line)
        yield re.findall(r"http\S+", line)[0].rstrip("/"), process
    finally:
        process.terminate()
        process.wait(20)


async def visit(
    url: str, process: subprocess.Popen[str] | None, options: argparse.Namespace
) -> Findings:
    """All sessions for so many minutes."""
    found = Findings()
    end = time.monotonic() + 60 * options.minutes
    async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as client:
        config = (await client.get("/config")).json()
        numbers = {each["api_name"]: each["id"] for each in config["dependencies"]}
        watching = asyncio.create_task(watch(process, found))
        people = [
            Person(client, numbers, number, found, options.pause)
            for number in range(options.sessions)
        ]
        await asyncio.gather(*(person.work(end) for person in people))
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    return found


async def watch(process: subprocess.Popen[str] | None, found: Findings) -> None:
    """The server's memory every five seconds, where the system tells."""
    started = time.monotonic()
    while process is not None:
        with suppress(OSError, StopIteration):
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
            line = next(line for line in status if line.startswith("VmRSS"))
            found.memory.append((time.monotonic() - started, int(line.split()[1]) / 1024))
        await asyncio.sleep(5)


class Person:
    """One session."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        numbers: dict[str, int],
        number: int,
        found: Findings,
        pause: float,
    ) -> None:
        self.client, self.numbers, self.number = client, numbers, number
        self.found, self.pause = found, pause
        self.mark = f"load-{number}-{time.time_ns()}"
        self.generator = np.random.default_rng(number)
        folders = sorted(path for path in EXAMPLES.iterdir() if path.is_dir())
        self.part = folders[number % len(folders)]

    async def work(self, end: float) -> None:
        """Inspect and ask until the time is over."""
        await asyncio.sleep(self.generator.uniform(0, self.pause))
        try:
            reference = await self.upload("good_1.jpg", "reference")
            while time.monotonic() < end:
                await self.inspection(reference)
        except (httpx.HTTPError, KeyError, ValueError) as error:
            self.found.errors.append(f"session {self.number}: {error!r}")

    async def inspection(self, reference: str) -> None:
        photos = sorted(path.name for path in self.part.glob("*.jpg"))
        photo = await self.upload(photos[int(self.generator.integers(len(photos)))], "photo")
        gallery = [{"image": file_data(reference), "caption": None}]
        asked = [False, "contour", False, "own"]  # no expert
        data = [file_data(photo), gallery, "", "embedded", "", "warm", *asked]
        seconds = await self.call("page_inspect", data, "verdict-words")
        if seconds is not None:
            self.found.verdicts.append(seconds[1])
        for question in QUESTIONS:
            await asyncio.sleep(self.generator.exponential(self.pause))
            seconds = await self.call("page_ask", [question, 128, 0.0], None)
            if seconds is not None:
                self.found.first_words.append(seconds[0])
                self.found.answers.append(seconds[1])
        await asyncio.sleep(self.generator.exponential(self.pause))

    async def upload(self, name: str, kind: str) -> str:
        """The part once more under other light, as a new file."""
        pixels = np.asarray(Image.open(self.part / name).convert("RGB"))
        file = io.BytesIO()
        Image.fromarray(vary(pixels, self.generator, LIGHT)).save(file, "JPEG", quality=90)
        called = f"session-{self.number}-{kind}.jpg"
        answer = await self.client.post(
            "/gradio_api/upload", files={"files": (called, file.getvalue())}
        )
        answer.raise_for_status()
        return answer.json()[0]

    async def call(
        self, function: str, data: list[Any], awaited: str | None
    ) -> tuple[float, float] | None:
        """Seconds to the first word and to the end; None where the server refused or failed."""
        started = time.monotonic()
        body = {"data": data, "fn_index": self.numbers[function], "session_hash": self.mark}
        answer = await self.client.post("/gradio_api/queue/join", json=body)
        if answer.status_code != 200:
            self.found.errors.append(f"session {self.number}: {function} {answer.status_code}")
            return None
        first, count, seen = None, 0, ""
        async for message in self.messages():
            seen += json.dumps(message.get("output", {}))
            if message["msg"] in ("process_generating", "process_completed"):
                count += 1
                # The first message is the question itself with "…".
                if first is None and count == 2:
                    first = time.monotonic() - started
            if message["msg"] == "process_completed" and not message.get("success", True):
                self.found.errors.append(f"session {self.number}: {function} {message}"[:300])
                return None
        others = set(NAME.findall(seen)) - {str(self.number)}
        if others:
            self.found.mixed.append(f"session {self.number} saw {sorted(others)}")
        if awaited is not None and awaited not in seen:
            self.found.errors.append(f"session {self.number}: no {awaited}: {seen[-200:]}")
            return None
        total = time.monotonic() - started
        return (first if first is not None else total), total

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """What the server sends, up to the end of the call."""
        address = f"/gradio_api/queue/data?session_hash={self.mark}"
        async with self.client.stream("GET", address) as lines:
            async for line in lines.aiter_lines():
                if line.startswith("data:"):
                    message = json.loads(line[5:])
                    yield message
                    if message["msg"] in ("process_completed", "close_stream"):
                        return


def file_data(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def summary(found: Findings) -> str:
    """The figures in words, and the curve of memory."""
    lines = []
    for name, seconds in (
        ("time to the verdict", found.verdicts),
        ("time to the first word", found.first_words),
        ("time to the whole answer", found.answers),
    ):
        if seconds:
            high = sorted(seconds)[min(len(seconds) - 1, int(0.95 * len(seconds)))]
            lines.append(
                f"{name}: median {median(seconds):.2f} s, 95 % below {high:.2f} s, "
                f"{len(seconds)} times"
            )
    lines.append(f"errors: {len(found.errors)}; mixed states: {len(found.mixed)}")
    lines += found.errors[:10] + found.mixed[:10]
    if found.memory:
        top = max(megabytes for _, megabytes in found.memory)
        lines.append("memory of the server in MB:")
        lines += [
            f"{seconds:6.0f} s {megabytes:7.0f} {'#' * round(50 * megabytes / top)}"
            for seconds, megabytes in found.memory[::3]
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
