"""What the service keeps beside products: answers for those who ask twice, and jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from anomalygpt.errors import SourceError
from anomalygpt.records import answers as answers_module
from anomalygpt.records.answers import Answers
from anomalygpt.records.database import Database
from anomalygpt.records.jobs import Jobs
from anomalygpt.records.places import Place


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(Place.of(tmp_path))
    yield made
    made.close()


def test_an_answer_is_given_again(database: Database) -> None:
    answers = Answers(database)
    assert answers.begin("eva", "1", "request") is None
    pending = answers.begin("eva", "1", "request")
    assert pending is not None
    assert (pending.is_same, pending.status) == (True, None)
    answers.finish("eva", "1", 201, "{}")
    found = answers.begin("eva", "1", "request")
    assert found is not None
    assert (found.status, found.body) == (201, "{}")
    other = answers.begin("eva", "1", "another")
    assert other is not None
    assert not other.is_same
    # The caller's name and the mark do not run into each other.
    assert answers.begin("eva 1", "", "request") is None
    assert answers.begin("ev", "a1", "request") is None


def test_marks_become_free(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(database)
    for mark in ("failed", "killed", "done"):
        assert answers.begin("eva", mark, "request") is None
    answers.finish("eva", "done", 201, "{}")
    answers.give_up("eva", "done")  # too late
    answers.give_up("eva", "failed")
    assert answers.begin("eva", "failed", "request") is None
    answers.forget_unfinished()
    assert answers.begin("eva", "killed", "request") is None
    assert answers.begin("eva", "done", "request") is not None
    monkeypatch.setattr(answers_module, "KEPT_SECONDS", -2)  # a day later
    assert answers.begin("eva", "done", "another") is None


def test_jobs_are_done_in_their_order(database: Database) -> None:
    jobs = Jobs(database)
    assert jobs.next() is None
    first, second = (jobs.add("eva", {"folder": name}) for name in "ab")
    assert first.id < second.id
    assert jobs.next() == first
    assert jobs.note(first.id, "running", {"done": 1})
    found = jobs.next()
    assert found is not None
    assert (found.id, found.progress) == (first.id, {"done": 1})
    assert jobs.note(first.id, "done", {"done": 2})
    assert jobs.next() == second
    assert [each.id for each in jobs.all()] == [second.id, first.id]
    assert [each.id for each in jobs.all(before=second.id)] == [first.id]


def test_a_stopped_job_stays_stopped(database: Database) -> None:
    jobs = Jobs(database)
    job = jobs.add("eva", {})
    assert jobs.stop(job.id).state == "stopped"
    assert not jobs.note(job.id, "running", {"done": 1})
    assert jobs.find(job.id).progress == {}
    done = jobs.add("eva", {})
    jobs.note(done.id, "done", {})
    assert jobs.stop(done.id).state == "done"
    with pytest.raises(SourceError, match="no job"):
        jobs.find("nothing")
