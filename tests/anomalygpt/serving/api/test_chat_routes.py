"""Chats as OpenAI's clients hold them, also by OpenAI's own package."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import APIStatusError, OpenAI

from anomalygpt.constants import ANOMALY_QUESTION
from tests.services import Running, png, text

SHORT = {"max_tokens": 6}


def picture(seed: int) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{text(png(seed))}"}}


def words(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def completion(running: Running, messages: list[Any], **more: Any) -> dict[str, Any]:
    body = {"model": "embedded", "messages": messages, **SHORT, **more}
    answer = running.client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def client(running: Running) -> OpenAI:
    return OpenAI(base_url="http://127.0.0.1/v1", api_key="none", http_client=running.client)


def test_the_openai_package_asks_and_goes_on(client: OpenAI, running: Running) -> None:
    assert [each.id for each in client.models.list()] == ["embedded"]
    assert client.models.retrieve("embedded").id == "embedded"
    asked: list[Any] = [
        {"role": "system", "content": "You are an inspector."},
        user(words("Is it fine?"), picture(2), picture(1)),
    ]
    first = client.chat.completions.create(model="embedded", messages=asked, **SHORT)
    assert first.choices[0].finish_reason == "stop"
    assert first.usage is not None
    assert first.usage.total_tokens > 0
    asked += [
        {"role": "assistant", "content": first.choices[0].message.content},
        {"role": "user", "content": "Who made it?"},
    ]
    chunks = list(
        client.chat.completions.create(
            model="embedded",
            messages=asked,
            stream=True,
            stream_options={"include_usage": True},
            **SHORT,
        )
    )
    told = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    again = client.chat.completions.create(model="embedded", messages=asked, **SHORT)
    assert again.choices[0].message.content == told
    # The photo was put on record once, whatever was asked about it later.
    assert len(running.client.get("/v1/inspections").json()["items"]) == 1


def test_a_talk_that_goes_on_is_not_begun_anew(running: Running, encoded: list[int]) -> None:
    running.product()
    messages = [user(words("Is it fine?"), picture(2))]
    answer = completion(running, messages, product="bracket")
    before = len(encoded)
    messages += [answer["choices"][0]["message"], user(words("Who made it?"))]
    completion(running, messages, product="bracket")
    assert len(encoded) == before
    # That talk has gone on, so the same question once more needs a new one.
    completion(running, messages, product="bracket")
    assert len(encoded) == before + 1


def test_a_photo_without_words_is_judged(running: Running) -> None:
    running.product()
    answer = completion(running, [user(picture(2))], product="bracket")
    found = running.client.get(f"/v1/inspections/{answer['anomalygpt']['inspection']}").json()
    assert answer["choices"][0]["message"]["content"] == found["answer"]
    assert found["result"]["question"] == ANOMALY_QUESTION
    assert answer["anomalygpt"]["anomaly_score"] == found["anomaly_score"]
    assert found["product"] == "bracket"


def test_the_last_photo_is_meant(running: Running) -> None:
    messages = [
        user(words("Is it fine?"), picture(2)),
        {"role": "assistant", "content": "Yes."},
        user(picture(3), picture(1)),
    ]
    answer = completion(running, messages)
    found = running.client.get(f"/v1/inspections/{answer['anomalygpt']['inspection']}").json()
    assert len(found["result"]["references"]) == 1
    photo = running.client.get(f"/v1/inspections/{found['id']}/photo").content
    assert photo == png(3)


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"model": "gpt-4o"}, 404, "there is embedded"),
        ({"n": 2}, 400, "one answer"),
        ({"messages": []}, 422, "messages"),
        ({"messages": [{"role": "user", "content": "hello"}]}, 400, "no photo"),
        ({"messages": [{"role": "robot", "content": "hello"}]}, 400, "role"),
        ({"messages": [user(picture(2)), {"role": "assistant", "content": "a"}]}, 400, "last"),
        ({"product": "nothing"}, 404, "no product"),
        ({"temperature": 9}, 422, "temperature"),
        ({"messages": [user({"type": "input_audio", "input_audio": {}})]}, 400, "image_url"),
        (
            {"messages": [user({"type": "image_url", "image_url": {"url": "http://[::1]/a"}})]},
            422,
            "fetches nothing",
        ),
        (
            {"messages": [user({"type": "image_url", "image_url": {"url": "file:///etc/shadow"}})]},
            422,
            "fetches nothing",
        ),
    ],
)
def test_errors_are_as_openai_tells_them(
    running: Running, client: OpenAI, change: dict[str, Any], status: int, word: str
) -> None:
    body: dict[str, Any] = {"model": "embedded", "messages": [user(picture(2))], **change}
    product = body.pop("product", None)
    with pytest.raises(APIStatusError) as caught:
        client.with_options(max_retries=0).chat.completions.create(
            **body, extra_body={} if product is None else {"product": product}
        )
    assert caught.value.status_code == status
    error = caught.value.body
    assert isinstance(error, dict)
    assert word in error["message"]
    assert error["type"] == "invalid_request_error"
    assert error["code"]


def test_a_missing_key_is_told_as_openai_tells_it(running: Running) -> None:
    running.service.keys.add("any", ["inspect"])
    answer = running.client.post("/v1/chat/completions", json={})
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "authentication_error"


def test_what_goes_wrong_in_a_stream_is_its_last_event(running: Running) -> None:
    running.product()
    body = {"model": "embedded", "stream": True, "product": "bracket"}
    body["messages"] = [user(picture(2), words("who " * 400))]
    answer = running.client.post("/v1/chat/completions", json=body)
    lines = [line for line in answer.text.splitlines() if line]
    last = json.loads(lines[-1].removeprefix("data: "))
    assert last["error"]["code"] == "dialogue_too_long"
