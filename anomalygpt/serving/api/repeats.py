"""Requests that are sent twice, because the first answer got lost on the way: done once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from anomalygpt.records.keys import Key
from anomalygpt.serving.api.photos import Given
from anomalygpt.serving.api.problems import RETRY_AFTER, Problem
from anomalygpt.serving.api.service import Service, in_thread

HEADER = "Idempotency-Key"
_MARK = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True)
class Reply:
    """An answer before it is sent.

    Attributes:
        status: of HTTP.
        body: plain JSON values.
        headers: beside the usual ones.
    """

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """As it is sent."""
        return JSONResponse(self.body, self.status, self.headers)


async def once(
    request: Request, service: Service, key: Key, given: Given, work: Callable[[], Awaitable[Reply]]
) -> Response:
    """Do a request, unless one with its mark was done: then its answer is given again.

    Args:
        request: with or without a mark.
        service: keeps answers.
        key: who asks; others may use the same marks.
        given: what is asked for.
        work: does it.

    Raises:
        Problem: the mark belongs to another request, or to one that is being done.
    """
    mark = request.headers.get(HEADER)
    if mark is None:
        return (await work()).response()
    if not _MARK.fullmatch(mark):
        raise Problem(400, "no-idempotency-key", f"{HEADER} has 1 to 200 signs without spaces")
    answers, asked = service.answers, _fingerprint(request, given)
    found = await in_thread(service.quick, answers.begin, key.name, mark, asked)
    if found is not None:
        if not found.is_same:
            raise Problem(
                422,
                "idempotency-key-used",
                f"this {HEADER} was used for another request; choose a new one for each request",
            )
        if found.status is None or found.body is None:
            raise Problem(
                409,
                "being-done",
                "the first request with this mark is being done; ask again in a moment",
                headers={"Retry-After": str(RETRY_AFTER)},
            )
        headers, body = json.loads(found.body)
        return JSONResponse(body, found.status, {**headers, "Idempotency-Replayed": "true"})
    try:
        reply = await work()
    except BaseException:
        answers.give_up(key.name, mark)
        raise
    kept = json.dumps([reply.headers, reply.body])
    await in_thread(service.quick, answers.finish, key.name, mark, reply.status, kept)
    return reply.response()


def _fingerprint(request: Request, given: Given) -> str:
    """The same for the same request, also where a form draws another boundary."""
    files = [[name, file, hashlib.sha256(data).hexdigest()] for name, file, data in given.files]
    asked = [request.method, request.url.path, given.values, files]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
