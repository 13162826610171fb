"""Folders in the background: done photo by photo, stopped, gone on with after an end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.services import Running, png


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """photos/monday with three photos, one that is none, and a link that leads out."""
    folder = tmp_path / "photos" / "monday"
    (folder / "late").mkdir(parents=True)
    for seed, name in ((2, "a.png"), (3, "b.png"), (4, "late/c.png")):
        (folder / name).write_bytes(png(seed))
    (folder / "broken.png").write_bytes(b"no photo")
    (tmp_path / "secret.png").write_bytes(png(7))
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "photos" / "out").symlink_to(tmp_path)
    return tmp_path / "photos"


def ended(running: Running, identity: str) -> dict[str, Any]:
    """The job once it goes on no more."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        job = running.client.get(f"/v1/jobs/{identity}").json()
        if job["state"] not in ("waiting", "running"):
            return job
        time.sleep(0.02)
    raise AssertionError(job)


def begin(running: Running, folder: str = "monday") -> dict[str, Any]:
    answer = running.client.post("/v1/jobs", json={"folder": folder, "product": "bracket"})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    return answer.json()


def test_a_folder_is_inspected(start: Callable[..., Running], root: Path) -> None:
    running = start(jobs_root=root)
    running.product()
    running.inspect(9)
    job = ended(running, begin(running)["id"])
    assert (job["state"], job["total"], job["done"], job["failed"]) == ("done", 4, 4, 1)
    assert len(job["errors"]) == 1
    assert "broken.png is a text file" in job["errors"][0]
    assert str(root) not in job["errors"][0]
    items, address = [], f"/v1/inspections?limit=2&job={job['id']}"
    while address:
        page = running.client.get(address).json()
        items += page["items"]
        address = page["next"]
    assert [each["photo_name"] for each in items] == ["late/c.png", "b.png", "a.png"]
    assert running.client.get("/v1/jobs?limit=1").json()["items"] == [job]


@pytest.mark.parametrize(
    "folder",
    [
        "..",
        "../",
        "monday/../..",
        "/etc",
        "out",
        "out/data",
        "nothing",
        "C:\\",
        "a\0b",
        "~",
        ".\\..",
    ],
)
def test_no_other_folder_is_reached(start: Callable[..., Running], root: Path, folder: str) -> None:
    running = start(jobs_root=root)
    running.product()
    answer = running.client.post("/v1/jobs", json={"folder": folder, "product": "bracket"})
    assert answer.status_code in (404, 422), answer.text
    assert running.client.get("/v1/jobs").json()["items"] == []


def test_without_a_root_there_are_no_jobs(running: Running) -> None:
    running.product()
    answer = running.client.post("/v1/jobs", json={"folder": ".", "product": "bracket"})
    assert answer.status_code == 404
    assert "--jobs-root" in answer.json()["detail"]


def test_a_job_is_stopped(start: Callable[..., Running], root: Path) -> None:
    running = start(jobs_root=root)
    running.product()
    for seed in range(40):
        (root / "monday" / f"more-{seed}.png").write_bytes(png(100 + seed))
    identity = begin(running)["id"]
    while not running.client.get(f"/v1/jobs/{identity}").json()["done"]:
        time.sleep(0.01)
    assert running.client.delete(f"/v1/jobs/{identity}").json()["state"] == "stopped"
    time.sleep(0.5)
    job = running.client.get(f"/v1/jobs/{identity}").json()
    assert job["state"] == "stopped"
    assert job["done"] < 44


def test_a_job_goes_on_at_the_next_start(start: Callable[..., Running], root: Path) -> None:
    """Each photo is inspected once, whenever the first server ended."""
    first = start(jobs_root=root)
    first.product()
    for seed in range(20):
        (root / "monday" / f"more-{seed}.png").write_bytes(png(100 + seed))
    identity = begin(first)["id"]
    while not first.client.get(f"/v1/jobs/{identity}").json()["done"] > 4:
        time.sleep(0.01)
    first.close()
    left = first.service.jobs.find(identity)
    assert left.state == "running"
    # As after a kill right behind an inspection: it is on record, the progress does not say so.
    first.service.jobs.note(
        identity, "running", {**left.progress, "done": left.progress["done"] - 1}
    )
    second = start(jobs_root=root)
    job = ended(second, identity)
    assert (job["state"], job["done"], job["failed"]) == ("done", 24, 1)
    items = second.client.get(f"/v1/inspections?limit=100&job={identity}").json()["items"]
    assert len(items) == 23
    assert len({each["photo_name"] for each in items}) == 23
