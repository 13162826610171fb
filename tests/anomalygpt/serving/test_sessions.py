"""Desks: what is kept for how long, and that two visitors never share."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomalygpt.serving import sessions
from anomalygpt.serving.sessions import Desks


def photo(side: int = 20) -> Image.Image:
    return Image.fromarray(np.full((side, side, 3), 100, np.uint8))


def chat() -> Any:
    found = SimpleNamespace(image_size=(20, 20), is_anomalous=True)
    return SimpleNamespace(inspection=found, history=[("Is it?", "Yes.")])


def files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def test_each_visitor_has_a_desk(tmp_path: Path) -> None:
    desks = Desks(tmp_path)
    desks.of("a").add("x.jpg", photo(), (), chat())
    assert desks.of("b").visits == []
    assert [visit.name for visit in desks.of("a").visits] == ["x.jpg"]


def test_names_of_files_are_our_own(tmp_path: Path) -> None:
    desks = Desks(tmp_path)
    visit = desks.of("../../etc").add("../../../evil.jpg", photo(), (), chat())
    assert visit.path.resolve().is_relative_to(tmp_path.resolve())
    assert visit.name == "../../../evil.jpg"


def test_only_the_last_conversation_goes_on(tmp_path: Path) -> None:
    desk = Desks(tmp_path).of("a")
    first = desk.add("1", photo(), (), chat())
    second = desk.add("2", photo(), (), chat())
    assert first.chat is None
    assert second.chat is not None
    assert desk.open(first.number) is first
    assert desk.current is first
    assert desk.open(99) is None
    assert desk.current is first


def test_visits_and_their_photos_are_bounded(tmp_path: Path) -> None:
    desk = Desks(tmp_path).of("a")
    for number in range(sessions.MOST_VISITS + 5):
        desk.add(str(number), photo(), (), chat())
    assert len(desk.visits) == sessions.MOST_VISITS
    assert files(tmp_path) == sessions.MOST_VISITS
    assert desk.visits[-1].number == sessions.MOST_VISITS + 5
    desk.clear()
    assert files(tmp_path) == 0


def test_large_photos_are_kept_small_and_come_back_in_their_size(tmp_path: Path) -> None:
    desk = Desks(tmp_path).of("a")
    large = chat()
    large.inspection.image_size = (3000, 3000)
    visit = desk.add("x", photo(3000), (), large)
    assert max(visit.copy().size) == sessions.LONGEST_SIDE
    assert visit.photo().size == (3000, 3000)


def test_idle_desks_are_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(sessions.time, "monotonic", lambda: now[0])
    desks = Desks(tmp_path, idle_seconds=60)
    desks.of("a").add("x", photo(), (), chat())
    now[0] += 59
    assert len(desks.of("a").visits) == 1
    now[0] += 61
    desks.of("b")
    assert len(desks) == 1
    assert files(tmp_path) == 0
    assert desks.of("a").visits == []


def test_there_are_never_too_many_desks(tmp_path: Path) -> None:
    desks = Desks(tmp_path, most=3)
    for number in range(6):
        desks.of(str(number)).add("x", photo(), (), chat())
    assert len(desks) == 3
    assert files(tmp_path) == 3
    assert [bool(desks.of(str(number)).visits) for number in (4, 5)] == [True, True]


def test_leaving_and_closing_delete_everything(tmp_path: Path) -> None:
    desks = Desks(tmp_path / "desks")
    for name in ("a", "b"):
        desks.of(name).add("x", photo(), (), chat())
    desks.leave("a")
    assert files(tmp_path) == 1
    desks.leave("nobody")
    desks.close()
    assert not (tmp_path / "desks").exists()
