"""What the drawing page asks the server for. A drawing is found by a word that nobody guesses."""

from __future__ import annotations

import base64
import io
import secrets
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from PIL import Image
from starlette.concurrency import run_in_threadpool

from anomalygpt.data.tools.drawing import (
    Drawing,
    OutdatedError,
    Writer,
    count_regions,
    mask_of_runs,
    runs_of,
)
from anomalygpt.errors import AnomalyGPTError, OutputError
from anomalygpt.files import shown

STATIC = Path(__file__).parent / "static"
_KINDS = {
    "draw.css": "text/css; charset=utf-8",
    "draw.js": "text/javascript; charset=utf-8",
    "keeper.js": "text/javascript; charset=utf-8",
    "mask.js": "text/javascript; charset=utf-8",
    "view.js": "text/javascript; charset=utf-8",
}
# The page needs nothing but its own files, this server's answers, and pictures made of them.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# A mask of more bytes than this has millions of edges; no hand draws them.
MOST_BYTES = 64 * 1024**2


class Drawings:
    """Drawings that are open, each under a word of its own."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Drawing, Callable[[], None]]] = {}
        self._lock = threading.Lock()

    def add(self, drawing: Drawing, touched: Callable[[], None] = lambda: None) -> str:
        """Open a drawing.

        Args:
            drawing: what is drawn on.
            touched: called whenever somebody asks for it.

        Returns:
            The word by which it is found, 192 random bits.
        """
        word = secrets.token_urlsafe(24)
        with self._lock:
            self._open[word] = (drawing, touched)
        return word

    def of(self, word: str) -> Drawing | None:
        """The drawing of a word; None where there is none."""
        found = self._open.get(word)
        if found is None:
            return None
        found[1]()
        return found[0]

    def remove(self, word: str) -> None:
        """Close a drawing; its files stay."""
        with self._lock:
            self._open.pop(word, None)


def drawing_routes(drawings: Drawings) -> APIRouter:
    """The page and its answers, below /draw.

    Args:
        drawings: those that are open; others may be added later.
    """
    router = APIRouter(prefix="/draw", include_in_schema=False)
    handler = _Handler(drawings)
    router.add_api_route("/static/{name}", handler.static, methods=["GET"])
    router.add_api_route("/{word}/", handler.page, methods=["GET"])
    router.add_api_route("/{word}/photos", handler.photos, methods=["GET"])
    router.add_api_route("/{word}/masks.zip", handler.archive, methods=["GET"])
    photo = "/{word}/photos/{number:int}"
    router.add_api_route(f"{photo}/picture", handler.picture, methods=["GET"])
    router.add_api_route(f"{photo}/mask", handler.mask, methods=["GET"])
    router.add_api_route(f"{photo}/mask.png", handler.mask_file, methods=["GET"])
    router.add_api_route(f"{photo}/proposal", handler.proposal, methods=["GET"])
    router.add_api_route(f"{photo}/draft", handler.keep, methods=["POST"])
    router.add_api_route(f"{photo}/draft", handler.discard, methods=["DELETE"])
    router.add_api_route(f"{photo}/mask", handler.save, methods=["POST"])
    return router


class _Handler:
    """The answers. Reading and writing files happens in threads, where nobody waits for it."""

    def __init__(self, drawings: Drawings) -> None:
        self._drawings = drawings

    def static(self, name: str) -> Response:
        if name not in _KINDS:
            return _refused("there is no such file", 404)
        return _answer((STATIC / name).read_bytes(), _KINDS[name])

    def page(self, word: str) -> Response:
        if self._drawings.of(word) is None:
            return _refused("this address is not, or no longer, open for drawing", 404)
        return _answer((STATIC / "draw.html").read_bytes(), "text/html; charset=utf-8")

    def photos(self, word: str) -> Response:
        def told(drawing: Drawing) -> Response:
            states = drawing.states()
            listed = [
                {"name": shown(each.photo.name), "group": shown(each.group), "state": state}
                for each, state in zip(drawing.canvases, states, strict=True)
            ]
            return _json({"photos": listed, "proposes": drawing.proposes})

        return self._answered(word, told)

    def picture(self, word: str, number: int) -> Response:
        def drawn(drawing: Drawing) -> Response:
            content = io.BytesIO()
            drawing.photo(number).save(content, "JPEG", quality=95, subsampling=0)
            return _answer(content.getvalue(), "image/jpeg")

        return self._answered(word, drawn)

    def mask(self, word: str, number: int) -> Response:
        def told(drawing: Drawing) -> Response:
            opened = drawing.opened(number)
            state = {"state": opened.state, "version": opened.version, "note": opened.note}
            return _json({**state, **_told(opened.mask)})

        return self._answered(word, told)

    def mask_file(self, word: str, number: int) -> Response:
        def drawn(drawing: Drawing) -> Response:
            content = _png(drawing.opened(number).mask)
            return _answer(content, "image/png", drawing.canvas(number).name)

        return self._answered(word, drawn)

    def proposal(self, word: str, number: int) -> Response:
        return self._answered(word, lambda drawing: _json(_told(drawing.proposal(number))))

    def archive(self, word: str) -> Response:
        """All masks, the drafts among them."""

        def packed(drawing: Drawing) -> Response:
            content = io.BytesIO()
            with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
                for number, state in enumerate(drawing.states()):
                    if state != "empty":
                        canvas = drawing.canvases[number]
                        name = "/".join(filter(None, ("ground_truth", canvas.kind, canvas.name)))
                        archive.writestr(name, _png(drawing.opened(number).mask))
            return _answer(content.getvalue(), "application/zip", "masks.zip")

        return self._answered(word, packed)

    async def keep(self, request: Request, word: str, number: int) -> Response:
        return await self._written(request, word, number, Drawing.keep)

    async def save(self, request: Request, word: str, number: int) -> Response:
        return await self._written(request, word, number, Drawing.save)

    def discard(self, request: Request, word: str, number: int) -> Response:
        def done(drawing: Drawing) -> Response:
            base, writer = _writer(request)
            return _json({"version": drawing.discard(number, base, writer)})

        return self._answered(word, done)

    async def _written(
        self, request: Request, word: str, number: int, write: Callable[..., str]
    ) -> Response:
        if self._drawings.of(word) is None:  # before anything is read
            return self._answered(word, lambda drawing: _json({}))
        content = await _body(request)
        if content is None:
            return _refused(f"a mask has at most {MOST_BYTES // 1024**2} MB", 413)
        base, writer = _writer(request)

        def done(drawing: Drawing) -> Response:
            mask = mask_of_runs(content, drawing.size(number))
            version = write(drawing, number, mask, base, writer)
            return _json({"version": version, "regions": count_regions(mask)})

        return await run_in_threadpool(self._answered, word, done)

    def _answered(self, word: str, answer: Callable[[Drawing], Response]) -> Response:
        """An answer, or why there is none, without the folders of this machine."""
        drawing = self._drawings.of(word)
        if drawing is None:
            return _refused("this address is not, or no longer, open for drawing", 404)
        try:
            return answer(drawing)
        except OutdatedError as error:
            return _refused(str(error), 409)
        except OutputError as error:
            root = shown(drawing.canvases[0].root.parent)
            return _refused(str(error).replace(f"{root}/", ""), 507)
        except AnomalyGPTError as error:
            return _refused(str(error), 400)


def _told(mask: np.ndarray) -> dict[str, Any]:
    runs = base64.b64encode(runs_of(mask)).decode("ascii")
    return {"runs": runs, "regions": count_regions(mask)}


def _png(mask: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(content, "PNG")
    return content.getvalue()


def _writer(request: Request) -> tuple[str, Writer]:
    """What the page drew on, and who it is."""
    asked = request.query_params
    number = asked.get("number", "")
    count = int(number) if number.isdecimal() and len(number) < 16 else 0
    return asked.get("base", ""), Writer(asked.get("page", "")[:64], count)


async def _body(request: Request) -> bytes | None:
    """What was sent; None where it is too much, of which no more is read."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _answer(content: bytes, kind: str, name: str = "") -> Response:
    response = Response(content, media_type=kind, headers=HEADERS)
    if name:
        safe = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in name[:-4])
        disposition = f'attachment; filename="{safe}{name[-4:]}"'
        response.headers["Content-Disposition"] = disposition
    return response


def _json(values: dict[str, Any]) -> Response:
    return JSONResponse(values, headers=HEADERS)


def _refused(why: str, status: int) -> Response:
    return JSONResponse({"error": why}, status, headers=HEADERS)
