"""Limits: large, malformed, slow and too many requests; and what every answer has."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
import uvicorn

from anomalygpt.serving.api import patience
from anomalygpt.serving.api.patience import Impatient
from anomalygpt.serving.listening import listen
from tests.services import Running, png, text

JSON = {"Content-Type": "application/json"}


class Listening:
    """A service behind a real socket."""

    def __init__(self, running: Running) -> None:
        self.listener = listen("127.0.0.1", 0)
        self.place = self.listener.getsockname()
        self.server = uvicorn.Server(
            uvicorn.Config(running.app, http=Impatient, lifespan="off", log_level="critical")
        )
        self.thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True
        )
        self.thread.start()
        while not self.server.started:
            self.thread.join(0.02)

    def send(self, *pieces: bytes, pause: float = 0.0) -> bytes:
        """What comes back to bytes, until the server closes."""
        with socket.create_connection(self.place, timeout=20) as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
            return answer

    def close(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(10)
        self.listener.close()


@pytest.fixture
def listening(start: Callable[..., Running]) -> Iterator[Listening]:
    made = Listening(start(body_seconds=0.5))
    yield made
    made.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nothing",
        b"[]",
        b"null",
        b'{"name": NaN}',
        b'{"name": "a"',
        b"\xff\xfe\x00",
        b'{"name": "\\ud800"}',
        b"[" * 100_000,
        b'{"name": ' + b"9" * 5000 + b"}",
    ],
)
@pytest.mark.parametrize("address", ["/v1/products", "/v1/inspections", "/v1/chat/completions"])
def test_bodies_that_are_no_json(running: Running, address: str, body: bytes) -> None:
    answer = running.client.post(address, content=body, headers=JSON)
    assert answer.status_code in (400, 422), answer.text


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", b"hello", 415),
        ("", b"hello", 415),
        ("application/x-www-form-urlencoded", b"name=a", 415),
        ("multipart/form-data", b"hello", 400),
        ("multipart/form-data; boundary=a", b"hello", 400),
        ("multipart/form-data; boundary=a", b"--a\r\n\r\n", 400),
        (
            "multipart/form-data; boundary=a",
            b"--a\r\nContent-Disposition: x\r\n\r\na\r\n--a--",
            400,
        ),
    ],
)
def test_other_bodies(running: Running, kind: str, body: bytes, status: int) -> None:
    for address in ("/v1/products", "/v1/inspections"):
        answer = running.client.post(address, content=body, headers={"Content-Type": kind})
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


def test_what_tells_that_it_is_too_large_is_not_read(running: Running) -> None:
    answer = running.client.post("/v1/products", content=bytes(5 * 1024**2), headers=JSON)
    assert answer.status_code == 413
    assert "1 MB" in answer.json()["detail"]
    for length in ("-1", "many", "9" * 30):
        answer = running.client.get("/v1/products", headers={"Content-Length": length})
        assert answer.status_code == 413


def test_what_does_not_tell_its_length_is_counted(listening: Listening) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield bytes(1024**2)

    with httpx.Client(trust_env=False, timeout=20) as client:
        address = f"http://127.0.0.1:{listening.place[1]}/v1/products"
        try:
            answer = client.post(address, content=pieces(), headers=JSON)
        except httpx.WriteError:  # it was closed while we were sending
            return
    assert answer.status_code == 413


def test_a_body_that_stops_coming_is_given_up(listening: Listening) -> None:
    begun = time.monotonic()
    answer = listening.send(
        b"POST /v1/products HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b'Content-Length: 100\r\n\r\n{"name":'
    )
    assert b" 408 " in answer.splitlines()[0]
    assert b"application/problem+json" in answer
    assert time.monotonic() - begun < 10


def test_a_body_of_one_letter_at_a_time_is_given_up(listening: Listening) -> None:
    head = (
        b"POST /v1/products HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000\r\n\r\n"
    )
    begun = time.monotonic()
    try:
        answer = listening.send(head, *[b" "] * 60, pause=0.1)
        assert b" 408 " in answer.splitlines()[0]
    except ConnectionError:  # it was closed while we were sending
        pass
    assert time.monotonic() - begun < 10


def test_headers_that_never_end_are_given_up(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEADER_SECONDS", 0.3)
    listening = Listening(start())
    try:
        begun = time.monotonic()
        assert listening.send(b"GET /v1/products HTTP/1.1\r\nX-Slow: ") == b""
        assert time.monotonic() - begun < 5
        # Whoever asks in time is answered.
        assert listening.send(
            b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        ).startswith(b"HTTP/1.1 200")
    finally:
        listening.close()


def test_a_full_queue_says_when_to_come_back(running: Running) -> None:
    running.product()
    running.inspect()
    holding = threading.Event()

    def slow() -> Iterator[str]:
        holding.wait()
        yield "end"

    jobs = [running.engine.worker.submit(slow()) for _ in range(8)]
    body = {"photos": [{"data": text(png(2))}], "product": "bracket"}
    answer = running.client.post("/v1/inspections", json=body)
    ready = running.client.get("/health/ready")
    holding.set()
    assert [list(each) for each in jobs] == [["end"]] * 8
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert ready.status_code == 503
    assert "queue" in ready.json()["reason"]
    assert running.client.get("/health/ready").status_code == 200


def test_a_server_that_stops_takes_nothing_new(running: Running) -> None:
    running.service.close()
    answer = running.client.get("/v1/products")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert running.client.get("/health/ready").status_code == 503
    assert running.client.get("/health/live").status_code == 200


def test_what_every_answer_has(running: Running) -> None:
    mine = running.client.get("/v1/nothing", headers={"X-Request-ID": "line-4.17"})
    assert mine.status_code == 404
    assert mine.headers["x-request-id"] == "line-4.17"
    assert mine.json()["request_id"] == "line-4.17"
    assert mine.headers["x-content-type-options"] == "nosniff"
    odd = running.client.get("/health/live", headers={"X-Request-ID": b'a"}\n{"b'})
    assert len(odd.headers["x-request-id"]) == 32
    other = running.client.put("/v1/products")
    assert other.status_code == 405
    assert other.headers["allow"] == "GET, POST"
    lines = [json.loads(line) for line in running.lines.getvalue().splitlines()]
    assert [(each["status"], each["request_id"]) for each in lines if each["status"] == 404] == [
        (404, "line-4.17")
    ]


def test_an_error_of_ours_tells_nothing_of_the_inside(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("a secret of the inside")

    monkeypatch.setattr(running.plant.products, "all", broken)
    answer = running.client.get("/v1/products")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    line = next(line for line in running.lines.getvalue().splitlines() if "ZeroDivision" in line)
    assert json.loads(line)["request_id"] == answer.headers["x-request-id"]
