"""Who comes in: keys, scopes, and without any key this machine alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from anomalygpt.records.keys import SCOPES
from tests.services import Running, png, text

# One request of each kind, and the scope that it needs.
REQUESTS = [
    ("GET", "/v1/products", "read"),
    ("GET", "/v1/inspections", "read"),
    ("GET", "/v1/jobs", "read"),
    ("GET", "/v1/models", "read"),
    ("GET", "/metrics", "read"),
    ("POST", "/v1/inspections", "inspect"),
    ("POST", "/v1/jobs", "inspect"),
    ("POST", "/v1/chat/completions", "inspect"),
    ("POST", f"/v1/inspections/{'0' * 32}/feedback", "inspect"),
    ("POST", f"/v1/feedback/{'0' * 32}/apply", "manage"),
    ("POST", f"/v1/feedback/{'0' * 32}/undo", "manage"),
    ("POST", "/v1/products", "manage"),
    ("PATCH", "/v1/products/bracket", "manage"),
    ("DELETE", "/v1/products/bracket", "manage"),
    ("POST", "/v1/products/bracket/references", "manage"),
]


@pytest.mark.parametrize(("method", "address", "scope"), REQUESTS)
def test_each_request_needs_its_scope(
    running: Running, method: str, address: str, scope: str
) -> None:
    others = [each for each in SCOPES if each != scope]
    refused = running.with_key(*others, name="others").request(method, address)
    assert refused.status_code == 403
    assert scope in refused.text
    let_in = running.with_key(scope, name="right").request(method, address)
    assert let_in.status_code not in (401, 403)


def test_every_address_is_guarded(running: Running) -> None:
    """Also one that somebody adds later: all but health and the document itself."""
    running.service.keys.add("any", ["read"])
    document = running.client.get("/v1/openapi.json").json()
    count = 0
    for path, operations in document["paths"].items():
        for method in operations:
            if path.startswith("/health"):
                continue
            address = path.replace("{identity}", "0" * 32).replace("{photo}", "0" * 64)
            address = address.replace("{kind}", "map").replace("{name}", "bracket")
            answer = running.client.request(method.upper(), address)
            assert answer.status_code == 401, (method, address)
            assert answer.headers["www-authenticate"] == "Bearer"
            count += 1
    assert count >= 18


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer agpt_wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer ' OR 1=1 --"},
        {"X-API-Key": "agpt_wrong"},
    ],
)
def test_wrong_keys(running: Running, headers: dict[str, str]) -> None:
    running.service.keys.add("any", SCOPES)
    answer = running.client.get("/v1/products", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:anomalygpt:problem:no-key"


def test_a_revoked_key_opens_nothing_from_the_next_request_on(running: Running) -> None:
    client = running.with_key("read", name="gone")
    assert client.get("/v1/products").status_code == 200
    running.service.keys.revoke("gone")
    assert client.get("/v1/products").status_code == 401


def test_without_keys_only_this_machine_comes_in(running: Running) -> None:
    assert running.client.get("/v1/products").status_code == 200
    assert running.client_from("::1").get("/v1/products").status_code == 200
    for address in ("10.0.0.9", "203.0.113.5", ""):
        answer = running.client_from(address).get("/v1/products")
        assert answer.status_code == 401
        assert "anomalygpt key add" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},  # a name that was turned to 127.0.0.1
        {"Origin": "https://evil.example"},  # a page in a browser of this machine
        {"Origin": "null"},
        {"X-Forwarded-For": "203.0.113.5"},  # a proxy in front
        {"Forwarded": "for=203.0.113.5"},
    ],
)
def test_nobody_else_comes_in_through_this_machine(
    running: Running, headers: dict[str, str]
) -> None:
    answer = running.client.post("/v1/products", json={"name": "a"}, headers=headers)
    assert answer.status_code == 401


def test_pages_elsewhere_only_where_they_are_named(start: Callable[..., Running]) -> None:
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    closed = start("closed").client
    assert (
        "access-control-allow-origin" not in closed.options("/v1/products", headers=asked).headers
    )
    opened = start("opened", cors=("https://a.example",)).client
    answer = opened.options("/v1/products", headers=asked)
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    there = opened.get("/v1/products", headers={"Origin": "https://a.example"})
    assert there.status_code == 200
    other = opened.get("/v1/products", headers={"Origin": "https://b.example"})
    assert "access-control-allow-origin" not in other.headers
    assert other.status_code == 401


def test_the_log_names_callers_and_no_secret(running: Running) -> None:
    running.product()
    secret = running.service.keys.add("line 4", ["inspect"])
    client = running.client_from("10.0.0.9", Authorization=f"Bearer {secret}")
    body = {"photos": [{"data": text(png(2)), "name": "secret part.png"}], "product": "bracket"}
    assert client.post("/v1/inspections", json=body).status_code == 201
    lines = running.lines.getvalue()
    assert '"who": "line 4"' in lines
    assert secret not in lines
    assert "secret part" not in lines
