"""Desks: what is kept for how long, and that two visitors never share."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomalygpt.serving.desk import sessions
from anomalygpt.serving.desk.sessions import Desks
from anomalygpt.serving.desk.visits import Given


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


def test_only_the_last_chat_goes_on(tmp_path: Path) -> None:
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


TAB = "0123456789abcdef" * 2


def given(folder: Path, name: str = "part.png", side: int = 20) -> Given:
    path = folder / "uploads" / name
    path.parent.mkdir(exist_ok=True)
    photo(side).save(path)
    return Given(path)


def test_a_page_that_is_read_again_finds_its_desk(tmp_path: Path) -> None:
    desks = Desks(tmp_path, grace_seconds=60)
    desks.join("first", TAB)
    desks.of("first").add("x", photo(), (), chat())
    desks.leave("first")
    desks.join("second", TAB)
    assert [visit.name for visit in desks.of("second").visits] == ["x"]
    # The old page's end may be heard after the new one's beginning.
    desks.leave("first")
    assert [visit.name for visit in desks.of("second").visits] == ["x"]


def test_a_page_that_stays_closed_leaves_nothing(tmp_path: Path) -> None:
    desks = Desks(tmp_path, grace_seconds=0.05)
    desks.join("a", TAB)
    desks.of("a").add("x", photo(), (), chat())
    desks.leave("a")
    for _ in range(200):
        if not any(tmp_path.iterdir()):
            break
        time.sleep(0.05)
    assert not any(tmp_path.iterdir())
    assert len(desks) == 0


@pytest.mark.parametrize("guess", ["", "a", "1", "x" * 40, "../" * 12, "f" * 31, "f" * 65])
def test_what_could_be_guessed_opens_no_desk(tmp_path: Path, guess: str) -> None:
    desks = Desks(tmp_path)
    for session in ("a", "b"):
        desks.join(session, guess)
    desks.of("a").add("x", photo(), (), chat())
    assert desks.of("b").visits == []


def test_a_session_is_no_tab_of_another(tmp_path: Path) -> None:
    desks = Desks(tmp_path)
    desks.of(TAB).add("x", photo(), (), chat())
    desks.join("b", TAB)
    assert desks.of("b").visits == []


def test_the_same_photo_again_takes_the_place_of_the_visit_before(tmp_path: Path) -> None:
    desk = Desks(tmp_path / "desks").of("a")
    first = given(tmp_path)
    good = given(tmp_path, "good.png", 30).photo
    desk.add("part.png", photo(), (), chat(), first)
    desk.add("part.png", photo(), ("good.png",), chat(), replace(first, references=(good,)))
    assert [(visit.number, visit.references) for visit in desk.visits] == [(1, ("good.png",))]
    desk.visits[0].turns.append(("Where?", "Left."))
    desk.add("part.png", photo(), (), chat(), first)
    assert [visit.number for visit in desk.visits] == [1, 2]  # what was talked about stays


def test_numbers_are_of_this_desk_and_begin_again_when_it_is_cleared(tmp_path: Path) -> None:
    desks = Desks(tmp_path / "desks")
    for session in ("a", "b"):
        desk = desks.of(session)
        desk.add("part.png", photo(), (), chat(), given(tmp_path))
        assert [visit.number for visit in desk.visits] == [1]
    desk.clear()
    desk.add("part.png", photo(), (), chat(), given(tmp_path))
    assert [visit.number for visit in desk.visits] == [1]


def test_uploads_are_kept_as_long_as_a_visit_needs_them(tmp_path: Path) -> None:
    desk = Desks(tmp_path / "desks").of("a")
    first = given(tmp_path)
    visit = desk.add("part.png", photo(), (), chat(), first)
    first.photo.unlink()
    assert visit.given is not None
    assert visit.given.photo.name == "part.png"
    assert visit.given.photo.is_file()
    kept = desk.keep(given(tmp_path, "other.png", 40))
    desk.add("third.png", photo(), (), chat(), given(tmp_path, "third.png", 50))
    assert kept.photo.is_file()
    desk.forget()
    assert not kept.photo.exists()
    desk.clear()
    assert files(tmp_path / "desks") == 0


def test_names_of_kept_files_stay_in_their_folder(tmp_path: Path) -> None:
    desk = Desks(tmp_path / "desks").of("a")
    kept = desk.keep(given(tmp_path, "..;$(rm) <b>&.png"))
    assert kept.photo.resolve().is_relative_to((tmp_path / "desks").resolve())
    assert not set(kept.photo.name) & set("/\\<>&;$")


def test_the_mark_goes_by_contents(tmp_path: Path) -> None:
    one, same = given(tmp_path, "a.png"), given(tmp_path, "b.png")
    other = given(tmp_path, "c.png", 30)
    assert one.mark == same.mark
    assert one.mark != other.mark
    assert one.mark != replace(one, description="a lid").mark
