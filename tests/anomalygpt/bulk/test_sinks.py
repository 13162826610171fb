"""Who is told about results: nothing is lost while they are away, only results are told."""

from __future__ import annotations

import csv
import errno
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from anomalygpt.bulk import sinks
from anomalygpt.bulk.sinks import CsvSink, Delivery, MqttSink, SinkError, WebhookSink, as_told
from anomalygpt.bulk.sources import Found
from anomalygpt.bulk.spool import Spool, mark_of
from anomalygpt.bulk.table import Row, row_of
from anomalygpt.errors import ConfigError, ImageError, OutputError


def photo(number: int) -> Found:
    return Found(f"{number}.png", f"/secret/{number}.png", 5, "1")


def row(number: int) -> Row:
    return {**row_of(photo(number), ImageError("bad"), 0.1), "regions": '[{"score": 0.5}]'}


def message(number: int) -> Row:
    return {"id": mark_of(photo(number)), **row(number)}


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool.sqlite3")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch, without_socks: None) -> None:
    monkeypatch.setattr(sinks, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(sinks, "LONGEST_WAIT", 0.2)
    monkeypatch.setattr(sinks, "TIMEOUT", 2.0)


class Hook:
    """A web server that keeps what it is sent, and answers as it is told."""

    def __init__(self, port: int = 0) -> None:
        self.status, self.got, self.headers = 200, [], []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.status == 200:
                    hook.got.append(json.loads(body))
                    hook.headers.append(dict(self.headers))
                self.send_response(hook.status)
                if hook.status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


# --- the spool -----------------------------------------------------------------------------------


def test_a_result_is_kept_once_and_told_once(spool: Spool) -> None:
    for _ in range(2):
        spool.keep(photo(1), row(1), ["a", "b"], settled=False)
    assert (spool.done, spool.left("a"), spool.left("b")) == (1, 1, 1)
    assert spool.knows(photo(1))
    assert not spool.knows(Found("1.png", "/secret/1.png", 5, "2"))
    assert spool.unsettled(photo(1)) == row(1)
    spool.settle(photo(1))
    assert spool.unsettled(photo(1)) is None
    (waiting,) = spool.waiting("a")
    assert waiting.message == message(1)
    spool.delivered(waiting)
    assert (spool.left("a"), spool.left("b")) == (0, 1)


def test_a_spool_is_there_after_a_restart_and_has_one_owner(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite3"
    first = Spool(path)
    first.keep(photo(1), row(1), ["a"])
    with pytest.raises(OutputError, match="another process works with"):
        Spool(path)
    first.close()
    again = Spool(path)
    assert again.left("a") == 1
    again.close()
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(OutputError, match="cannot be used"):
        Spool(path)


# --- CSV -----------------------------------------------------------------------------------------


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_lines_are_there_once_and_half_ones_not(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    sink = CsvSink(path)
    for number in (1, 2, 2):
        sink.send(message(number))
    with path.open("ab") as file:
        file.write(b"half a li")  # of a process that was killed
    again = CsvSink(path)
    for number in (2, 3):  # it was killed before it noted that 2 is told
        again.send(message(number))
    assert [line["image"] for line in lines(path)] == ["1.png", "2.png", "3.png"]
    assert {line["error"] for line in lines(path)} == {"bad"}


def test_another_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("name,price\nnut,3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"other\.csv is another table"):
        CsvSink(path)
    assert path.read_text("utf-8") == "name,price\nnut,3\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk to write to")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    sink = CsvSink(Path("/dev/full"))
    with pytest.raises(SinkError, match=os.strerror(errno.ENOSPC)):
        sink.send(message(1))


# --- webhooks ------------------------------------------------------------------------------------


def test_a_webhook_gets_the_result_and_no_photo(hook: Hook, monkeypatch) -> None:
    monkeypatch.setenv(sinks.TOKEN_VARIABLE, "s3cret")
    sink = WebhookSink(hook.url)
    sink.send(message(1))
    sink.close()
    assert hook.got == [as_told(message(1))]
    assert hook.got[0]["regions"] == [{"score": 0.5}]
    assert "secret" not in json.dumps(hook.got)
    (headers,) = hook.headers
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["Idempotency-Key"] == message(1)["id"]
    assert "s3cret" not in sink.name + sink.title


@pytest.mark.parametrize(
    ("status", "said", "alone"),
    [(500, "status 500", False), (422, "status 422", True), (429, "status 429", False),
     (302, "sends elsewhere", False)],
)  # fmt: skip
def test_what_a_webhook_refuses(hook: Hook, status: int, said: str, alone: bool) -> None:
    hook.status = status
    sink = WebhookSink(hook.url)
    with pytest.raises(SinkError, match=said) as refused:
        sink.send(message(1))
    assert refused.value.alone is alone
    sink.close()


@pytest.mark.parametrize("url", ["ftp://host/x", "host/x", "http://", "http://[::1"])
def test_what_is_no_web_address(url: str) -> None:
    with pytest.raises(ConfigError, match="--webhook is a web address"):
        WebhookSink(url)


def test_a_webhook_that_is_down_gets_everything_later(spool: Spool) -> None:
    first = Hook()
    first.close()
    sink, told = WebhookSink(first.url), []
    delivery = Delivery(spool, [sink], told.append)
    for number in range(3):
        spool.keep(photo(number), row(number), [sink.name])
        delivery.wake()
    until(lambda: bool(told))
    assert "does not answer" in told[0]
    assert spool.left(sink.name) == 3
    back = Hook(first.port)
    until(lambda: spool.left(sink.name) == 0)
    assert [each["image"] for each in back.got] == ["0.png", "1.png", "2.png"]
    assert delivery.close() == {}
    assert told[1:] == [f"{sink.title} has all results now"]
    back.close()


def test_what_nobody_received_is_told_at_the_end_and_stays(spool: Spool) -> None:
    gone = Hook()
    gone.close()
    sink = WebhookSink(gone.url)
    delivery = Delivery(spool, [sink], lambda line: None)
    spool.keep(photo(1), row(1), [sink.name])
    assert delivery.close() == {sink.title: 1}
    assert spool.left(sink.name) == 1


def test_one_that_is_refused_does_not_stop_the_others(spool: Spool) -> None:
    class Picky:
        name = title = "picky"
        got: list[str]

        def __init__(self) -> None:
            self.got = []

        def send(self, message: Row) -> None:
            if message["image"] == "0.png":
                raise SinkError("refuses this one", alone=True)
            self.got.append(message["image"])

        def close(self) -> None:
            pass

    sink = Picky()
    for number in range(3):
        spool.keep(photo(number), row(number), [sink.name])
    delivery = Delivery(spool, [sink], lambda line: None)
    until(lambda: len(sink.got) == 2)
    assert delivery.close() == {"picky": 1}
    assert sink.got == ["1.png", "2.png"]


# --- MQTT ----------------------------------------------------------------------------------------


class Broker:
    """What MQTT 3.1.1 needs to take messages: CONNECT and PUBLISH are confirmed."""

    def __init__(self, port: int = 0) -> None:
        self.got: list[tuple[str, dict]] = []
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        # Closing alone would leave the port open for as long as a thread waits there.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client, client.makefile("rb") as stream:
                while head := stream.read(1):
                    size, shift = 0, 0
                    while True:
                        byte = stream.read(1)[0]
                        size |= (byte & 127) << shift
                        shift += 7
                        if byte < 128:
                            break
                    self._take(client, head[0] >> 4, stream.read(size))

    def _take(self, client: socket.socket, kind: int, body: bytes) -> None:
        if kind == 1:  # CONNECT
            client.sendall(b"\x20\x02\x00\x00")
        elif kind == 3:  # PUBLISH, QoS 1
            (length,) = struct.unpack(">H", body[:2])
            self.got.append((body[2 : 2 + length].decode(), json.loads(body[4 + length :])))
            client.sendall(b"\x40\x02" + body[2 + length : 4 + length])


def test_a_broker_gets_messages_of_its_topic() -> None:
    pytest.importorskip("paho.mqtt.client")
    broker = Broker()
    sink = MqttSink(f"127.0.0.1:{broker.port}/line 3/inspection")
    for number in range(2):
        sink.send(message(number))
    sink.close()
    broker.close()
    assert broker.got == [("line 3/inspection", as_told(message(number))) for number in range(2)]


def test_a_broker_that_is_away_gets_them_later(spool: Spool) -> None:
    pytest.importorskip("paho.mqtt.client")
    away = Broker()
    away.close()
    sink = MqttSink(f"127.0.0.1:{away.port}/t")
    spool.keep(photo(1), row(1), [sink.name])
    told: list[str] = []
    delivery = Delivery(spool, [sink], told.append)
    until(lambda: bool(told))
    assert spool.left(sink.name) == 1
    broker = Broker(away.port)
    until(lambda: spool.left(sink.name) == 0)
    delivery.close()
    broker.close()
    assert [each["image"] for _, each in broker.got] == ["1.png"]


@pytest.mark.parametrize("address", ["host", "host:1883", "host:x/t", "host:99999/t", "h/a/#"])
def test_what_is_no_address_of_a_broker(address: str) -> None:
    pytest.importorskip("paho.mqtt.client")
    with pytest.raises(ConfigError, match=r"HOST\[:PORT\]/TOPIC"):
        MqttSink(address)
