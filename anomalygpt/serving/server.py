"""The web server around the page: headers, limits, and an orderly start and end."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

# Before Gradio is imported: it asks its makers for news unless told not to.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from anomalygpt.errors import ConfigError
from anomalygpt.presets import find_examples
from anomalygpt.products.plant import Plant
from anomalygpt.records.keys import Keys
from anomalygpt.records.places import Place
from anomalygpt.serving.api.building import Beside, build
from anomalygpt.serving.api.locking import only_server
from anomalygpt.serving.api.patience import Impatient
from anomalygpt.serving.api.service import Service
from anomalygpt.serving.desk.mounting import mounted
from anomalygpt.serving.desk.page import Page
from anomalygpt.serving.desk.sessions import Desks
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.listening import OWN_HOSTS, listen, shown_host
from anomalygpt.serving.settings import ServerSettings, ServiceSettings

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

    def __init__(
        self,
        settings: ServerSettings,
        engine: Engine | None = None,
        options: ServiceSettings | None = None,
        has_page: bool = True,
    ) -> None:
        """
        Args:
            settings: of the server.
            engine: that inspects; None makes one.
            options: of the service for programs; None for the page alone.
            has_page: False for the service alone.

        Raises:
            ConfigError: a service without a plant.
        """
        self.settings = settings
        self.folder = Path(tempfile.mkdtemp(prefix="anomalygpt-web-"))
        # Uploads land here, and go with it.
        os.environ["GRADIO_TEMP_DIR"] = str(self.folder / "uploads")
        self.engine = engine or Engine(settings)
        self.desks = Desks(self.folder / "desks")
        self.service = None if options is None else self._service(options)
        self.app = self._app(has_page)
        atexit.register(self.close)

    def close(self) -> None:
        """End the worker and delete what visitors left."""
        atexit.unregister(self.close)
        if self.service is not None:
            self.service.close()
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
        patience = 3 if self.service is None else self.service.options.stop_seconds
        server = Told(
            uvicorn.Config(
                self.app,
                log_level="warning",
                http=Impatient,
                timeout_graceful_shutdown=patience,
            ),
            self.service,
        )
        if self.service is not None:
            self.service.start()
        self.app.router.add_event_handler("startup", lambda: ready(address))
        server.run(sockets=[listener])

    def _service(self, options: ServiceSettings) -> Service:
        plant = self.engine.plant
        if plant is None:
            raise ConfigError("a service keeps what it finds; give its engine a plant")
        return Service(self.engine, plant, self.settings, options, self.folder / "incoming")

    def _app(self, has_page: bool) -> FastAPI:
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        app.middleware("http")(self._guard)
        if self.service is not None:  # added last, so it stands before the guard
            app.add_middleware(Beside, service=build(self.service))
        if not has_page:
            return app
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


class Told(uvicorn.Server):
    """A server whose service hears that it is to stop while requests are still answered."""

    def __init__(self, config: uvicorn.Config, service: Service | None) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See `uvicorn.Server`."""
        if self._service is not None:
            self._service.is_stopping = True
        super().handle_exit(sig, frame)


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
    engine = Engine(settings)
    with _until_stopped():
        engine.prepare()
        server = Server(settings, engine)
        try:
            server.run(lambda address: print(f"Open {address} in a browser", flush=True))
        finally:
            server.close()
    print("anomalygpt: the server has stopped; what visitors left is deleted", flush=True)


def serve_programs(settings: ServerSettings, options: ServiceSettings, place: Place) -> None:
    """Serve programs, and the page where nobody else reaches it or a password guards it.

    Raises:
        ConfigError: others can reach the server and there is no key, or another server uses the
            data folder.
        RecordsError, OutputError: the database cannot be used.
    """
    is_own = settings.host in OWN_HOSTS
    has_page = is_own or settings.auth is not None
    with only_server(place.folder), _opened(place) as plant:
        if not is_own and not Keys(plant.database).any():
            raise ConfigError(
                f"{settings.host} is reached by others and there is no key yet; make one with "
                "`anomalygpt key add NAME --scope read inspect`, or leave --host out"
            )
        engine = Engine(settings, plant=plant)
        with _until_stopped():
            engine.prepare()
            server = Server(settings, engine, options, has_page)
            try:
                server.run(lambda address: print(_greeting(address, has_page), flush=True))
            finally:
                server.close()
    print("anomalygpt: the server has stopped; what was answered is on record", flush=True)


def _greeting(address: str, has_page: bool) -> str:
    page = f"Open {address} in a browser; " if has_page else "No page without --auth; "
    return f"{page}programs find {address}v1/openapi.json"


@contextmanager
def _opened(place: Place) -> Iterator[Plant]:
    plant = Plant.open(place)
    try:
        yield plant
    finally:
        plant.close()


@contextmanager
def _until_stopped() -> Iterator[None]:
    """The block ends well with Ctrl-C or `kill`, the usual end of a server."""
    # Without this a plain `kill` would end the process before visitors' photos are deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        yield
