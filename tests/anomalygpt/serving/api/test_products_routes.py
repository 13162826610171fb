"""Products over REST: made, listed, changed, removed, with photos of good parts."""

from __future__ import annotations

import hashlib
import time
from typing import Any
from urllib.parse import quote

import pytest

from anomalygpt.audit.chain import verify
from tests.services import Running, png, text


def test_a_product_is_made_found_changed_and_removed(running: Running) -> None:
    client = running.client
    files = [("reference", ("good.png", png(1))), ("reference", ("fine.png", png(2)))]
    form = {"name": "bracket 7", "settings": '{"detail": "whole", "flips": true}'}
    made = client.post("/v1/products", data=form, files=files)
    assert made.status_code == 201
    assert made.headers["location"] == "/v1/products/bracket%207"
    product = made.json()
    assert [each["name"] for each in product["references"]] == ["good.png", "fine.png"]
    assert product["references"][0]["photo"] == hashlib.sha256(png(1)).hexdigest()
    assert product["settings"]["flips"] is True
    there = client.get("/v1/products/bracket%207")
    assert there.json() == client.get(f"/v1/products/{product['id']}").json() == product
    body = {"name": "bracket 8", "description": "a bracket", "settings": {"category": "metal"}}
    changed = client.patch("/v1/products/Bracket%207", json=body).json()
    assert (changed["name"], changed["version"]) == ("bracket 8", 2)
    assert changed["settings"] == {**product["settings"], "category": "metal"}
    assert client.delete("/v1/products/bracket%208").status_code == 204
    assert client.get("/v1/products/bracket%208").status_code == 404
    # What was done is in the log, with who did it.
    assert verify(running.plant.database).lines == 3


def test_references_are_added_listed_and_removed(running: Running) -> None:
    client = running.client
    running.product()
    added = client.post(
        "/v1/products/bracket/references",
        json={"photos": [{"data": text(png(2)), "name": "../../two.png"}]},
    )
    assert added.status_code == 201
    sent = {"data": {"role": "good"}, "files": {"photo": ("three.png", png(3))}}
    assert client.post("/v1/products/bracket/references", **sent).status_code == 201
    items = client.get("/v1/products/bracket/references").json()["items"]
    assert [(each["name"], each["role"]) for each in items] == [
        ("good.png", "reference"),
        ("two.png", "reference"),
        ("three.png", "good"),
    ]
    again = client.post(
        "/v1/products/bracket/references", json={"photos": [{"data": text(png(2))}]}
    )
    assert again.status_code == 422
    assert "there already" in again.json()["detail"]
    gone = client.delete(f"/v1/products/bracket/references/{items[1]['photo']}")
    assert len(gone.json()["references"]) == 1
    missing = client.delete(f"/v1/products/bracket/references/{items[1]['photo']}")
    assert missing.status_code == 404


def test_products_come_some_at_a_time(running: Running) -> None:
    names = [f"part {number}" for number in range(5)]
    for name in names:
        assert running.client.post("/v1/products", json={"name": name}).status_code == 201
    found, address = [], "/v1/products?limit=2"
    while address:
        page = running.client.get(address)
        assert len(page.json()["items"]) <= 2
        found += [each["name"] for each in page.json()["items"]]
        address = page.json()["next"]
        assert (address is None) == ("link" not in page.headers)
    assert found == names


def test_two_who_change_the_same_product(running: Running) -> None:
    running.product()
    tag = running.client.get("/v1/products/bracket").headers["etag"]
    address, mine = "/v1/products/bracket", {"If-Match": tag}
    assert running.client.patch(address, json={"description": "a"}, headers=mine).status_code == 200
    late = running.client.patch(address, json={"description": "b"}, headers=mine)
    assert late.status_code == 412
    assert "version 2" in late.json()["detail"]
    assert running.client.delete(address, headers=mine).status_code == 412
    assert running.client.get(address).json()["description"] == "a"


@pytest.mark.parametrize("name", ["Prüfling 3", "ß-Teil", "部品 1", "a.b-c_d"])
def test_names_of_all_languages(running: Running, name: str) -> None:
    answer = running.client.post("/v1/products", json={"name": name})
    assert answer.status_code == 201
    assert running.client.get(answer.headers["location"]).json()["name"] == name


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "..",
        "a/b",
        "/etc/passwd",
        "C:\\windows",
        "a\0b",
        "'; DROP TABLE products; --",
        '" OR 1=1 --',
        "\ud800",
        "",
        " ",
        "a" * 65,
    ],
)
def test_names_that_are_none(running: Running, name: str) -> None:
    """Neither a path nor SQL comes further than the check of names."""
    running.product()
    body = b'{"name": "\\ud800"}' if name == "\ud800" else None
    answer = (
        running.client.post("/v1/products", json={"name": name})
        if body is None
        else running.client.post(
            "/v1/products", content=body, headers={"Content-Type": "application/json"}
        )
    )
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    address = quote(name.encode("utf-8", "surrogatepass"), safe="")
    for method in ("GET", "DELETE"):
        found = running.client.request(method, f"/v1/products/{address}/references")
        assert found.status_code in (404, 405, 422), found.text
        found = running.client.request(method, f"/v1/products/{address}x")
        assert found.status_code in (404, 422), found.text
    assert [each["name"] for each in running.client.get("/v1/products").json()["items"]] == [
        "bracket"
    ]


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"name": "bracket"}, 409, "already"),
        ({"name": "BRACKET"}, 409, "already"),
        ({}, 422, "name"),
        ({"name": 7}, 422, "name"),
        ({"name": "a", "colour": "red"}, 422, "colour"),
        ({"name": "a", "settings": {"model": "gpt"}}, 422, "there is embedded"),
        ({"name": "a", "settings": {"detail": 99}}, 422, "settings/detail"),
        ({"name": "a", "settings": {"flips": "yes"}}, 422, "settings/flips"),
        ({"name": "a", "settings": {"fixed_pose": True, "flips": True}}, 422, "fixed pose"),
        ({"name": "a", "references": [{"data": "????"}]}, 422, "base64"),
        ({"name": "a", "references": [{"data": text(b"no photo at all")}]}, 422, "text file"),
        ({"name": "a", "references": [{"data": "http://10.0.0.1/a.png"}]}, 422, "fetches nothing"),
    ],
)
def test_what_does_not_fit_is_told(
    running: Running, body: dict[str, Any], status: int, word: str
) -> None:
    running.product()
    answer = running.client.post("/v1/products", json=body)
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["status"] == status
    assert told["type"].startswith("urn:anomalygpt:problem:")
    assert told["title"]
    assert word in told["detail"]
    assert told["request_id"] == answer.headers["x-request-id"]


def test_a_promise_is_measured_beside_the_requests(running: Running) -> None:
    settings = {"detail": "whole", "false_alarms": 0.3, "confidence": 0.8}
    running.product(settings=settings)
    body = {"photos": [{"data": text(png(seed))} for seed in range(20, 26)], "role": "good"}
    answer = running.client.post("/v1/products/bracket/references", json=body)
    assert answer.status_code == 201, answer.text
    until = time.monotonic() + 60
    while (limit := running.client.get("/v1/products/bracket").json()["limit"]) is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert limit["photos"] == 6
    scores = [running.inspect(seed)["anomaly_score"] for seed in range(20, 26)]
    assert limit["score"] in [pytest.approx(score, abs=1e-6) for score in scores]
    assert sum(score > limit["score"] for score in scores) < 3
