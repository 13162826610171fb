"""What is shown of a language model's words while it writes them: sentence by sentence, those
that invent nothing."""

from __future__ import annotations

import re

from anomalygpt.replies.ends import sentence_end, sentences
from anomalygpt.replies.inventions import Known, inventions

_LEADS_ON = re.compile(r":$")


class Guard:
    """Takes an answer in pieces, and gives what may be shown of it.

    A sentence is held back until it is complete. One that invents something is left out; so is
    one that leads on to nothing ("I see:").

    Attributes:
        known: what the answer is held against.
        written: all that came.
        shown: all that was given.
    """

    def __init__(self, known: Known) -> None:
        self.written = self.shown = ""
        self.known = known
        self._rest = ""  # of a sentence that is not complete
        self._room = ""  # between the last sentence and the next
        self._led = ""  # a sentence that waits for the next
        self._left_out = False  # whether the last sentence was

    def push(self, piece: str) -> str:
        """What may be shown now, "" where no sentence was completed."""
        self.written += piece
        self._rest += piece
        before = len(self.shown)
        while (end := sentence_end(self._rest, is_all=False)) is not None:
            sentence, self._rest = self._rest[:end], self._rest[end:]
            self._pass(sentence)
        return self.shown[before:]

    def finish(self) -> str:
        """What may be shown of the last sentence, which may have no end mark."""
        before = len(self.shown)
        for sentence in sentences(self._rest):
            self._pass(sentence)
        self._rest = ""
        return self.shown[before:]

    def _pass(self, sentence: str) -> None:
        body = sentence.strip()
        at = sentence.find(body) if body else len(sentence)
        self._make_room(sentence[:at])
        if not body:
            return
        if inventions(body, self.known):
            self._led, self._left_out = "", True
        else:
            text = self._led + (self._room if self.shown or self._led else "") + body
            self._room = ""
            self._led = text if _LEADS_ON.search(body) else ""
            self.shown += "" if self._led else text
        self._make_room(sentence[at + len(body) :])

    def _make_room(self, space: str) -> None:
        """Between two sentences there is the room behind the last that was left out."""
        if space:
            self._room = space if self._left_out else self._room + space
            self._left_out = False
