"""Who takes part in talks besides our own model: the server's expert, and what is known."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from anomalygpt.errors import BusyError
from anomalygpt.experts.consultation import Consultation
from anomalygpt.experts.consulting import Consultants
from anomalygpt.experts.opening import open_voice
from anomalygpt.experts.voice import Voice
from anomalygpt.knowledge.store import Knowledge
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.serving.settings import Asking, ServerSettings


class Advisers:
    """The expert and the knowledge of a server, opened once for all visitors.

    Whoever waits for the expert waits beside the queue of our own model, so that a slow server
    holds nobody up.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._voice: Voice | None = None
        self._knowledge: Knowledge | None = None
        self._all: dict[Asking, Consultants] = {}
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(settings.queue_size)

    def open(self) -> None:
        """Open both now.

        Raises:
            AnomalyGPTError: one of them cannot be used.
        """
        with self._lock:
            self._open()

    def take_part(self, asking: Asking | None) -> bool:
        """Whether anybody does, in the talks of a visitor who asks for it so."""
        speaks = self._settings.expert is not None and asking is not None and asking.is_on
        return asking is not None and (speaks or self._settings.knowledge is not None)

    def consultants(self, asking: Asking | None) -> Consultants | None:
        """Who makes these talks; None for nobody."""
        if asking is None or not self.take_part(asking):
            return None
        with self._lock:
            self._open()
            if asking not in self._all:
                voice = self._voice if asking.is_on else None
                manner = asking.manner if voice is not None else None
                self._all[asking] = Consultants(
                    voice, manner, self._knowledge, self._settings.product
                )
            return self._all[asking]

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """For as long as somebody waits for the expert.

        Raises:
            BusyError: too many do.
        """
        if not self._room.acquire(blocking=False):
            raise BusyError("too many people wait for the expert; try again in a moment")
        try:
            yield
        finally:
            self._room.release()

    def answer(
        self, talk: Consultation, question: str, options: GenerationOptions
    ) -> Iterator[str]:
        """The answer piece by piece; a talk has one at a time.

        Raises:
            BusyError: too many wait.
            AnomalyGPTError: what `Consultation.ask` raises.
        """
        with self.waiting(), talk.answering:
            yield from (piece for piece in talk.stream(question, options) if piece)

    def close(self) -> None:
        """Give back what the expert holds."""
        if self._voice is not None:
            self._voice.close()

    def _open(self) -> None:
        settings = self._settings
        if self._voice is None and settings.expert is not None:
            self._voice = open_voice(
                settings.expert,
                timeout=settings.expert_timeout,
                device=settings.device,
                dtype=settings.dtype,
            )
        if self._knowledge is None and settings.knowledge is not None:
            self._knowledge = Knowledge.open(settings.knowledge)
