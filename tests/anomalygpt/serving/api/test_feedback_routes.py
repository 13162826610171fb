"""Feedback over REST: said, proposed, applied, undone; and a promise that is measured."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from anomalygpt.audit.chain import verify
from tests.services import Running, png, text


@pytest.fixture
def found(running: Running) -> dict[str, Any]:
    running.product()
    return running.inspect(2)


def said(running: Running, found: dict[str, Any], **what: Any) -> dict[str, Any]:
    address = f"/v1/inspections/{found['id']}/feedback"
    answer = running.client.post(address, json={"verdict": "good", **what})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_what_is_said_changes_nothing_yet(running: Running, found: dict[str, Any]) -> None:
    proposed = said(running, found)
    assert proposed["product"] == "bracket"
    assert "reference" in {each["kind"] for each in proposed["consequences"]}
    assert running.client.get("/v1/products/bracket").json()["version"] == 1
    (item,) = running.client.get("/v1/feedback", params={"product": "bracket"}).json()["items"]
    assert (item["id"], item["state"], item["said"]["verdict"]) == (
        proposed["id"],
        "proposed",
        "good",
    )
    assert running.client.get(f"/v1/inspections/{found['id']}").json()["feedback"] == "good"


def test_applied_and_undone(running: Running, found: dict[str, Any]) -> None:
    proposed = said(running, found)
    address = f"/v1/feedback/{proposed['id']}"
    preview = running.client.get(f"{address}/preview", params={"kind": "reference"}).json()
    assert [row["id"] for row in preview["rows"]] == [found["id"]]
    assert preview["rows"][0]["after"]["anomaly_score"] < found["anomaly_score"]
    body = {"kind": "reference", "expected_version": proposed["version"]}
    applied = running.client.post(f"{address}/apply", json=body)
    assert applied.status_code == 200, applied.text
    assert len(applied.json()["references"]) == 2
    twice = running.client.post(f"{address}/apply", json=body)
    assert twice.status_code in (409, 422)
    assert "applied already" in twice.json()["detail"]
    undone = running.client.post(f"{address}/undo").json()
    assert [each["photo"] for each in undone["references"]] == [
        each["photo"]
        for each in running.client.get("/v1/products/bracket/references").json()["items"]
    ]
    assert len(undone["references"]) == 1
    assert running.inspect(2)["anomaly_score"] == found["anomaly_score"]
    assert verify(running.plant.database).broken is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"verdict": "so-so"},
        {"verdict": "damaged", "boxes": [[0, 0, 1]]},
        {"verdict": "damaged", "boxes": [[5, 5, 1, 1]]},
        {"verdict": "damaged", "boxes": [[900, 900, 9999, 9999]]},
        {"verdict": "damaged", "mask": "no base64"},
        {"verdict": "damaged", "mask": text(b"no png")},
        {"verdict": "damaged", "mask": text(png(1, 7))},
        {"verdict": "good", "extra": 1},
    ],
)
def test_what_cannot_be_meant(running: Running, found: dict[str, Any], body: Any) -> None:
    answer = running.client.post(f"/v1/inspections/{found['id']}/feedback", json=body)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert running.client.get("/v1/feedback").json()["items"] == []


def test_who_may_what(running: Running, found: dict[str, Any]) -> None:
    inspector = running.with_key("read", "inspect", name="line")
    address = f"/v1/inspections/{found['id']}/feedback"
    proposed = inspector.post(address, json={"verdict": "good"}).json()
    for step in ("apply", "undo"):
        answer = inspector.post(f"/v1/feedback/{proposed['id']}/{step}", json={"kind": "reference"})
        assert answer.status_code == 403
    reader = running.with_key("read", name="screen")
    assert reader.post(address, json={"verdict": "good"}).status_code == 403
    assert reader.get("/v1/feedback").json()["items"][0]["who"] == "line"


def test_feedback_that_is_not_there(running: Running) -> None:
    nothing = "0" * 32
    said_of = running.client.post(f"/v1/inspections/{nothing}/feedback", json={"verdict": "good"})
    assert said_of.status_code == 404
    for step in ("apply", "undo"):
        answer = running.client.post(f"/v1/feedback/{nothing}/{step}", json={"kind": "limit"})
        assert answer.status_code == 404, answer.text


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
    assert np.mean([score > limit["score"] for score in scores]) < 0.5
