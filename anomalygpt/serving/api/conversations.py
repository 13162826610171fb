"""Chats that go on: clients send the whole conversation each time, the photo is looked at once."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from anomalygpt.audit.journal import Entry
from anomalygpt.chat import Talk
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.requests import Progress, Recorded, Request

# Talks that wait for their next question, and for how many seconds.
MOST_TALKS, KEPT_SECONDS = 32, 15 * 60.0


@dataclass(frozen=True)
class Conversation:
    """What a client sent.

    Attributes:
        request: the photo and what it is compared with.
        turns: (question, answer) of earlier turns about this photo.
        question: what is asked now; "" for the verdict.
        mark: the same for the same photo, good parts, product and caller.
    """

    request: Request
    turns: Sequence[tuple[str, str]]
    question: str
    mark: str


@dataclass
class Going:
    """A talk about a conversation's photo, at its last question.

    Attributes:
        talk: its earlier turns are those of the conversation.
        entry: of the inspection on record; None where the photo was only looked at again.
    """

    talk: Talk
    entry: Entry | None


class Conversations:
    """Talks by what was said in them so far."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: OrderedDict[str, tuple[float, Going]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, wanted: Conversation, options: GenerationOptions) -> Going:
        """The talk of a conversation: the one that waits for its next question, else a new one
        in which the earlier questions are asked again.

        Raises:
            AnomalyGPTError: what `Engine.inspect` and `Engine.ask` raise.
        """
        with self._lock:
            self._forget_old()
            _, going = self._waiting.pop(_key(wanted.mark, wanted.turns), (0.0, None))
        if going is not None:
            return going
        entry, talk = None, None
        for step in self._engine.inspect(wanted.request):
            if isinstance(step, Recorded):
                entry = step.entry
            elif not isinstance(step, Progress):
                talk = step
        assert talk is not None  # the last step of every inspection
        for question, _ in wanted.turns:
            if question:
                list(self._engine.ask(talk, question, options))
        return Going(talk, entry)

    def answer(
        self, wanted: Conversation, going: Going, options: GenerationOptions
    ) -> Iterator[str]:
        """The answer piece by piece; then the talk waits for its next question.

        Raises:
            AnomalyGPTError: what `Engine.ask` raises.
        """
        told = ""
        if wanted.question:
            pieces = self._engine.ask(going.talk, wanted.question, options)
        else:
            pieces = iter([going.talk.history[0][1] if going.talk.history else ""])
        for piece in pieces:
            told += piece
            yield piece
        self._keep(_key(wanted.mark, [*wanted.turns, (wanted.question, told)]), going)

    def _keep(self, key: str, going: Going) -> None:
        with self._lock:
            self._waiting[key] = (time.monotonic(), going)
            self._forget_old()

    def _forget_old(self) -> None:
        eldest = time.monotonic() - KEPT_SECONDS
        while self._waiting:
            key, (at, _) = next(iter(self._waiting.items()))
            if at >= eldest and len(self._waiting) <= MOST_TALKS:
                break
            del self._waiting[key]


def _key(mark: str, turns: Sequence[tuple[str, str]]) -> str:
    said: list[Any] = [mark, *([question, answer.strip()] for question, answer in turns)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
