"""`anomalygpt serve` under load: errors, waiting times, memory, and how large its database grows.

    python scripts/measure_service.py --clients 20 --seconds 180 --output service.json
    python scripts/measure_service.py --seconds 0 --inspections 10000

The first has clients inspect photos of one product over REST, each the next as soon as it has the
answer before; and then the engine alone do the same in this process, with as many threads and its
record on the same disk. The second sends small photos and looks at the database's size and the
server's memory at every tenth of them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np
from PIL import Image

from simulation import NormalVariation, vary

PLATE = Path(__file__).resolve().parents[1] / "examples" / "plate"
LIGHT = NormalVariation(max_shift=0.01, max_rotation_degrees=1.0, brightness=0.05)
# Different photos that each client goes through.
PHOTOS = 8


@dataclass
class Load:
    """What clients met.

    Attributes:
        waits: (seconds since the start, seconds to the answer).
        errors: what went wrong.
        memory: (seconds since the start, MB of the server).
    """

    waits: list[tuple[float, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    def per_second(self, seconds: float) -> float:
        """Answers a second."""
        return len(self.waits) / seconds if seconds else 0.0


@dataclass(frozen=True)
class Grown:
    """After so many inspections: MB of the database, of photos and maps, and of the server."""

    inspections: int
    database: float
    files: float
    memory: float


class Server:
    """The server, and where its data is."""

    def __init__(self, data: Path, options: argparse.Namespace) -> None:
        command = [sys.executable, "-m", "anomalygpt", "serve", "--data", str(data), "--port", "0"]
        command += ["--detail", options.detail]
        self.data = data
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        lines = (re.search(r"find (http\S+?)/v1/", line) for line in self.process.stdout)
        found = next((each for each in lines if each), None)
        if found is None:
            raise SystemExit("the server did not start; try `anomalygpt serve` by itself")
        self.address = found[1]

    def memory(self) -> float:
        """MB; 0 where the system does not tell."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        except OSError:
            return 0.0
        line = next((line for line in status.splitlines() if line.startswith("VmRSS")), "0 0")
        return int(line.split()[1]) / 1024

    def size(self, pattern: str) -> float:
        """MB of files of the data folder."""
        return sum(path.stat().st_size for path in self.data.glob(pattern) if path.is_file()) / 1e6

    def close(self) -> None:
        """End it as a system would."""
        self.process.terminate()
        self.process.wait(60)


def main(arguments: list[str] | None = None) -> int:
    """Run it; status 1 when there were errors."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=180.0, help="of load; 0 for none")
    parser.add_argument("--inspections", type=int, default=0, help="small ones, after the load")
    parser.add_argument("--side", type=int, default=96, help="of small photos, in pixels")
    parser.add_argument("--detail", default="auto", help="as of `anomalygpt serve`")
    parser.add_argument("--output", type=Path, metavar="FILE.json")
    options = parser.parse_args(arguments)
    found: dict[str, Any] = {"options": {**vars(options), "output": None}}
    errors: list[str] = []
    if options.seconds:
        with served(options) as server:
            load = under_load(server, options)
        alone = engine_alone(options)
        rates = load.per_second(options.seconds), alone.per_second(options.seconds)
        errors += load.errors + alone.errors
        found |= {"load": load.__dict__, "alone": alone.__dict__, "per_second": rates}
        print(told(load, options.seconds))
        ratio = rates[0] / rates[1] if rates[1] else 0.0
        print(f"over REST {rates[0]:.2f} a second, the engine alone {rates[1]:.2f}", end=": ")
        print(f"{100 * ratio:.0f} %")
    if options.inspections:
        with served(options) as server:
            grown, failed = growing(server, options)
        errors += failed
        found["grown"] = [each.__dict__ for each in grown]
        print("inspections, database MB, photos and maps MB, memory of the server MB:")
        for each in grown:
            print(
                f"{each.inspections:8d} {each.database:8.1f} {each.files:8.1f} {each.memory:8.0f}"
            )
    print(f"errors: {len(errors)}", *errors[:10], sep="\n")
    if options.output:
        options.output.write_text(json.dumps(found, indent=1, default=str), encoding="utf-8")
    return 1 if errors else 0


@contextmanager
def served(options: argparse.Namespace) -> Iterator[Server]:
    """A server with one product, whose references are read."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), options)
        try:
            with httpx.Client(base_url=server.address, timeout=300, trust_env=False) as client:
                settings = json.dumps({"detail": options.detail})
                photo = (PLATE / "good_1.jpg").read_bytes()
                client.post(
                    "/v1/products",
                    data={"name": "plate", "settings": settings},
                    files={"reference": ("good_1.jpg", photo)},
                ).raise_for_status()
                send(client, photo).raise_for_status()
            yield server
        finally:
            server.close()


def send(client: httpx.Client, photo: bytes) -> httpx.Response:
    """One inspection."""
    files = {"photo": ("part.jpg", photo)}
    return client.post("/v1/inspections", data={"product": "plate"}, files=files)


def photos_of(number: int, side: int | None = None) -> list[bytes]:
    """The plates under light of a client's own, as files."""
    generator = np.random.default_rng(number)
    paths = sorted(PLATE.glob("*.jpg"))
    made = []
    for place in range(PHOTOS):
        with Image.open(paths[place % len(paths)]) as opened:
            pixels = np.asarray(opened.convert("RGB"))
        picture = Image.fromarray(vary(pixels, generator, LIGHT))
        if side is not None:
            picture.thumbnail((side, side))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=90)
        made.append(buffer.getvalue())
    return made


def crowd(count: int, work: Callable[[int], None], meanwhile: Callable[[], None]) -> None:
    """Let so many threads work, and do something else now and then."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        meanwhile()
        time.sleep(1)
    for thread in threads:
        thread.join()


def under_load(server: Server, options: argparse.Namespace) -> Load:
    """All clients for so many seconds."""
    load = Load()
    begun = time.monotonic()

    def work(number: int) -> None:
        photos = photos_of(number)
        with httpx.Client(base_url=server.address, timeout=300, trust_env=False) as client:
            count = 0
            while time.monotonic() - begun < options.seconds:
                at = time.monotonic()
                try:
                    answer = send(client, photos[count % PHOTOS])
                except httpx.HTTPError as error:
                    load.errors.append(f"client {number}: {error!r}")
                    continue
                if answer.status_code != 201:
                    load.errors.append(f"client {number}: {answer.status_code} {answer.text[:200]}")
                load.waits.append((at - begun, time.monotonic() - at))
                count += 1

    def look() -> None:
        load.memory.append((time.monotonic() - begun, server.memory()))

    crowd(options.clients, work, look)
    return load


def engine_alone(options: argparse.Namespace) -> Load:
    """The same photos through the engine in this process, each put on record too."""
    from anomalygpt.errors import AnomalyGPTError
    from anomalygpt.products.plant import Plant
    from anomalygpt.products.product import Settings
    from anomalygpt.products.store import NewPhoto
    from anomalygpt.records.places import Place
    from anomalygpt.serving.engine import Engine
    from anomalygpt.serving.requests import Request
    from anomalygpt.serving.settings import ServerSettings

    load = Load()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'alone.sqlite'}"
        plant = Plant.open(Place.of(folder, url))
        engine = Engine(ServerSettings(detail=options.detail), plant=plant)
        engine.prepare()
        good = NewPhoto.of(PLATE / "good_1.jpg")
        settings = Settings(detail=options.detail)
        plant.products.add("plate", references=[good], settings=settings, who="measure")

        def inspect(content: bytes) -> None:
            with Image.open(io.BytesIO(content)) as opened:
                photo = opened.convert("RGB")
            for _ in engine.inspect(Request(photo, "part", product="plate", content=content)):
                pass

        inspect(good.content)  # its references are read here
        begun = time.monotonic()

        def work(number: int) -> None:
            photos = photos_of(number)
            count = 0
            while time.monotonic() - begun < options.seconds:
                at = time.monotonic()
                try:
                    inspect(photos[count % PHOTOS])
                except AnomalyGPTError as error:
                    load.errors.append(f"alone {number}: {error}")
                load.waits.append((at - begun, time.monotonic() - at))
                count += 1

        crowd(options.clients, work, lambda: None)
        engine.close()
        plant.close()
    return load


def growing(server: Server, options: argparse.Namespace) -> tuple[list[Grown], list[str]]:
    """Small photos through one product, and how much is kept after each tenth of them."""
    errors: list[str] = []
    grown = [_grown(server, 1)]
    with httpx.Client(base_url=server.address, timeout=300, trust_env=False) as client:
        clients = min(options.clients, 8)
        photos = [photos_of(number, options.side) for number in range(clients)]
        tenth = max(1, options.inspections // 10)
        for part in range(0, options.inspections, tenth):
            wanted = min(tenth, options.inspections - part)

            def work(number: int, wanted: int = wanted) -> None:
                for count in range(number, wanted, clients):
                    answer = send(client, photos[number][count % PHOTOS])
                    if answer.status_code != 201:
                        errors.append(f"{answer.status_code} {answer.text[:200]}")

            crowd(clients, work, lambda: None)
            grown.append(_grown(server, 1 + part + wanted))
    return grown, errors


def _grown(server: Server, count: int) -> Grown:
    files = server.size("photos/*/*")
    return Grown(count, server.size("*.sqlite*"), files, server.memory())


def told(load: Load, seconds: float) -> str:
    """Waiting times and memory over time, in ten parts."""
    lines = ["from second, answers, median s, 95 % below s, 99 % below s, memory MB:"]
    step = seconds / 10
    for part in range(10):
        waits = sorted(wait for at, wait in load.waits if part * step <= at < (part + 1) * step)
        there = [megabytes for at, megabytes in load.memory if at >= part * step]
        if waits:
            high = [waits[min(len(waits) - 1, int(q * len(waits)))] for q in (0.95, 0.99)]
            lines.append(
                f"{part * step:8.0f} {len(waits):6d} {median(waits):8.2f} {high[0]:8.2f} "
                f"{high[1]:8.2f} {there[0] if there else 0:8.0f}"
            )
    lines.append(f"cores: {os.cpu_count()}; errors: {len(load.errors)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
