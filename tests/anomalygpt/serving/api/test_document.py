"""The OpenAPI document: whole, with examples that work."""

from __future__ import annotations

from typing import Any

from anomalygpt.serving.api.building import ROUTERS
from tests.services import Running


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    if isinstance(value, list):
        return set().union(*map(references, value)) if value else set()
    return set()


def test_it_is_whole(running: Running) -> None:
    document = running.client.get("/v1/openapi.json").json()
    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.rpartition("/")[2] in schemas, reference
    named = {(path, method) for path, each in document["paths"].items() for method in each}
    there = {
        (route.path, method.lower())  # type: ignore[attr-defined]
        for router in ROUTERS
        for route in router.routes
        for method in route.methods  # type: ignore[attr-defined]
    }
    assert len(named) >= 20
    assert {(path.replace(":path", ""), method) for path, method in there} == named
    for path, method in named:
        operation = document["paths"][path][method]
        assert operation.get("summary") or operation.get("description"), path
        if method in ("post", "patch") and not path.endswith("/undo"):
            assert operation["requestBody"]["content"]["application/json"]["schema"], path
        if not path.startswith("/health"):
            assert operation["security"] == [{"key": []}], path
            assert "401" in operation["responses"]


def test_its_example_of_a_photo_is_one(running: Running) -> None:
    document = running.client.get("/v1/openapi.json").json()
    schemas = document["components"]["schemas"]
    (data,) = schemas["PhotoIn"]["properties"]["data"]["examples"]
    (name,) = schemas["ProductIn"]["properties"]["name"]["examples"]
    made = {"name": name, "references": [{"data": data}]}
    assert running.client.post("/v1/products", json=made).status_code == 201
    body = {"photos": [{"data": data}], "product": name}
    assert running.client.post("/v1/inspections", json=body).status_code == 201


def test_no_pages_about_it_are_served(running: Running) -> None:
    """They would fetch scripts from elsewhere."""
    for address in ("/docs", "/redoc", "/v1/docs", "/v1/redoc", "/openapi.json"):
        assert running.client.get(address).status_code == 404
