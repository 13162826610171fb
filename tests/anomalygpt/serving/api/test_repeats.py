"""Requests that are sent twice with one mark are done once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from anomalygpt.serving.api.repeats import HEADER
from tests.services import Running, png, text


def ids(running: Running) -> list[str]:
    return [each["id"] for each in running.client.get("/v1/inspections").json()["items"]]


def test_the_same_request_is_done_once(running: Running) -> None:
    running.product()
    sent = {"data": {"product": "bracket"}, "headers": {HEADER: "part-17"}}
    first = running.client.post("/v1/inspections", **sent, files={"photo": ("a.png", png(2))})
    # The form has another boundary this time.
    second = running.client.post("/v1/inspections", **sent, files={"photo": ("a.png", png(2))})
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert len(ids(running)) == 1


def test_a_product_is_made_once_and_told_twice(running: Running) -> None:
    body, mark = {"name": "bracket"}, {HEADER: "a"}
    first, second = (running.client.post("/v1/products", json=body, headers=mark) for _ in "ab")
    assert second.json() == first.json()
    assert second.headers["etag"] == first.headers["etag"]
    assert second.headers["location"] == first.headers["location"]


def test_a_mark_belongs_to_one_request(running: Running) -> None:
    mark = {HEADER: "a"}
    assert running.client.post("/v1/products", json={"name": "a"}, headers=mark).status_code == 201
    other = running.client.post("/v1/products", json={"name": "b"}, headers=mark)
    assert other.status_code == 422
    assert "another request" in other.json()["detail"]


def test_others_may_have_the_same_mark(running: Running) -> None:
    running.product()
    body, mark = {"photos": [{"data": text(png(2))}], "product": "bracket"}, {HEADER: "a"}
    clients = [running.with_key("inspect", name=name) for name in ("one", "two")]
    found = [each.post("/v1/inspections", json=body, headers=mark).json() for each in clients]
    assert found[0] != found[1]


def test_what_failed_may_be_tried_again(running: Running) -> None:
    body = {"photos": [{"data": text(png(2))}], "product": "bracket"}
    mark = {HEADER: "a"}
    assert running.client.post("/v1/inspections", json=body, headers=mark).status_code == 404
    running.product()
    assert running.client.post("/v1/inspections", json=body, headers=mark).status_code == 201


def test_two_at_once_are_done_once(running: Running) -> None:
    running.product()
    while running.engine.pending:  # its references are being read
        time.sleep(0.01)
    holding = threading.Event()

    def slow() -> object:
        holding.wait()
        yield "end"

    blocker = running.engine.worker.submit(slow())  # type: ignore[arg-type]
    body, mark = {"photos": [{"data": text(png(2))}], "product": "bracket"}, {HEADER: "a"}
    answers = []

    def post() -> None:
        answers.append(running.client.post("/v1/inspections", json=body, headers=mark))

    first = threading.Thread(target=post)
    first.start()
    while running.engine.pending < 2:
        first.join(0.01)
    second = running.client.post("/v1/inspections", json=body, headers=mark)
    assert second.status_code == 409
    assert second.headers["retry-after"]
    holding.set()
    list(blocker)
    first.join()
    assert answers[0].status_code == 201
    assert len(ids(running)) == 1


def test_a_server_that_was_killed_frees_its_marks(start: Callable[..., Running]) -> None:
    running = start()
    running.product()
    assert running.service.answers.begin("local", "a", "0" * 64) is None
    body, mark = {"photos": [{"data": text(png(2))}], "product": "bracket"}, {HEADER: "a"}
    assert running.client.post("/v1/inspections", json=body, headers=mark).status_code == 422
    again = start()  # over the same folder
    assert again.client.post("/v1/inspections", json=body, headers=mark).status_code == 201


@pytest.mark.parametrize("mark", ["", "a" * 201, "a b"])
def test_marks_that_are_none(running: Running, mark: str) -> None:
    answer = running.client.post("/v1/products", json={"name": "a"}, headers={HEADER: mark})
    assert answer.status_code == 400
