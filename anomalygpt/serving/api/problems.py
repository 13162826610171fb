"""What went wrong, as RFC 9457 wants it told; in OpenAI's form on the routes that speak as it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from anomalygpt.errors import (
    AnomalyGPTError,
    BusyError,
    ConfigError,
    DialogueTooLongError,
    ImageError,
    MissingPartError,
    OutputError,
    SourceError,
)

# Where OpenAI's clients read errors.
OPENAI_ROUTES = ("/v1/chat", "/v1/models")
# Seconds after which a busy server is asked again.
RETRY_AFTER = 2

_KINDS: tuple[tuple[type[AnomalyGPTError], int, str], ...] = (
    (BusyError, 503, "busy"),
    (SourceError, 404, "not-found"),
    (ImageError, 422, "unusable-photo"),
    (MissingPartError, 409, "missing-part"),
    (DialogueTooLongError, 400, "dialogue-too-long"),
    (ConfigError, 422, "unusable-value"),
    (OutputError, 507, "no-room"),
)
_MEANINGS = {
    404: "there is no such address; /v1/openapi.json lists those that are",
    405: "this address takes other methods; the header Allow names them",
}


class Problem(Exception):  # noqa: N818 (it is what is answered)
    """An answer that is not the one hoped for.

    Attributes:
        status: of HTTP.
        kind: a word for programs, the end of the problem's `type`.
        detail: what came, what was expected, and what to do.
        headers: of the answer.
        errors: where in the request, for several faults.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.headers, self.errors = dict(headers or {}), list(errors)

    def to_dict(self) -> dict[str, Any]:
        """The members that RFC 9457 names, and `errors` where there are several."""
        told: dict[str, Any] = {
            "type": f"urn:anomalygpt:problem:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        return {**told, "errors": self.errors} if self.errors else told


def problem_of(error: Exception) -> Problem:
    """What an error means for whoever asked over HTTP; nothing of the inside is told."""
    if isinstance(error, Problem):
        return error
    for kind, status, name in _KINDS:
        if isinstance(error, kind):
            headers = {"Retry-After": str(RETRY_AFTER)} if status == 503 else {}
            return Problem(status, name, " ".join(str(error).split()), headers=headers)
    if isinstance(error, AnomalyGPTError):
        return Problem(500, "server", " ".join(str(error).split()))
    return Problem(
        500, "server", "the server failed at this request; its log has more under the request's id"
    )


def answer_of(problem: Problem, request: Request) -> Response:
    """A problem as an answer, in the form that the route's clients read."""
    mark = request.scope.get("state", {}).get("request_id")
    if request.url.path.startswith(OPENAI_ROUTES):
        return JSONResponse(openai_error(problem), problem.status, problem.headers)
    told = {**problem.to_dict(), "request_id": mark}
    return Response(
        json.dumps(told), problem.status, problem.headers, media_type="application/problem+json"
    )


def openai_error(problem: Problem) -> dict[str, Any]:
    """A problem as OpenAI's clients read it."""
    kind = "server_error" if problem.status >= 500 else "invalid_request_error"
    if problem.status in (401, 403):
        kind = "authentication_error" if problem.status == 401 else "permission_error"
    code = problem.kind.replace("-", "_")
    return {"error": {"message": problem.detail, "type": kind, "param": None, "code": code}}


def handle(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Let every error of an app be answered as a problem.

    Args:
        app: whose errors.
        routes: all that it has.
    """

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return answer_of(error, request)

    @app.exception_handler(AnomalyGPTError)
    async def _known(request: Request, error: AnomalyGPTError) -> Response:
        return answer_of(problem_of(error), request)

    @app.exception_handler(Exception)
    async def _unknown(request: Request, error: Exception) -> Response:
        return answer_of(problem_of(error), request)  # it is raised again, and gets into the log

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        detail = _MEANINGS.get(error.status_code, str(error.detail))
        kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(sorted(_methods(routes, request)))
        return answer_of(Problem(error.status_code, kind, detail, headers=headers), request)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        return answer_of(invalid(error.errors()), request)


def _methods(routes: Sequence[BaseRoute], request: Request) -> set[str]:
    """What an address takes, by all of its routes."""
    found: set[str] = set()
    for route in routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return found


def invalid(faults: Sequence[Mapping[str, Any]]) -> Problem:
    """Faults that pydantic found, as one problem."""
    errors = [
        {"where": "/".join(map(str, each["loc"])), "what": str(each["msg"])[:300]}
        for each in faults[:20]
    ]
    first = errors[0] if errors else {"where": "", "what": "it cannot be read"}
    detail = f"{first['where'] or 'the request'}: {first['what']}; /v1/openapi.json says what fits"
    return Problem(422, "invalid-request", detail, errors=errors)
