"""Inspections over REST: sent in every way, found again, drawn again."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomalygpt import AnomalyGPT
from tests.services import Running, png, text


def test_a_form_json_and_a_data_url_find_the_same(running: Running, served: AnomalyGPT) -> None:
    running.product()
    client = running.client
    form = client.post(
        "/v1/inspections",
        data={"product": "bracket"},
        files={"photo": ("C:\\fakepath\\a.png", png(2))},
    )
    assert form.status_code == 201, form.text
    (first,) = form.json()["inspections"]
    second = running.inspect(2)
    third = running.inspect(photos=[{"data": f"data:image/png;base64,{text(png(2))}"}])
    assert first["photo_name"] == "a.png"
    assert len({each["id"] for each in (first, second, third)}) == 3
    alone = served.inspect(_image(png(2)), served.remember([_image(png(1))], detail="whole"))
    for each in (first, second, third):
        assert each["anomaly_score"] == pytest.approx(alone.anomaly_score, abs=1e-4)
        assert each["is_anomalous"] == alone.is_anomalous
        assert client.get(f"/v1/inspections/{each['id']}").json() == {**each, "pictures": {}}


def test_good_parts_of_its_own(running: Running, served: AnomalyGPT) -> None:
    body = {
        "photos": [{"data": text(png(2)), "name": "a.png"}],
        "references": [{"data": text(png(1)), "name": "good.png"}],
        "description": "a plate",
    }
    answer = running.client.post("/v1/inspections", json=body)
    (found,) = answer.json()["inspections"]
    assert found["product"] is None
    assert found["result"]["references"] == ["good.png"]
    assert found["result"]["description"] == "a plate"
    alone = served.inspect(_image(png(2)), [_image(png(1))])
    assert found["anomaly_score"] == pytest.approx(alone.anomaly_score, abs=1e-4)


def test_pictures_now_and_later(running: Running) -> None:
    running.product()
    found = running.inspect(include=["map", "overlay", "mask"])
    assert set(found["pictures"]) == {"map", "overlay", "mask"}
    for kind, data in found["pictures"].items():
        now = Image.open(io.BytesIO(base64.b64decode(data)))
        assert now.size == (48, 40)
        answer = running.client.get(f"/v1/inspections/{found['id']}/{kind}")
        assert answer.headers["content-type"] == "image/png"
        later = Image.open(io.BytesIO(answer.content))
        steps = 65535 if kind == "map" else 255
        apart = np.abs(np.asarray(now, float) - np.asarray(later, float)) / steps
        # The map on record has 16 bits, and each picture is drawn from it.
        assert np.quantile(apart, 0.99) < 0.02
    photo = running.client.get(f"/v1/inspections/{found['id']}/photo")
    assert photo.content == png(2)
    assert photo.headers["content-type"] == "image/png"
    assert running.client.get(f"/v1/inspections/{found['id']}/heat").status_code == 404


def test_of_several_photos_the_bad_one_is_named(running: Running) -> None:
    running.product()
    photos = [{"data": text(png(seed)), "name": f"{seed}.png"} for seed in range(2, 8)]
    photos[1] = {"data": text(b"%PDF-1.7 and so on"), "name": "paper.pdf"}
    body = {"photos": photos, "product": "bracket"}
    answer = running.client.post("/v1/inspections", json=body)
    assert answer.status_code == 201
    rows = answer.json()["inspections"]
    assert [row["photo_name"] for row in rows] == [each["name"] for each in photos]
    assert rows[1]["problem"]["status"] == 422
    assert "paper.pdf is a PDF document" in rows[1]["problem"]["detail"]
    assert all("id" in row for row in rows if row is not rows[1])
    alone = running.client.post("/v1/inspections", json={**body, "photos": photos[1:2]})
    assert alone.status_code == 422


def test_findings_come_some_at_a_time_the_youngest_first(running: Running) -> None:
    running.product()
    running.product("other", references=[{"data": text(png(9))}])
    ids = [running.inspect(seed)["id"] for seed in range(2, 7)]
    running.inspect(product="other")
    found, address = [], "/v1/inspections?limit=2&product=bracket"
    while address:
        page = running.client.get(address).json()
        found += [each["id"] for each in page["items"]]
        address = page["next"]
    assert found == ids[::-1]
    assert len(running.client.get("/v1/inspections").json()["items"]) == 6


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"photos": []}, 422, "photos"),
        ({"product": "nothing"}, 404, "there is bracket"),
        ({"product": "empty"}, 409, "/references"),
        ({"references": [{"data": "abcd"}]}, 422, "not both"),
        ({"photos": [{"data": "https://a.example/part.png"}]}, 422, "fetches nothing"),
        ({"photos": [{"data": "file:///etc/passwd"}]}, 422, "fetches nothing"),
        ({"photos": [{"data": "ftp://a.example/part.png"}]}, 422, "fetches nothing"),
        ({"photos": [{"data": "data:image/png,abc"}]}, 422, "data URL"),
        ({"photos": [{"data": text(png(1))}] * 17}, 422, "photos"),
        ({"include": ["heat"]}, 422, "include"),
        ({"product": None, "model": "gpt"}, 422, "no model"),
    ],
)
def test_what_does_not_fit_is_told(
    running: Running, change: dict[str, Any], status: int, word: str
) -> None:
    running.product()
    running.client.post("/v1/products", json={"name": "empty"})
    body = {"photos": [{"data": text(png(2))}], "product": "bracket", **change}
    answer = running.client.post("/v1/inspections", json=body)
    assert answer.status_code == status, answer.text
    assert word in answer.json()["detail"]
    assert running.client.get("/v1/inspections").json()["items"] == []


def test_a_photo_that_is_too_large(running: Running) -> None:
    """Alone, as base64, or as the third of a form."""
    running.product()
    large = bytes(1024**2 + 1)
    body = {"photos": [{"data": text(large)}], "product": "bracket"}
    assert running.client.post("/v1/inspections", json=body).status_code == 413
    files = [("photo", (name, data)) for name, data in (("a", png(2)), ("b", large))]
    answer = running.client.post("/v1/inspections", data={"product": "bracket"}, files=files)
    assert answer.status_code == 201
    assert answer.json()["inspections"][1]["problem"]["status"] == 413


def test_who_asked_is_on_record(running: Running) -> None:
    running.product()
    client = running.with_key("read", "inspect", name="line 4")
    body = {"photos": [{"data": text(png(2))}], "product": "bracket"}
    (found,) = client.post("/v1/inspections", json=body).json()["inspections"]
    assert found["who"] == "line 4"


def _image(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")
