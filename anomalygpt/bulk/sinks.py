"""Who is told about results of a stream: a CSV file, a web address, an MQTT broker.

They get the result, never the photo. Whatever they cannot take stays in the spool, and is told
again later.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from anomalygpt.bulk.spool import Spool
from anomalygpt.bulk.table import COLUMNS, Row
from anomalygpt.errors import AnomalyGPTError, ConfigError, MissingExtraError
from anomalygpt.files import reason_of, shown
from anomalygpt.proxies import unusable_proxy

TIMEOUT = 10.0  # seconds
FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0  # seconds between two tries; each is twice the one before
TOKEN_VARIABLE = "ANOMALYGPT_WEBHOOK_TOKEN"
USER_VARIABLE, PASSWORD_VARIABLE = "ANOMALYGPT_MQTT_USER", "ANOMALYGPT_MQTT_PASSWORD"
ENCRYPTED_PORT = 8883

_TOPIC = re.compile(r"(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\])(:(?P<port>\d{1,5}))?/(?P<topic>[^#+\0]+)")
_NOW_BUSY = (408, 425, 429)


class SinkError(Exception):
    """A result was not received.

    Attributes:
        alone: True where only this result was refused, and others may pass.
    """

    def __init__(self, message: str, *, alone: bool = False) -> None:
        super().__init__(message)
        self.alone = alone


class Sink(Protocol):
    """Who is told.

    Attributes:
        name: the same as long as it is the same place; it holds no password.
        title: what people call it.
    """

    name: str
    title: str

    def send(self, message: Row) -> None:
        """Tell one result.

        Raises:
            SinkError: it was not received.
        """

    def close(self) -> None:
        """Give connections and files back."""


class CsvSink:
    """Lines of a CSV file, whose columns are "id" and those of the table. Each result is there
    once, also after a process was killed between writing and noting it down."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            ConfigError: the file is another table.
        """
        self.name, self.title = f"csv {path.resolve()}", shown(path)
        self._path, self._columns = path, ["id", *COLUMNS]
        self._known = self._read()

    def send(self, message: Row) -> None:
        if message["id"] in self._known:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns)
        try:
            with self._path.open("ab") as file:
                if not file.tell():
                    writer.writeheader()
                writer.writerow(message)
                begun = file.tell()
                try:
                    file.write(text.getvalue().encode())
                    file.flush()
                except OSError:
                    os.truncate(self._path, begun)  # a full disk left half a line
                    raise
        except OSError as error:
            raise SinkError(f"cannot be written: {reason_of(error)}") from error
        self._known.add(message["id"])

    def close(self) -> None:
        """Nothing is open between two lines."""

    def _read(self) -> set[str]:
        """The results that are there; half a line of a killed process is taken away."""
        if not self._path.is_file() or not self._path.stat().st_size:
            return set()
        content = self._path.read_bytes()
        if not content.endswith(b"\n"):
            content = content[: content.rfind(b"\n") + 1]
            os.truncate(self._path, len(content))
        lines = csv.DictReader(io.StringIO(content.decode("utf-8", "replace")))
        if content and list(lines.fieldnames or ()) != self._columns:
            raise ConfigError(f"{self.title} is another table; name a file of its own for --csv")
        return {line["id"] for line in lines}


class WebhookSink:
    """POST of a JSON object to one address; redirects are not followed.

    What ANOMALYGPT_WEBHOOK_TOKEN holds is sent as a bearer token.
    """

    def __init__(self, url: str) -> None:
        """
        Raises:
            ConfigError: this is no web address, or a proxy is set that cannot be used.
        """
        import httpx

        host = _host_of(url)
        self.name = f"webhook {hashlib.sha256(url.encode()).hexdigest()[:16]}"
        self.title = f"the webhook at {host}"
        if (problem := unusable_proxy()) is not None:
            raise ConfigError(problem)
        token = os.environ.get(TOKEN_VARIABLE)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._url = url
        self._client = httpx.Client(timeout=TIMEOUT, follow_redirects=False, headers=headers)

    def send(self, message: Row) -> None:
        import httpx

        try:
            answer = self._client.post(
                self._url, json=as_told(message), headers={"Idempotency-Key": message["id"]}
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise SinkError(f"does not answer: {reason_of(error)}") from error
        status = answer.status_code
        if answer.is_success:
            return
        if answer.is_redirect:
            raise SinkError(f"sends elsewhere ({status}), which is not followed; name that address")
        alone = 400 <= status < 500 and status not in (401, 403, 404, *_NOW_BUSY)
        raise SinkError(f"refuses with status {status}", alone=alone)

    def close(self) -> None:
        self._client.close()


class MqttSink:
    """Messages of a topic, at least once each (QoS 1). Port 8883 is encrypted; user and password
    are read from ANOMALYGPT_MQTT_USER and ANOMALYGPT_MQTT_PASSWORD."""

    def __init__(self, address: str) -> None:
        """
        Args:
            address: HOST[:PORT]/TOPIC.

        Raises:
            ConfigError: this is no such address.
            MissingExtraError: paho-mqtt is not installed.
        """
        found = _TOPIC.fullmatch(address.removeprefix("mqtt://"))
        if found is None or int(found["port"] or 1883) > 65535:
            raise ConfigError(
                f"--mqtt is HOST[:PORT]/TOPIC, such as broker:1883/line3/inspection, got "
                f"{shown(address)!r}"
            )
        self._host, self._port = found["host"].strip("[]"), int(found["port"] or 1883)
        self._topic = found["topic"]
        self.name = f"mqtt {self._host}:{self._port}/{self._topic}"
        self.title = f"the broker at {self._host}:{self._port}"
        self._client: Any = None
        _mqtt_client()  # its package is asked for before anything is inspected

    def send(self, message: Row) -> None:
        try:
            client = self._connected()
            told = client.publish(self._topic, json.dumps(as_told(message)), qos=1)
            told.wait_for_publish(TIMEOUT)
            if not told.is_published():
                raise SinkError("has not confirmed a message")
        except (OSError, ValueError, RuntimeError, SinkError) as error:
            self.close()  # or a message that it kept would be sent beside the next try
            if isinstance(error, SinkError):
                raise
            raise SinkError(f"does not answer: {reason_of(error)}") from error

    def close(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def _connected(self) -> Any:
        if self._client is None:
            self._client = _mqtt_client()
            if self._port == ENCRYPTED_PORT:
                self._client.tls_set()
            self._client.connect(self._host, self._port, keepalive=60)
            self._client.loop_start()
        if not _until(self._client.is_connected):
            raise SinkError("does not answer, or refuses user and password")
        return self._client


def as_told(message: Row) -> Row:
    """A result as a JSON object: regions and cautions as lists."""
    lists = {name: json.loads(message[name] or "[]") for name in ("regions", "cautions")}
    return {**message, **lists}


@dataclass
class _Pause:
    """When a sink is tried again."""

    due: float = 0.0
    wait: float = FIRST_WAIT

    def longer(self, now: float) -> None:
        self.due = now + self.wait
        self.wait = min(LONGEST_WAIT, 2 * self.wait)


class Delivery:
    """Tells sinks what waits in the spool, in a thread of its own, so that one that is slow or
    gone does not stop inspections."""

    def __init__(self, spool: Spool, sinks: Sequence[Sink], told: Callable[[str], None]) -> None:
        """
        Args:
            spool: where results wait.
            sinks: who is told.
            told: hears in a line when a sink fails, and when it is back.
        """
        self._spool, self._sinks, self._told = spool, sinks, told
        self._pauses = {sink.name: _Pause() for sink in sinks}
        self._failing: dict[str, bool] = {}
        self._awake, self._ends = threading.Event(), threading.Event()
        self._error: AnomalyGPTError | None = None
        self._thread = threading.Thread(target=self._work, name="delivery", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Something waits.

        Raises:
            OutputError: the spool cannot be used any more.
        """
        if self._error is not None:
            raise self._error
        self._awake.set()

    def close(self, seconds: float = 5.0) -> dict[str, int]:
        """Try once more, for so many seconds, and end.

        Returns:
            How many results each sink has not received, by its title; they stay in the spool.
        """
        self._ends.set()
        self._awake.set()
        self._thread.join(seconds + TIMEOUT)
        left = {sink.title: self._spool.left(sink.name) for sink in self._sinks}
        for sink in self._sinks:
            sink.close()
        return {title: count for title, count in left.items() if count}

    def _work(self) -> None:
        try:
            while not self._ends.is_set():
                for sink in self._sinks:
                    if time.monotonic() >= self._pauses[sink.name].due:
                        self._deliver(sink)
                self._awake.wait(0.2 if self._sinks else None)
                self._awake.clear()
            for sink in self._sinks:
                self._deliver(sink)
        except AnomalyGPTError as error:
            self._error = error

    def _deliver(self, sink: Sink) -> None:
        """Everything that waits for a sink, until it fails."""
        last, refused = 0, ""
        pause = self._pauses[sink.name]
        while waiting := self._spool.waiting(sink.name, last):
            for each in waiting:
                last = each.number
                try:
                    sink.send(each.message)
                except SinkError as error:
                    refused = str(error)
                    if not error.alone:
                        pause.longer(time.monotonic())
                        self._tell(sink, refused)
                        return
                else:
                    self._spool.delivered(each)
        if refused:
            pause.longer(time.monotonic())
        else:
            self._pauses[sink.name] = _Pause()
        self._tell(sink, refused)

    def _tell(self, sink: Sink, refused: str) -> None:
        """A line when a sink begins to fail or is back, and none for each result."""
        if bool(refused) != self._failing.get(sink.name, False):
            self._failing[sink.name] = bool(refused)
            self._told(
                f"{sink.title} {refused}; results are kept and told again later"
                if refused
                else f"{sink.title} has all results now"
            )


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    except ValueError:
        pass
    raise ConfigError("--webhook is a web address that begins with http:// or https://")


def _until(true: Callable[[], bool]) -> bool:
    """Wait until something is true; False where it takes longer than `TIMEOUT`."""
    end = time.monotonic() + TIMEOUT
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _mqtt_client() -> Any:
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError:
        raise MissingExtraError(
            '--mqtt needs the package paho-mqtt; pip install "anomalygpt[watch]" brings it'
        ) from None
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect_timeout = TIMEOUT
    if user := os.environ.get(USER_VARIABLE):
        client.username_pw_set(user, os.environ.get(PASSWORD_VARIABLE))
    return client
