"""Figures as Prometheus reads them, health, and the drift of scores."""

from __future__ import annotations

import io
from statistics import fmean, pstdev

import numpy as np
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from anomalygpt.serving.api.metrics import DRIFT_FROM, DRIFT_OVER, drifts
from tests.services import Running, png, text


def families(running: Running) -> dict[str, dict[tuple[str, ...], float]]:
    """Values of all figures, by name and labels, as Prometheus' own parser reads them."""
    answer = running.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_what_is_counted(running: Running) -> None:
    running.product('a "b" \\ c'.replace('"', "").replace("\\", ""))
    running.product()
    verdicts = [running.inspect(seed)["is_anomalous"] for seed in (2, 3, 4)]
    running.client.get("/v1/products/nothing")
    found = families(running)
    counts = found["anomalygpt_inspections_total"]
    for verdict, word in ((True, "anomalous"), (False, "good")):
        assert counts.get(("bracket", word), 0) == verdicts.count(verdict)
    assert found["anomalygpt_anomaly_probability_count"][("bracket",)] == 3
    requests = found["anomalygpt_requests_total"]
    assert requests[("POST", "/v1/inspections", "201")] == 3
    assert requests[("GET", "/v1/products/{name}", "404")] == 1
    stages = {labels[0] for labels in found["anomalygpt_stage_seconds_count"]}
    expected = {"queue", "loading", "references", "encoding", "comparing", "judging", "recording"}
    assert stages == expected
    assert found["anomalygpt_queue_jobs"][()] == 0


def test_addresses_that_are_none_make_no_new_figures(running: Running) -> None:
    for number in range(20):
        running.client.get(f"/v1/nothing/{number}")
    routes = {labels[1] for labels in families(running)["anomalygpt_requests_total"]}
    assert routes == {"other"}


def test_the_drift_is_that_of_its_definition(running: Running) -> None:
    """Brighter and brighter photos: the last hundred against the first hundred."""
    running.product()
    scores = []
    for number in range(DRIFT_OVER + DRIFT_FROM):
        pixels = np.asarray(Image.open(io.BytesIO(png(number))), dtype=float)
        buffer = io.BytesIO()
        Image.fromarray(np.clip(pixels + 2 * number, 0, 255).astype(np.uint8)).save(buffer, "PNG")
        found = running.inspect(photos=[{"data": text(buffer.getvalue())}])
        scores.append(found["anomaly_score"])
        if number < DRIFT_FROM - 1:
            assert list(drifts(running.plant)) == []
    first, last = scores[:DRIFT_OVER], scores[-DRIFT_OVER:]
    expected = (fmean(last) - fmean(first)) / pstdev(first)
    ((name, value),) = drifts(running.plant)
    assert name == "bracket"
    assert abs(value - expected) < 1e-9
    assert abs(families(running)["anomalygpt_score_drift"][("bracket",)] - expected) < 1e-6


def test_a_database_that_is_gone_is_not_ready(running: Running) -> None:
    assert running.client.get("/health/ready").json() == {"status": "ready"}
    path = running.plant.database.place.folder / "a.sqlite"
    running.plant.database.close()
    path.write_bytes(b"no database any more" * 100)
    answer = running.client.get("/health/ready")
    assert answer.status_code == 503
    assert "database" in answer.json()["reason"]
    assert running.client.get("/v1/products").status_code == 500
