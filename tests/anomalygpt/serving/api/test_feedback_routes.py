"""Feedback over REST: said, proposed, looked at, applied, undone."""

from __future__ import annotations

import pytest

from tests.services import Running


def test_a_wrong_verdict_is_said_and_followed_and_taken_back(running: Running) -> None:
    client = running.client
    before = running.product()
    found = running.inspect()
    said = {"verdict": "good"} if found["is_anomalous"] else {"verdict": "damaged"}
    said |= {} if found["is_anomalous"] else {"boxes": [[4, 4, 20, 20]]}
    answer = client.post(f"/v1/inspections/{found['id']}/feedback", json=said)
    assert answer.status_code == 201, answer.text
    proposed = answer.json()
    assert proposed["product"] == "bracket"
    assert client.get(f"/v1/inspections/{found['id']}").json()["feedback"] == said["verdict"]
    (item,) = client.get("/v1/feedback?product=bracket").json()["items"]
    assert (item["id"], item["state"]) == (proposed["id"], "proposed")
    assert client.get("/v1/products/bracket").json() == before
    (kind, *_) = [each["kind"] for each in proposed["consequences"]]
    address = f"/v1/feedback/{proposed['id']}"
    shown = client.get(f"{address}/preview", params={"kind": kind})
    assert [row["id"] for row in shown.json()["rows"]] == [found["id"]]
    outdated = client.post(f"{address}/apply", json={"kind": kind, "expected_version": 9})
    assert outdated.status_code == 409
    after = client.post(f"{address}/apply", json={"kind": kind, "expected_version": 1})
    assert after.json()["version"] == 2
    assert client.post(f"{address}/apply", json={"kind": kind}).status_code == 409
    undone = client.post(f"{address}/undo").json()
    names = ("references", "good", "limit", "ignores_places", "settings")
    assert [undone[name] for name in names] == [before[name] for name in names]
    assert undone["version"] == 3
    assert client.post(f"{address}/undo").status_code == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"verdict": "perhaps"}, 422),
        ({"verdict": "damaged", "boxes": [[1, 2, 3]]}, 422),
        ({"verdict": "damaged", "boxes": [[9, 9, 2, 2]]}, 422),
        ({"verdict": "damaged", "mask": "https://a.example/mask.png"}, 422),
    ],
)
def test_what_does_not_fit_is_told(running: Running, body: object, status: int) -> None:
    running.product()
    found = running.inspect()
    answer = running.client.post(f"/v1/inspections/{found['id']}/feedback", json=body)
    assert answer.status_code == status, answer.text
    assert running.client.get("/v1/feedback").json()["items"] == []


def test_what_is_not_there(running: Running) -> None:
    nothing = "0" * 32
    said = {"verdict": "good"}
    assert running.client.post(f"/v1/inspections/{nothing}/feedback", json=said).status_code == 404
    kind = {"kind": "limit"}
    assert running.client.post(f"/v1/feedback/{nothing}/apply", json=kind).status_code == 404
    assert running.client.post(f"/v1/feedback/{nothing}/undo").status_code == 404
    assert running.client.get(f"/v1/feedback/{nothing}/preview", params=kind).status_code == 404
