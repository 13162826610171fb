"""A folder of photos, and a server that lets people draw on them."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from anomalygpt.data.tools.drawing import Drawing, Propose
from anomalygpt.serving.drawing.server import DrawingServer

# Height and width of the photos.
SIZE = (120, 200)


class Served:
    """A drawing server in a thread, and what it answers."""

    def __init__(self, folder: Path, propose: Propose | None = None, port: int = 0) -> None:
        self.folder = folder
        self.drawing = Drawing(folder, propose)
        self.server = DrawingServer(self.drawing, port=port)
        self.address = self.server.address
        parts = urlsplit(self.address)
        self.port, self.path = int(parts.port or 0), parts.path
        started = threading.Event()
        self.thread = threading.Thread(
            target=self.server.run, args=(lambda address: started.set(),), daemon=True
        )
        self.thread.start()
        assert started.wait(30)

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in small letters, and content; a path without "/" is the drawing's."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            whole = path if path.startswith("/") else self.path + path
            connection.request(method, whole, body, headers)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, names, answer.read()
        finally:
            connection.close()

    def told(self, path: str, **options: Any) -> Any:
        """What is answered, as JSON."""
        return json.loads(self.ask(path, **options)[2])

    def close(self) -> None:
        self.server.stop()
        self.thread.join(10)


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """A product with good parts and three photos of cracks."""
    folder = tmp_path / "bottle"
    for name in ("train/good/0", "test/good/1", "test/crack/000", "test/crack/001"):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(len(name)).integers(90, 160, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    turned = Image.Exif()
    turned[0x0112] = 6  # by 90°
    Image.new("RGB", (90, 60), "grey").save(folder / "test/crack/002.jpg", exif=turned)
    return folder


@pytest.fixture
def serve_drawing() -> Iterator[Callable[..., Served]]:
    """Starts servers, and ends them."""
    made: list[Served] = []

    def serve(folder: Path, propose: Propose | None = None, port: int = 0) -> Served:
        made.append(Served(folder, propose, port))
        return made[-1]

    yield serve
    for each in made:
        each.close()


@pytest.fixture
def drawn(serve_drawing: Callable[..., Served], product: Path) -> Served:
    return serve_drawing(product)
