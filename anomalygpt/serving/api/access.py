"""Who may do what: keys with scopes; without any key, this machine alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from anomalygpt.records.keys import SCOPES, Key, Scope
from anomalygpt.serving.api.problems import Problem
from anomalygpt.serving.api.service import Service, in_thread, service_of

# Who is named in the log where nobody needs a key.
LOCAL = "local"
_OWN_NAMES = ("localhost", "127.0.0.1", "::1")
_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="a key that `anomalygpt key add NAME --scope read inspect manage` printed",
)
Given = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
Caller = Callable[..., Awaitable[Key]]


def with_scope(scope: Scope) -> Caller:
    """A dependency that lets in whoever has a scope, and tells who it is."""

    async def check(request: Request, given: Given) -> Key:
        service = service_of(request)
        key = await in_thread(service.quick, _known, service, request, given)
        request.scope["state"]["who"] = key.name
        if scope not in key.scopes:
            raise Problem(
                403,
                "wrong-scope",
                f"this needs the scope {scope!r}, the key {key.name} has "
                f"{', '.join(key.scopes)}; use another key",
            )
        return key

    return check


def _known(service: Service, request: Request, given: HTTPAuthorizationCredentials | None) -> Key:
    """
    Raises:
        Problem: a key is missing or opens nothing.
    """
    if not service.needs_key():
        _check_local(request, service.options.cors)
        return Key(LOCAL, SCOPES, "", None)
    if given is None:
        raise _refused("a key is needed: send it as `Authorization: Bearer KEY`")
    key = service.keys.find(given.credentials)
    if key is None:
        raise _refused("this key opens nothing: it is unknown or was revoked; ask for another")
    return key


def _refused(detail: str) -> Problem:
    return Problem(401, "no-key", detail, headers={"WWW-Authenticate": "Bearer"})


def _check_local(request: Request, allowed: tuple[str, ...]) -> None:
    """Nobody from elsewhere, nor a page of another site in a browser on this machine.

    Raises:
        Problem: such a one.
    """
    advice = "make a key on the server with `anomalygpt key add NAME --scope read inspect`"
    client = request.client.host if request.client else ""
    # A proxy in front would make everybody local.
    passed_on = {"forwarded", "x-forwarded-for", "via"} & set(request.headers)
    if passed_on or not _is_own(client):
        raise _refused(f"without a key only the server's own machine may come in; {advice}")
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    if host not in _OWN_NAMES:
        raise _refused(f"without a key the server is called 127.0.0.1 or localhost; {advice}")
    origin = request.headers.get("origin")
    if origin is not None and origin not in allowed:
        given = urlsplit(origin)
        if given.netloc != request.headers.get("host"):
            raise _refused(f"pages of other sites may not come in without a key; {advice}")


def _is_own(client: str) -> bool:
    try:
        return ip_address(client).is_loopback
    except ValueError:
        return False


Reader = Annotated[Key, Depends(with_scope("read"))]
Inspector = Annotated[Key, Depends(with_scope("inspect"))]
Manager = Annotated[Key, Depends(with_scope("manage"))]
