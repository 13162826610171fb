"""Proxies that the environment names: downloads need them, work on this machine does not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from urllib.request import getproxies

_KINDS = ("http", "https", "all")
_SOCKS = ("socks5", "socks5h")


def proxies() -> dict[str, str]:
    """Each kind of proxy that is set, "http", "https" or "all", and its address, no password."""
    found = getproxies()
    return {kind: _without_login(found[kind]) for kind in _KINDS if found.get(kind)}


def unusable_proxy() -> str | None:
    """Why downloads cannot go through a proxy that is set, and what to do; None where they can."""
    for kind, address in proxies().items():
        scheme = address.partition("://")[0] if "://" in address else "http"
        where = f"the proxy {address} ({_variable(kind)})"
        advice = f"or unset {_variable(kind)}; photos on this machine need no proxy"
        if scheme in _SOCKS and find_spec("socksio") is None:
            return f"{where} needs the package socksio; `pip install socksio`, {advice}"
        if scheme not in ("http", "https", *_SOCKS):
            return f"{where} is of no kind that is known; name it as http:// or socks5://, {advice}"
    return None


@contextmanager
def without_proxies() -> Iterator[None]:
    """Within it nobody finds a proxy: some libraries fail at import on one they cannot use."""
    names = ("NO_PROXY", "no_proxy")
    former = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "*"))
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _variable(kind: str) -> str:
    name = f"{kind}_proxy"
    return next((key for key in os.environ if key.lower() == name), "the system's settings")


def _without_login(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//", address)
