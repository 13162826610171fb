"""Turn by turn: which part of a question the result answers, and which is open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anomalygpt.replies import Reply, follow_up, is_free, names_box, open_boxes, reply_to
from anomalygpt.replies.questions import Asked, understand
from anomalygpt.replies.routing import route
from anomalygpt.results.inspection import Inspection


@dataclass(frozen=True)
class Split:
    """A question in two parts.

    Attributes:
        told: what the result answers; "" for nothing.
        reply: its answer; None where `told` is empty.
        opened: what is left; "" for nothing.
        boxes: numbers of the boxes that the open part is about.
        asked: what the result understood.
    """

    told: str
    reply: Reply | None
    opened: str
    boxes: tuple[int, ...]
    asked: tuple[Asked, ...]


class Turns:
    """What was asked about a result so far, as far as the next question may point to it.

    Attributes:
        about: the last question, where it was about a box: "how large is it?" may follow.
    """

    def __init__(self, inspection: Callable[[], Inspection]) -> None:
        """
        Args:
            inspection: gives the result; called only where it is needed.
        """
        self.about: Asked | None = None
        self._inspection = inspection

    def understood(self, question: str) -> tuple[Asked, ...]:
        """What a question asks, with what it points to; `about` is used up by it."""
        asked = understand(question)
        if self.about is not None:
            asked = follow_up(asked, self.about, self._inspection())
        self.about = None
        return asked

    def noted(self, asked: tuple[Asked, ...]) -> None:
        """Remember a question that the next may point to."""
        self.about = asked[0] if names_box(asked, self._inspection()) else None

    def split(self, question: str, *, declining: bool = True) -> Split:
        """What the result answers of a question, and what a model that talks has to answer.

        Args:
            question: in any language.
            declining: see `reply_to`.
        """
        inspection = self._inspection()
        told, opened = route(question, len(inspection.regions))
        asked = self.understood(told or opened)
        if is_free(understand(opened)) and asked[0].intent == "box" and not told:
            # "And the other one?", after a question about a box.
            told, opened = question, ""
        reply = reply_to(asked, inspection, declining=declining) if told else None
        if reply is None:
            told, opened = "", question
        boxes = open_boxes(understand(opened), inspection) or open_boxes(asked, inspection)
        self.noted(asked)
        return Split(told, reply, opened, boxes, asked)
