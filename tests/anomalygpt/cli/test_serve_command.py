"""`anomalygpt serve` in a process of its own: who may start it, an orderly end, and kill -9."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from anomalygpt.audit.chain import verify
from anomalygpt.products.plant import Plant
from anomalygpt.records.places import Place

GREETING = re.compile(r"programs find (http\S+?)/v1/openapi.json")


class Server:
    """`anomalygpt serve` over the small assistant."""

    def __init__(self, data: Path, model: Path, *options: str) -> None:
        if sys.platform == "win32":
            pytest.skip("Windows has no kill -9")
        arguments = ["serve", "--data", str(data), "--port", "0", "--model", str(model), *options]
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anomalygpt", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if found := GREETING.search(line):
                self.address = found[1]
                break
        else:
            self.process.wait(60)
            self.process.stdout.close()
            raise AssertionError("".join(self.lines))
        self.reading = threading.Thread(target=self._read, daemon=True)
        self.reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines += list(self.process.stdout)

    def end(self, how: int) -> str:
        """Everything that it wrote."""
        self.process.send_signal(how)
        return self.wait()

    def wait(self) -> str:
        """Everything that it wrote, once it has ended."""
        assert self.process.stdout is not None
        self.process.wait(60)
        self.reading.join(10)
        self.process.stdout.close()
        return "".join(self.lines)


@pytest.fixture
def start(tmp_path: Path, assistant_folder: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers over one data folder, and ends them."""
    made: list[Server] = []

    def start(*options: str) -> Server:
        made.append(Server(tmp_path / "data", assistant_folder, *options))
        return made[-1]

    yield start
    for each in made:
        if each.process.poll() is None:
            each.end(signal.SIGKILL)


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def make_product(client: httpx.Client, model: Path) -> None:
    answer = client.post(
        "/v1/products",
        data={"name": "plate", "settings": json.dumps({"model": str(model), "detail": "whole"})},
        files={"reference": ("good.png", png(1))},
    )
    assert answer.status_code == 201, answer.text


def client_of(server: Server) -> httpx.Client:
    return httpx.Client(base_url=server.address, timeout=30, trust_env=False)


def inspect(client: httpx.Client, seed: int) -> httpx.Response:
    files = {"photo": (f"{seed}.png", png(seed))}
    return client.post("/v1/inspections", data={"product": "plate"}, files=files)


def test_nothing_that_was_answered_is_lost_by_kill(
    start: Callable[..., Server], assistant_folder: Path, tmp_path: Path
) -> None:
    """Under load, twice: every answered inspection is there afterwards, and the log is whole."""
    answered: list[dict[str, Any]] = []
    for round_number in range(2):
        server = start()
        with client_of(server) as client:
            if not round_number:
                make_product(client, assistant_folder)
            assert inspect(client, 1000).status_code == 201
        known = len(answered)

        def send(number: int, server: Server = server) -> None:
            with client_of(server) as client:
                for seed in range(10_000):
                    try:
                        answer = inspect(client, 100_000 * number + seed)
                    except httpx.HTTPError:
                        return
                    if answer.status_code == 201:
                        answered.extend(answer.json()["inspections"])

        threads = [threading.Thread(target=send, args=(number,)) for number in range(1, 5)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 60
        while len(answered) < known + 12 and time.monotonic() < end:
            time.sleep(0.01)
        server.end(signal.SIGKILL)
        for thread in threads:
            thread.join()
        assert len(answered) >= known + 12
    server = start()
    with client_of(server) as client:
        for each in answered:
            found = client.get(f"/v1/inspections/{each['id']}")
            assert found.status_code == 200
            assert found.json()["result"] == each["result"]
            assert client.get(f"/v1/inspections/{each['id']}/photo").status_code == 200
    server.end(signal.SIGTERM)
    plant = Plant.open(Place.of(tmp_path / "data"))
    checked = verify(plant.database)
    assert checked.broken is None
    assert checked.lines >= len(answered) + 3
    plant.close()


def test_an_orderly_end_answers_what_was_begun(
    start: Callable[..., Server], assistant_folder: Path
) -> None:
    """Beside it: the page, one server for a folder, and a log in JSON."""
    server = start()
    with pytest.raises(AssertionError, match="another `anomalygpt serve` uses"):
        start()
    with client_of(server) as client:
        make_product(client, assistant_folder)
        assert inspect(client, 2).status_code == 201
        page = client.get("/")
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert client.get("/health/ready").json() == {"status": "ready"}
    body = b'{"photos": [], "product": "plate"}'
    head = (
        "POST /v1/inspections HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    place = httpx.URL(server.address)
    with socket.create_connection((place.host, place.port or 0), timeout=30) as connection:
        connection.sendall(head.encode() + body[:10])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(body[10:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 422")
    out = server.wait()
    assert server.process.returncode == 0
    assert "what was answered is on record" in out
    assert "Traceback" not in out
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert [each["status"] for each in lines if each["event"] == "request"] == [201, 201, 422]


def test_others_come_in_only_with_a_key(
    start: Callable[..., Server], anomalygpt: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=r"error: 0\.0\.0\.0 is reached by others .* key add"):
        start("--host", "0.0.0.0")
    made = anomalygpt("key", "add", "a", "--data", tmp_path / "data")
    secret = made.out.splitlines()[0]
    server = start("--host", "0.0.0.0")
    with client_of(server) as client:
        assert client.get("/v1/products").status_code == 401
        key = {"Authorization": f"Bearer {secret}"}
        assert client.get("/v1/products", headers=key).status_code == 200
        # The page knows no keys: without a password it is not there.
        assert client.get("/").status_code == 404


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cors", "*"], "an origin such as https://a.example, got '*'"),
        (["--cors", "a.example"], "an origin such as"),
        (["--jobs-root", "/nowhere/at/all"], "--jobs-root is a folder of photos"),
        (["--database", "mysql://a"], "a database is sqlite:///FILE or postgresql://"),
    ],
)
def test_options_that_cannot_be(
    anomalygpt: Callable[..., Any], tmp_path: Path, options: list[str], message: str
) -> None:
    ran = anomalygpt("serve", "--data", tmp_path, *options)
    assert ran.status == 2
    assert message in ran.error
