"""What is said is compared with what is drawn: true answers pass, each kind of slip is seen."""

from __future__ import annotations

import pytest

from chats.drawn import is_as_drawn, misplaced
from chats.fresh_questions import FRESH
from chats.plain_questions import ASKED, questions

DRAWN = {
    "damaged": True,
    "cells": ["top", "left", "bottom right"],
    "regions": [
        {"place": "left", "share": 0.016, "box": [10, 20, 110, 60], "score": 0.81},
        {"place": "bottom right", "share": 0.004, "box": [300, 200, 330, 240], "score": 0.5},
    ],
}
GOOD = {"damaged": False, "cells": [], "regions": []}


@pytest.mark.parametrize(
    ("kind", "boxes", "answer", "fits"),
    [
        ("count", (), "2 regions stand out, at the left and bottom right.", True),
        ("count", (), "3 regions stand out, at the left and bottom right.", False),
        ("where", (), "At the left and bottom right.", True),
        ("where", (), "At the left.", False),
        ("size", (), "Box 1 covers 1.6 % of the photo.", True),
        ("size", (), "It covers 1.7 % of the photo.", False),
        ("worst", (), "Box 1, at the left.", True),
        ("worst", (), "Box 2, at the bottom right.", False),
        ("smallest", (), "Box 2, at the bottom right.", True),
        ("box_where", (2,), "Box 2 lies at the bottom right.", True),
        ("box_where", (2,), "Box 2 lies at the left.", False),
        ("box_where", (2,), "Box 1 lies at the bottom right.", False),
        ("box_size", (1,), "Box 1 is 100 × 40 pixels.", True),
        ("box_size", (1,), "Box 1 is 100 × 41 pixels.", False),
        ("box", (3,), "There is no box 3. There are two boxes, 1 and 2.", True),
        ("box", (3,), "Box 3 lies at the left.", False),
        ("compare", (1, 2), "Box 1, at the left, covers 1.6 % of the photo.", False),
        ("list", (), "Box 1, at the left; box 2, at the bottom right.", True),
        ("list", (), "Box 1, at the left.", False),
        ("unanswerable", (), "The photo cannot tell that; 2 regions stand out.", True),
        ("unanswerable", (), "2 regions stand out, at the left and bottom right.", False),
    ],
)
def test_answers_and_the_picture(
    kind: str, boxes: tuple[int, ...], answer: str, fits: bool
) -> None:
    assert is_as_drawn(kind, boxes, None, answer, DRAWN) is fits


@pytest.mark.parametrize(
    ("place", "answer", "fits"),
    [
        ("left", "The left is not fine: region 1 lies there.", True),
        ("left", "The left looks fine.", False),
        ("center", "The center looks fine.", True),
        ("center", "There is damage at the center.", False),
        ("top", "The top is affected: region 1, at the left, reaches into it.", None),
    ],
)
def test_answers_about_a_place(place: str, answer: str, fits: bool | None) -> None:
    assert is_as_drawn("cell", (), place, answer, DRAWN) is fits


def test_where_nothing_is_drawn_nothing_is_named() -> None:
    assert is_as_drawn("where", (), None, "I see nothing that stands out.", GOOD)
    assert not is_as_drawn("where", (), None, "At the left.", GOOD)
    assert is_as_drawn("box", (1,), None, "There is no box 1: nothing stands out.", GOOD)


def test_places_that_are_not_drawn() -> None:
    assert misplaced("There is damage at the left and top.", None, DRAWN) == {"top"}
    assert misplaced("There is damage at the top.", "top", DRAWN) == set()
    assert misplaced("There is damage at the center.", "center", DRAWN) == {"center"}


def test_the_lists_share_no_question_and_ask_every_kind() -> None:
    mending, counted = questions("mending"), questions("counted")
    assert not {each.text for each in mending} & {each.text for each in counted}
    assert {each.kind for each in mending} == {each.kind for each in counted} == set(ASKED)
    assert len(mending) == sum(map(len, ASKED.values())) >= 120
    assert len(counted) == sum(map(len, FRESH.values())) >= 120
