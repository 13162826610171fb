"""The service over the small assistant, in this process, and photos for it."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.products.plant import Plant
from anomalygpt.records.places import Place
from anomalygpt.serving.api.building import build
from anomalygpt.serving.api.logs import Log
from anomalygpt.serving.api.service import Service
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.settings import ServerSettings, ServiceSettings


def png(seed: int, side: int = 40) -> bytes:
    """A photo of its own for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side + 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


class Running:
    """A service, and clients of it."""

    def __init__(
        self, folder: Path, assistant: AnomalyGPT, options: ServiceSettings, most_mb: float = 1.0
    ) -> None:
        settings = ServerSettings(max_upload_mb=most_mb, queue_size=8)
        self.plant = Plant.open(Place.of(folder, f"sqlite:///{folder / 'a.sqlite'}"))
        self.lines = io.StringIO()
        self.engine = Engine(settings, lambda _: assistant, self.plant)
        self.service = Service(
            self.engine, self.plant, settings, options, folder / "incoming", Log(self.lines)
        )
        self.service.start()
        self.app = build(self.service)
        self.client = self.client_from("127.0.0.1")

    def client_from(self, address: str, **headers: str) -> TestClient:
        """A client at some address."""
        return TestClient(
            self.app,
            base_url="http://127.0.0.1",
            client=(address, 50000),
            headers=headers,
            raise_server_exceptions=False,
        )

    def with_key(self, *scopes: str, name: str = "tester") -> TestClient:
        """A client with a new key."""
        secret = self.service.keys.add(name, scopes)
        return self.client_from("10.0.0.9", Authorization=f"Bearer {secret}")

    def product(self, name: str = "bracket", **more: Any) -> dict[str, Any]:
        """A new product with one reference."""
        photos = [{"data": text(png(1)), "name": "good.png"}]
        body = {"name": name, "references": photos, "settings": {"detail": "whole"}, **more}
        answer = self.client.post("/v1/products", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def inspect(self, seed: int = 2, **more: Any) -> dict[str, Any]:
        """One photo, inspected by the product "bracket"."""
        body = {"photos": [{"data": text(png(seed))}], "product": "bracket", **more}
        answer = self.client.post("/v1/inspections", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["inspections"][0]

    def close(self) -> None:
        self.service.close()
        self.engine.close()
        self.plant.close()
