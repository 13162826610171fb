"""A server for one drawing, for this machine's own browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from anomalygpt.data.tools.drawing import Drawing
from anomalygpt.serving.drawing.routes import HEADERS, Drawings, drawing_routes
from anomalygpt.serving.listening import OWN_HOSTS, listen, shown_host


class DrawingServer:
    """Serves one drawing until it is told to stop.

    Attributes:
        app: the web application.
        address: what to open in a browser; it holds the word without which nothing is answered.
    """

    def __init__(self, drawing: Drawing, host: str = "127.0.0.1", port: int = 0) -> None:
        """
        Args:
            drawing: what is drawn on.
            host: address to listen at.
            port: 0 takes any free one.

        Raises:
            ConfigError: the address cannot be used.
        """
        drawings = Drawings()
        word = drawings.add(drawing)
        self._host = host
        self._listener = listen(host, port)
        port = self._listener.getsockname()[1]
        self.address = f"http://{shown_host(host)}:{port}/draw/{word}/"
        self.app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.app.middleware("http")(self._guard)
        self.app.include_router(drawing_routes(drawings))
        config = uvicorn.Config(self.app, log_level="warning", timeout_graceful_shutdown=3)
        self._server = uvicorn.Server(config)

    def run(self, ready: Callable[[str], None] = lambda address: None) -> None:
        """Listen until Ctrl-C or `stop`.

        Args:
            ready: called with the address once the page can be opened.
        """
        self.app.router.add_event_handler("startup", lambda: ready(self.address))
        self._server.run(sockets=[self._listener])

    def stop(self) -> None:
        """Let `run` end."""
        self._server.should_exit = True

    async def _guard(
        self, request: Request, go_on: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Refuse what other pages make a browser ask: under a foreign name, or from elsewhere."""
        named = request.headers.get("host", "")
        origin = request.headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc != named
        if foreign or not self._is_ours(named):
            return JSONResponse({"error": "asked from elsewhere"}, 403, headers=HEADERS)
        return await go_on(request)

    def _is_ours(self, named: str) -> bool:
        """Whether a Host header names this server; a name may lead here by another's doing."""
        if self._host in ("0.0.0.0", "::"):
            return True  # by which of its names others know the machine is not known here
        try:
            host = urlsplit(f"//{named}").hostname
        except ValueError:
            return False
        return host in (*OWN_HOSTS, self._host.partition("%")[0].lower())
