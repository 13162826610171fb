"""The web server around the page: headers, limits, and an orderly start and end."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

# Before Gradio is imported: it asks its makers for news unless told not to.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from anomalygpt.presets import find_examples
from anomalygpt.serving.desk.mounting import mounted
from anomalygpt.serving.desk.page import Page
from anomalygpt.serving.desk.sessions import Desks
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.listening import OWN_HOSTS, listen, shown_host
from anomalygpt.serving.settings import ServerSettings

# The browser itself refuses whatever would leave this server.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "font-src 'self' data:; connect-src 'self' ws: wss: blob: data:; worker-src 'self' blob:; "
    "frame-ancestors 'self'; object-src 'none'; base-uri 'self'; form-action 'self'"
)
# Files of a visitor are handed out as files and never shown as pages of this server.
_FILE_ROUTES = ("/gradio_api/file=", "/gradio_api/file/", "/file=")


class Server:
    """Everything that runs while the page is open; `close` undoes it."""

    def __init__(self, settings: ServerSettings, engine: Engine | None = None) -> None:
        self.settings = settings
        self.folder = Path(tempfile.mkdtemp(prefix="anomalygpt-web-"))
        # Uploads land here, and go with it.
        os.environ["GRADIO_TEMP_DIR"] = str(self.folder / "uploads")
        self.engine = engine or Engine(settings)
        self.desks = Desks(self.folder / "desks")
        self.app = self._app()
        atexit.register(self.close)

    def close(self) -> None:
        """End the worker and delete what visitors left."""
        atexit.unregister(self.close)
        self.engine.close()
        self.desks.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, ready: Callable[[str], None]) -> None:
        """Listen until the process is told to stop.

        Args:
            ready: called with the address once the page can be opened.

        Raises:
            ConfigError: the address cannot be used.
        """
        listener = listen(self.settings.host, self.settings.port)
        address = address_of(self.settings, listener.getsockname()[1])
        server = uvicorn.Server(
            uvicorn.Config(self.app, log_level="warning", timeout_graceful_shutdown=3)
        )
        self.app.router.add_event_handler("startup", lambda: ready(address))
        server.run(sockets=[listener])

    def _app(self) -> FastAPI:
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        app.middleware("http")(self._guard)
        return mounted(app, Page(self.engine, self.desks, find_examples()), self.settings)

    async def _guard(
        self, request: Request, go_on: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Refuse what is too large before it is read; add headers to all answers."""
        limit = (self.settings.max_upload_mb + 1) * 1024**2
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > limit:
            return JSONResponse(
                {"error": f"at most {self.settings.max_upload_mb:g} MB can be uploaded"}, 413
            )
        response = await go_on(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        path = request.url.path
        if any(route in path for route in _FILE_ROUTES) and not _is_picture(response):
            response.headers["Content-Disposition"] = "attachment"
        return response


def _is_picture(response: Response) -> bool:
    kind = response.headers.get("content-type", "")
    return kind.startswith("image/") and "svg" not in kind


def address_of(settings: ServerSettings, port: int) -> str:
    """What to type into a browser on this machine."""
    return f"http://{shown_host(settings.host)}:{port}{settings.root_path}/"


def serve(settings: ServerSettings) -> None:
    """Load the model, open the page, and serve until Ctrl-C."""
    if settings.auth is None and settings.host not in OWN_HOSTS:
        print(
            f"anomalygpt: {settings.host} is reached by others, and no --auth is set: whoever can "
            "reach it can use it",
            flush=True,
        )
    # Without this a plain `kill` would end the process before visitors' photos are deleted.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with suppress(KeyboardInterrupt):  # the usual end of a server
        _serve(settings)
    print("anomalygpt: the server has stopped; what visitors left is deleted", flush=True)


def _serve(settings: ServerSettings) -> None:
    engine = Engine(settings)
    engine.prepare()
    server = Server(settings, engine)
    try:
        server.run(lambda address: print(f"Open {address} in a browser", flush=True))
    finally:
        server.close()
