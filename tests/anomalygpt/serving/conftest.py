"""The small assistant of the other tests, with short answers, and the page in a real browser."""

from __future__ import annotations

import gc
import os
import re
import shutil
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anomalygpt import AnomalyGPT
from anomalygpt.presets import PRESETS
from anomalygpt.products.plant import Plant
from anomalygpt.serving import server as server_module
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.server import Server
from anomalygpt.serving.settings import ServerSettings

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
# The first is the same without windows, and the quickest.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# An inspection takes a second on an idle machine, and much longer on a busy one.
PATIENCE = 60_000
# Seconds; streams of the tests end within two, on a busy machine within ten.
LONGEST_STREAM = 30


@pytest.fixture
def served(assistant: AnomalyGPT) -> AnomalyGPT:
    """The assistant that answers the page."""
    return assistant


@pytest.fixture(scope="module", autouse=True)
def _swept() -> Iterator[None]:
    """Gradio leaves event loops and sockets open, which pytest would call errors at the end."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


class Running:
    """A server in a thread of this process."""

    def __init__(
        self, settings: ServerSettings, assistant: AnomalyGPT, plant: Plant | None = None
    ) -> None:
        import uvicorn

        self.server = Server(settings, Engine(settings, lambda _: assistant, plant))
        listener = server_module.listen("127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.uvicorn = uvicorn.Server(uvicorn.Config(self.server.app, log_level="critical"))
        self.thread = threading.Thread(
            target=self.uvicorn.run, kwargs={"sockets": [listener]}, daemon=True
        )
        self.thread.start()
        while not self.uvicorn.started:
            self.thread.join(0.02)

    def close(self) -> None:
        self.uvicorn.should_exit = True
        self.uvicorn.force_exit = True
        self.thread.join(10)
        self.server.close()


class Visitor:
    """A page that is open, with what a person does on it; all else is Playwright's own page."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.streams: set[Any] = set()
        for event, change in (
            ("request", self.streams.add),
            ("requestfinished", self.streams.discard),
            ("requestfailed", self.streams.discard),
        ):
            page.on(event, lambda each, change=change: "queue/data" in each.url and change(each))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.page, name)

    def give_references(self, *paths: Path) -> None:
        self.locator("#references input[type=file]").first.set_input_files(list(paths))

    def give_photo(self, path: Path) -> None:
        self.locator("#photo input[type=file]").first.set_input_files(path)

    def inspect_plate(self, name: str = "scratched.jpg") -> None:
        """One good part and a photo; returns when the verdict is there and its stream ended."""
        from playwright.sync_api import expect

        self.give_references(EXAMPLES / "plate" / "good_1.jpg")
        expect(self.locator("#references .thumbnail-item img")).to_have_count(1)
        self.give_photo(EXAMPLES / "plate" / name)
        expect(self.locator(".verdict")).to_contain_text(name)
        expect(self.locator(".verdict")).to_contain_text("one good part")
        self.until_streams_end()

    def until_streams_end(self) -> None:
        """Wait until the server has said all that it has to say; the end of a stream may get lost
        on the way to us, so not for ever: what is expected next shows whether it was said."""
        until = time.monotonic() + LONGEST_STREAM
        while self.streams and time.monotonic() < until:
            self.wait_for_timeout(20)

    def said(self, who: str) -> Any:
        """The messages of "user" or "bot"."""
        return self.locator(f"#chat [data-testid={who}]")

    def ask(self, question: str) -> None:
        self.locator("#question textarea").fill(question)
        self.locator("#question textarea").press("Enter")


@pytest.fixture(scope="package")
def inspector() -> AnomalyGPT:
    if not PRESETS["embedded"].is_dir():
        pytest.skip("no embedded model is here")
    if not EXAMPLES.is_dir():
        pytest.skip("the photos of examples are not here")
    return AnomalyGPT.from_pretrained("embedded", device="cpu")


@pytest.fixture
def serve(
    inspector: AnomalyGPT, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Running]]:
    """Starts further servers, and ends them."""
    # A server says for its process where uploads go: afterwards it is where it was.
    monkeypatch.setenv("GRADIO_TEMP_DIR", os.environ.get("GRADIO_TEMP_DIR", ""))
    made: list[Running] = []

    def serve(settings: ServerSettings, plant: Plant | None = None) -> Running:
        made.append(Running(settings, inspector, plant))
        return made[-1]

    yield serve
    for each in made:
        each.close()


@pytest.fixture(scope="package")
def running(inspector: AnomalyGPT) -> Iterator[Running]:
    made = Running(ServerSettings(port=0, max_upload_mb=1.0), inspector)
    yield made
    made.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is missing")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)}")
    sync_api.expect.set_options(timeout=PATIENCE)
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def person(browser: Any, running: Running) -> Iterator[Any]:
    """Somebody's browser, which keeps the scripts of the page from one test to the next."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def visit(browser: Any, person: Any, running: Running) -> Iterator[Callable[..., Visitor]]:
    """Opens the page, from the second time on in a test for another person.

    An error or a warning of a script fails the test.
    """
    pages: list[Any] = []
    errors: list[str] = []

    def note(text: str) -> None:
        # What Gradio's open streams say when their page is left or read again.
        if not re.search("AbortError|Connection errored out", text):
            errors.append(text)

    def complain(message: Any) -> None:
        if message.type in ("error", "warning"):
            note(message.text)

    def visit(width: int = 1280, height: int = 950, colours: str = "light") -> Visitor:
        page = (browser.new_context() if pages else person).new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=colours)
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: note(str(error)))
        page.on("console", complain)
        # What is on the page answers once it has asked what lies on the desk.
        with page.expect_response(re.compile("queue/join")):
            page.goto(running.address)
        return Visitor(page)

    yield visit
    for page in pages:
        page.close() if page.context == person else page.context.close()
    assert errors == []


@pytest.fixture
def page(visit: Callable[..., Visitor]) -> Visitor:
    return visit()
