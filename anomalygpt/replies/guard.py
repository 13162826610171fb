"""What is shown of a language model's words while it writes them: sentence by sentence, those
that invent nothing."""

from __future__ import annotations

import re

from anomalygpt.replies.inventions import Known, inventions

# An end mark with room behind it, or the end of a line.
_END = re.compile(r"[.!?][\"”')\]]*(?=\s)|\n")
_NO_END = re.compile(
    r"(?:(?:^|\s)(?:\d{1,2}|e\.g|i\.e|etc|approx|ca|vs|no|nr|dr|mr|ms|mrs|fig)\.)$", re.I
)
_LEADS_ON = re.compile(r":\s*$")


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
        self._rest = ""
        self._waiting = ""

    def push(self, piece: str) -> str:
        """What may be shown now, "" where no sentence was completed."""
        self.written += piece
        self._rest += piece
        given = ""
        while (end := self._end()) is not None:
            sentence, self._rest = self._rest[:end], self._rest[end:]
            given += self._passed(sentence)
        return self._given(given)

    def finish(self) -> str:
        """What may be shown of the last sentence, which may have no end mark."""
        given, self._rest = self._passed(self._rest), ""
        return self._given(given)

    def _end(self) -> int | None:
        for match in _END.finditer(self._rest):
            if not _NO_END.search(self._rest[: match.end()]):
                return match.end()
        return None

    def _passed(self, sentence: str) -> str:
        if not sentence.strip():
            # Room between paragraphs, but none before the first or behind the last.
            self._waiting += sentence if self.shown and not self._waiting.strip() else ""
            return ""
        if inventions(sentence, self.known):
            self._waiting = ""
            return ""
        if _LEADS_ON.search(sentence):
            self._waiting = sentence
            return ""
        sentence, self._waiting = self._waiting + sentence, ""
        return sentence

    def _given(self, text: str) -> str:
        text = text if self.shown else text.lstrip()
        self.shown += text
        return text
