"""Attempts to get in, to get out and to fill it up, over HTTP as a browser would send them."""

from __future__ import annotations

import io
import json
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.cli import main
from anomalygpt.errors import BusyError, ConfigError
from anomalygpt.serving import server as server_module
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.server import Server
from anomalygpt.serving.settings import ServerSettings

# Gradio leaves event loops behind.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

SETTINGS = ServerSettings(port=0, max_upload_mb=1.0, queue_size=8)


class Running:
    """A server in a thread of this process."""

    def __init__(self, settings: ServerSettings, assistant: AnomalyGPT) -> None:
        self.server = Server(settings, Engine(settings, lambda _: assistant))
        self.listener = server_module.listen("127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        import uvicorn

        self.uvicorn = uvicorn.Server(uvicorn.Config(self.server.app, log_level="critical"))
        self.thread = threading.Thread(
            target=self.uvicorn.run, kwargs={"sockets": [self.listener]}, daemon=True
        )
        self.thread.start()
        self.client = httpx.Client(base_url=self.address, timeout=30, trust_env=False)
        while not self.uvicorn.started:
            self.thread.join(0.02)

    def close(self) -> None:
        self.client.close()
        self.uvicorn.should_exit = True
        self.thread.join(10)
        self.server.close()

    def upload(self, name: str, content: bytes) -> httpx.Response:
        return self.client.post("/gradio_api/upload", files={"files": (name, content)})

    def call(self, function: str, data: list[Any], session: str = "one") -> list[Any]:
        """What a page's function sends back: each update's data."""
        config = self.client.get("/config").json()
        number = next(each["id"] for each in config["dependencies"] if each["api_name"] == function)
        body = {"data": data, "fn_index": number, "session_hash": session}
        answer = self.client.post("/gradio_api/queue/join", json=body)
        if answer.status_code != 200:
            return [answer.status_code]
        found = []
        with self.client.stream("GET", f"/gradio_api/queue/data?session_hash={session}") as lines:
            for line in lines.iter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                if message["msg"] in ("process_generating", "process_completed"):
                    found.append(message.get("output", {}))
                if message["msg"] in ("process_completed", "close_stream"):
                    break
        return found


@pytest.fixture(scope="module")
def running(assistant: AnomalyGPT) -> Iterator[Running]:
    made = Running(SETTINGS, assistant)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _short(served: AnomalyGPT) -> None:
    """Verdicts are cut early."""


def png(side: int = 32) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def file_data(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def handed(path: str, text: str = "") -> list[Any]:
    """What the page sends: photo, good parts, description, model, product, colours, expert."""
    return [file_data(path), [], text, "embedded", "", "warm", False, "contour", False, "own"]


def inspect(running: Running, path: str, session: str, text: str = "") -> str:
    """All that the page is sent for one photo."""
    return json.dumps(running.call("page_inspect", handed(path, text), session))


def test_the_page_asks_for_nothing_from_elsewhere(running: Running) -> None:
    answer = running.client.get("/")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_photo_is_inspected(running: Running) -> None:
    (path,) = running.upload("a.png", png()).json()
    found = inspect(running, path, "photo")
    assert "verdict-words" in found
    assert "data:image/jpeg" in found


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../../../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "/proc/self/environ",
        str(Path(__file__)),
    ],
)
def test_no_file_of_the_machine_is_handed_out(running: Running, path: str) -> None:
    for route in ("/gradio_api/file=", "/file=", "/static/", "/assets/", "/gradio_api/file/"):
        answer = running.client.get(f"{route}{path}")
        assert answer.status_code in (400, 403, 404, 405), route
        assert "root:" not in answer.text
        assert "def test_" not in answer.text


def test_no_file_of_the_machine_is_inspected(running: Running, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png())
    found = inspect(running, str(secret), "secret")
    assert "verdict-words" not in found


@pytest.mark.parametrize("name", ["../../evil.png", "..\\evil.png", "/etc/evil.png", "a\0b.png"])
def test_uploads_stay_in_their_folder(running: Running, name: str) -> None:
    answer = running.upload(name, png())
    if answer.status_code == 200:
        (path,) = answer.json()
        assert Path(path).resolve().is_relative_to(running.server.folder.resolve())


def test_what_a_visitor_writes_is_text(running: Running) -> None:
    name = "<img src=x onerror=alert(1)>.png"
    (path,) = running.upload(name, png()).json()
    found = inspect(running, path, "text", "<script>alert(2)</script>${alert(3)}")
    assert "<script" not in found
    assert "<img src=x" not in found


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.png", b""),
        ("text.png", b"hello"),
        ("cut.png", png()[:100]),
        ("script.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("page.html", b"<script>alert(1)</script>"),
    ],
)
def test_what_is_no_photo_is_said_to_be_none(running: Running, name: str, content: bytes) -> None:
    answer = running.upload(name, content)
    if answer.status_code != 200:
        return
    (path,) = answer.json()
    found = inspect(running, path, f"none-{name}")
    assert "verdict-words" not in found
    assert "problem" in found or "error" in found
    fetched = running.client.get(f"/gradio_api/file={path}")
    if fetched.status_code == 200 and not fetched.headers["content-type"].startswith("image/png"):
        assert fetched.headers["content-disposition"].startswith("attachment")


def huge_png(width: int, height: int) -> bytes:
    """A small file that says it is that large, and would be."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    squeeze, line = zlib.compressobj(9), b"\0" * (1 + width // 8)
    content = b"".join(squeeze.compress(line) for _ in range(height)) + squeeze.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    )


def test_a_200_megapixel_bomb_is_refused(running: Running) -> None:
    bomb = huge_png(20_000, 10_000)
    assert len(bomb) < 1_000_000
    (path,) = running.upload("bomb.png", bomb).json()
    found = inspect(running, path, "bomb")
    assert "too large" in found
    assert "verdict-words" not in found


def test_a_zip_bomb_is_not_opened(running: Running) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", b"\0" * 50_000_000)
    (path,) = running.upload("bomb.png", file.getvalue()).json()
    assert "verdict-words" not in inspect(running, path, "zip")


def test_a_file_over_the_limit_is_refused(running: Running) -> None:
    before = sum(p.stat().st_size for p in running.server.folder.rglob("*") if p.is_file())
    assert running.upload("big.png", b"\0" * 1_500_000).status_code == 413
    assert running.upload("huge.png", b"\0" * 5_000_000).status_code == 413
    after = sum(p.stat().st_size for p in running.server.folder.rglob("*") if p.is_file())
    assert after - before < 1_100_000


def test_many_requests_are_bounded(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are answered or refused, and the server goes on as before."""
    worker, all_came = running.server.engine.worker, threading.Event()
    step = worker.step
    # Nothing is finished while they come, however fast the machine is.
    monkeypatch.setattr(worker, "step", lambda ticket: all_came.wait(300) and step(ticket))
    (path,) = running.upload("a.png", png()).json()
    config = running.client.get("/config").json()
    number = next(d["id"] for d in config["dependencies"] if d["api_name"] == "page_inspect")

    def join(count: int) -> int:
        body = {"data": handed(path), "fn_index": number, "session_hash": f"many-{count}"}
        return running.client.post("/gradio_api/queue/join", json=body).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = set(pool.map(join, range(300)))
    assert statuses <= {200, 503}
    assert 503 in statuses
    engine = running.server.engine
    assert 0 < engine.pending <= SETTINGS.queue_size
    all_came.set()
    for _ in range(600):
        if engine.pending == 0:
            break
        threading.Event().wait(0.1)
    assert "verdict-words" in inspect(running, path, "after")


def test_sessions_do_not_see_each_other(running: Running) -> None:
    (path,) = running.upload("mine.png", png()).json()
    assert "mine.png" in inspect(running, path, "first")
    talk = running.call("page_ask", ["Where?", 16, 0], "second")
    assert "mine.png" not in json.dumps(talk)
    assert running.call("download", [""] * 3, "second")[-1]["data"] == [None]


def test_what_is_on_the_page_is_not_drawn_again(running: Running) -> None:
    """What is drawn late would lack an answer that has come meanwhile."""
    (path,) = running.upload("once.png", png()).json()
    first, again = (
        running.call("page_inspect", handed(path), "once")[-1]["data"] for _ in range(2)
    )
    assert not all(map(is_left_as_it_is, first))
    assert all(map(is_left_as_it_is, again))
    running.call("page_ask", ["Where?", 16, 0], "once")
    assert all(map(is_left_as_it_is, running.call("reopen", [1, "warm"], "once")[-1]["data"]))


def is_left_as_it_is(value: Any) -> bool:
    """Whether this changes nothing of a part of the page."""
    if not isinstance(value, dict):
        return False
    told = {**value, **value.get("props", {}), "props": None}
    return told == {"__type__": "update", "props": None}


def test_a_desk_is_found_again_by_its_tab_alone(running: Running) -> None:
    (path,) = running.upload("kept.png", png()).json()
    tab = "0123456789abcdef" * 2
    running.call("arrive", [tab, "warm"], "before")
    inspect(running, path, "before")
    assert "kept.png" in json.dumps(running.call("arrive", [tab, "warm"], "reloaded"))
    for other in (tab[:-1] + "0", "before", "", tab.upper()):
        assert "kept.png" not in json.dumps(running.call("arrive", [other, "warm"], f"x{other}"))


def test_programs_inspect_and_ask(running: Running) -> None:
    (photo,), (good,) = (running.upload(f"{n}.png", png(n)).json() for n in (30, 40))
    (*_, found) = running.call("inspect", [file_data(photo), [file_data(good)], ""], "program")
    (written,) = found["data"]
    assert written["schema_version"] == 1
    assert written["references"] == ["40.png"]
    question = [file_data(photo), "Where is it?", None, ""]
    (*_, answer) = running.call("ask", question, "program-2")
    assert isinstance(answer["data"][0], str)
    # They leave nothing on a desk.
    assert "30.png" not in json.dumps(running.call("arrive", ["", "warm"], "program"))


def test_programs_are_refused_in_words(running: Running, tmp_path: Path) -> None:
    (photo,) = running.upload("a.png", png()).json()
    (text,) = running.upload("text.png", b"hello").json()
    secret = tmp_path / "secret.png"
    secret.write_bytes(png())
    for function, data, words in (
        ("inspect", [None, None, ""], "give a photo"),
        ("inspect", [file_data(text), None, ""], "text.png is"),
        ("inspect", [file_data(photo), None, "a" * 400], "at most 300"),
        ("ask", [file_data(photo), "a" * 600, None, ""], "at most 500"),
        ("inspect", [file_data(str(secret)), None, ""], ""),
    ):
        found = json.dumps(running.call(function, data, f"refused-{words}"))
        assert words in found
        assert "schema_version" not in found
        assert str(running.server.folder) not in found


def test_programs_find_two_calls(running: Running) -> None:
    named = running.client.get("/gradio_api/info").json()["named_endpoints"]
    assert set(named) == {"/inspect", "/ask"}


def test_a_password_is_asked_for(assistant: AnomalyGPT) -> None:
    settings = ServerSettings(port=0, auth=("eva", "secret"))
    made = Running(settings, assistant)
    try:
        assert made.client.get("/config").status_code == 401
        wrong = {"username": "eva", "password": "wrong"}
        assert made.client.post("/login", data=wrong).status_code == 400
        assert made.upload("a.png", png()).status_code == 401
        right = {"username": "eva", "password": "secret"}
        assert made.client.post("/login", data=right).status_code == 200
        assert made.client.get("/config").status_code == 200
    finally:
        made.close()


def test_a_port_that_is_taken_is_said(running: Running) -> None:
    port = running.listener.getsockname()[1]
    with pytest.raises(ConfigError, match="another --port"):
        server_module.listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:80/"),
        ("0.0.0.0", "http://127.0.0.1:80/"),
        ("::", "http://[::1]:80/"),
        ("::1", "http://[::1]:80/"),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]:80/"),
        ("inspector.local", "http://inspector.local:80/"),
    ],
)
def test_the_address_that_is_printed_can_be_opened(host: str, address: str) -> None:
    assert server_module.address_of(ServerSettings(host=host), 80) == address


def test_ctrl_c_says_that_the_server_has_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(engine: Engine) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Engine, "prepare", interrupted)
    monkeypatch.setattr(server_module.signal, "signal", lambda *_: None)
    assert main(["demo", "--port", "0"]) == 0
    said = capsys.readouterr()
    assert "the server has stopped" in said.out
    assert "complete" not in said.out + said.err


def test_closing_deletes_what_visitors_left(assistant: AnomalyGPT) -> None:
    made = Running(SETTINGS, assistant)
    made.upload("a.png", png())
    folder = made.server.folder
    assert folder.exists()
    made.close()
    assert not folder.exists()
    with pytest.raises(BusyError):
        made.server.engine.ask(None, "x", None)  # type: ignore[arg-type]
