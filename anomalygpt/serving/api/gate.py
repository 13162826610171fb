"""What every request passes through: its mark, its limits, its line in the log, its figures."""

from __future__ import annotations

import asyncio
import re
import time
from uuid import uuid4

from fastapi import FastAPI, HTTPException, Request
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from anomalygpt.serving.api.problems import RETRY_AFTER, Problem, answer_of, problem_of
from anomalygpt.serving.api.service import Service

# Paths that programs use; all others are the page's.
PATHS = ("/v1", "/health", "/metrics")
# Photos of a request weigh at most so many times as much as the largest one.
TOTAL = 2
# Bytes a second below which a body comes too slowly, after the first `body_seconds`.
_SLOWEST = 10_000
_MARK = re.compile(r"[A-Za-z0-9._-]{1,64}")


def is_for_programs(path: str) -> bool:
    """Whether a path belongs to the service, and not to the page."""
    return any(path == each or path.startswith(f"{each}/") for each in PATHS)


class Gate:
    """An ASGI application around the routes."""

    def __init__(self, app: FastAPI, service: Service) -> None:
        self._app, self._service = app, service
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or whatever else the server sends, which is passed on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passage = Passage(self._service, scope, receive, send)
        self._inside += 1
        try:
            refusal = self._refusal(passage)
            if refusal is not None:
                await answer_of(refusal, Request(scope))(scope, receive, passage.send)
                return
            await self._app(scope, passage.receive, passage.send)
        except ClientDisconnect:
            passage.status = 499  # nobody is there to be answered
        except Exception as error:
            self._service.log.failed(error, request_id=passage.mark)
            if not passage.status:
                answer = answer_of(problem_of(error), Request(scope))
                await answer(scope, receive, passage.send)
        finally:
            self._inside -= 1
            passage.end()

    def _refusal(self, passage: Passage) -> Problem | None:
        """Why a request is not even read; None where it may come in."""
        if passage.length > passage.most:
            return _too_large(self._service)
        if not passage.scope["path"].startswith("/v1"):
            return None
        if self._service.is_stopping:
            return _later("the server is stopping; ask again in a moment")
        if self._inside > 2 * self._service.settings.queue_size + 16:
            return _later("too many requests are being read; ask again in a moment")
        return None


class Passage:
    """One request on its way.

    Attributes:
        scope: of ASGI.
        mark: its id, the caller's own or a new one.
        status: of its answer; 0 before.
        length: bytes of its body, as far as it tells.
        most: bytes that its body may have.
    """

    def __init__(self, service: Service, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._service = scope, service
        self._receive, self._send = receive, send
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        given = headers.get(b"x-request-id", "")
        self.mark = given if _MARK.fullmatch(given) else uuid4().hex
        length = headers.get(b"content-length", "0")
        self.most = largest_body(service)
        self.length = int(length) if length.isdecimal() and len(length) < 19 else self.most + 1
        self.status, self._came, self._is_whole = 0, 0, False
        self._begun = time.monotonic()
        scope.setdefault("state", {}).update(request_id=self.mark, who="")

    async def receive(self) -> Message:
        """The next piece of the body; too much and too slow are refused while they come."""
        if self._is_whole:
            return await self._receive()
        allowed = self._service.options.body_seconds
        gone = time.monotonic() - self._begun
        left = 2 * allowed + self._came / _SLOWEST - gone
        try:
            message = await asyncio.wait_for(self._receive(), max(0.01, min(allowed, left)))
        except asyncio.TimeoutError:
            self._is_whole = True
            detail = f"the body did not come within {allowed:g} seconds; send it again, faster"
            raise HTTPException(408, detail, {"Connection": "close"}) from None
        if message["type"] == "http.request":
            self._came += len(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
            if self._came > self.most:
                self._is_whole = True
                raise _too_large(self._service)
        return message

    async def send(self, message: Message) -> None:
        """A piece of the answer, with headers that all answers have."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message.get("headers", []),
                (b"x-request-id", self.mark.encode()),
                (b"x-content-type-options", b"nosniff"),
                (b"cache-control", b"no-store"),
            ]
        await self._send(message)

    def end(self) -> None:
        """Write down what became of it."""
        seconds = time.monotonic() - self._begun
        path = getattr(self.scope.get("route"), "path", "other")
        method = self.scope["method"]
        method = method if method in ("GET", "POST", "PATCH", "DELETE") else "other"
        self._service.metrics.answered(path, method, self.status, seconds)
        if not path.startswith("/health"):
            self._service.log.write(
                "request",
                request_id=self.mark,
                method=method,
                route=path,
                status=self.status,
                seconds=round(seconds, 4),
                bytes=self._came,
                who=self.scope["state"].get("who", ""),
            )


def largest_body(service: Service) -> int:
    """Bytes that a request may have; photos as base64 are a third longer."""
    return int(service.settings.max_upload_mb * TOTAL * 4 / 3 * 1024**2) + 1024**2


def _too_large(service: Service) -> Problem:
    return Problem(
        413,
        "too-large",
        f"a photo has at most {service.settings.max_upload_mb:g} MB, all of a request at most "
        f"{TOTAL * service.settings.max_upload_mb:g} MB; send fewer at once, or smaller ones",
        headers={"Connection": "close"},
    )


def _later(detail: str) -> Problem:
    return Problem(
        503, "busy", detail, headers={"Retry-After": str(RETRY_AFTER), "Connection": "close"}
    )
