"""One queue for all model calls, and one worker that gives every visitor a turn.

A job is a generator whose steps are short: reading a reference, one token of an answer. The worker
goes round the jobs, one step each, so that a long answer does not keep others waiting, and drops a
job as soon as nobody waits for it. Photos that wait at the same time are encoded together.
"""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from PIL import Image

from anomalygpt.chat import Chat
from anomalygpt.errors import AnomalyGPTError, BusyError
from anomalygpt.evaluation.provenance import model_hash
from anomalygpt.evidence import EncodedPhotos
from anomalygpt.generation import GenerationOptions
from anomalygpt.model import AnomalyGPT
from anomalygpt.references import pixels_mark, turns_of_each
from anomalygpt.serving.settings import ServerSettings
from decoder import MemoryBank

# Photos encoded at once: more gain nothing on a CPU.
MOST_AT_ONCE = 4
# Banks of references that are kept, 17 MB each with the embedded encoder; all visitors share them.
MOST_BANKS = 24

Step = Iterator[Any]


@dataclass(frozen=True)
class Request:
    """One photo to inspect.

    Attributes:
        photo: as it is, upright, RGB.
        name: what results call it.
        references: good parts, in order; () for none.
        description: a sentence about the part, or None.
        model: one of the settings' models.
        reference_names: what results call the references; () where they have no names.
    """

    photo: Image.Image
    name: str
    references: tuple[Image.Image, ...] = ()
    description: str | None = None
    model: str = "embedded"
    reference_names: tuple[str, ...] = ()

    @cached_property
    def bank_key(self) -> tuple[str, ...]:
        """The same for the same references and model."""
        return (self.model, *(pixels_mark(reference) for reference in self.references))


@dataclass(frozen=True)
class Progress:
    """What is being done, `share` of the work in [0, 1]."""

    what: str
    share: float


class Ticket:
    """A visitor's end of a job: read what comes, or give up.

    Attributes:
        steps: what the worker goes through.
        request: of an inspection.
        encoded: its photo, once that was encoded, perhaps together with others.
    """

    def __init__(self, steps: Step, request: Request | None = None) -> None:
        self.steps = steps
        self.request = request
        self.encoded: EncodedPhotos | None = None
        self.given_up = threading.Event()
        self._results: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()

    def put(self, kind: str, value: Any = None) -> None:
        """The worker's end."""
        self._results.put((kind, value))

    def __iter__(self) -> Iterator[Any]:
        """What the job yields, until it ends; its error is raised here."""
        try:
            while True:
                kind, value = self._results.get()
                if kind == "end":
                    return
                if kind == "error":
                    raise value
                yield value
        finally:
            self.given_up.set()


class Engine:
    """All models, their memory banks, and the worker."""

    def __init__(
        self,
        settings: ServerSettings,
        open_model: Callable[[str], AnomalyGPT] | None = None,
    ) -> None:
        self.settings = settings
        self._open_model = open_model or self._from_pretrained
        self._models: dict[str, AnomalyGPT] = {}
        self._hashes: dict[str, str] = {}
        self._banks: OrderedDict[tuple[str, ...], MemoryBank] = OrderedDict()
        self._jobs: deque[Ticket] = deque()
        self._talking: set[int] = set()  # chats whose answer is being written
        self._wake = threading.Condition()
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="anomalygpt-engine", daemon=True)
        self._worker.start()

    @property
    def pending(self) -> int:
        """Jobs that wait or run."""
        return len(self._jobs)

    def prepare(self) -> AnomalyGPT:
        """Load the first model now.

        Raises:
            AnomalyGPTError: it cannot be loaded.
        """
        return self._model(self.settings.models[0])

    def weights_hash(self, model: str) -> str:
        """SHA-256 of a loaded model's weights, as evaluations write it; read once."""
        if model not in self._hashes:
            self._hashes[model] = model_hash(self._models[model])
        return self._hashes[model]

    def inspect(self, request: Request) -> Iterator[Progress | Chat]:
        """Progress, and at the end a chat whose `inspection` is there.

        Raises:
            BusyError: too many calls wait.
            AnomalyGPTError: what `AnomalyGPT.chat` raises.
        """
        if request.model not in self.settings.models:
            raise AnomalyGPTError(f"there is no model {request.model!r} here")
        _ = request.bank_key  # here, where only this visitor waits for it
        return iter(self._submit(self._inspection(request), request))

    def ask(self, chat: Chat, question: str, options: GenerationOptions) -> Iterator[str]:
        """The answer piece by piece.

        Raises:
            BusyError: too many calls wait.
            AnomalyGPTError: what `Chat.ask` raises.
        """

        def steps() -> Step:
            # One conversation has one answer at a time: two would be written into each other.
            while id(chat) in self._talking:
                yield ""
            self._talking.add(id(chat))
            try:
                yield from chat.stream(question, options)
            finally:
                self._talking.discard(id(chat))

        ticket = self._submit(steps())
        return (piece for piece in ticket if piece)

    def restart(self, chat: Chat) -> Iterator[Chat]:
        """A new conversation about the same photo, judged.

        Raises:
            BusyError: too many calls wait.
        """

        def steps() -> Step:
            fresh = chat.restart()
            fresh.judge()
            yield fresh

        return iter(self._submit(steps()))

    def close(self) -> None:
        """End the worker; whoever waits is told."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._worker.join(timeout=10)

    def _submit(self, steps: Step, request: Request | None = None) -> Ticket:
        ticket = Ticket(steps, request)
        with self._wake:
            if self._closed:
                raise BusyError("the server is shutting down")
            if len(self._jobs) >= self.settings.queue_size:
                raise BusyError(
                    f"{len(self._jobs)} requests are waiting, more than this server takes; "
                    "try again in a moment"
                )
            self._jobs.append(ticket)
            self._wake.notify()
        return ticket

    # --- the worker -----------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._wake:
                while not (self._jobs or self._closed):
                    self._wake.wait()
                if self._closed:
                    break
                ticket = self._jobs[0]
            goes_on = self._step(ticket)
            with self._wake:
                self._jobs.popleft()
                if goes_on:
                    self._jobs.append(ticket)
        for ticket in self._jobs:
            ticket.put("error", BusyError("the server is shutting down"))

    def _step(self, ticket: Ticket) -> bool:
        """One step of a job; whether there are more."""
        if ticket.given_up.is_set():
            ticket.steps.close()  # type: ignore[attr-defined]
            return False
        try:
            ticket.put("piece", next(ticket.steps))
        except StopIteration:
            ticket.put("end")
            return False
        except Exception as error:
            ticket.put("error", error)
            return False
        return True

    def _inspection(self, request: Request) -> Step:
        yield Progress("Loading the model", 0.0)
        assistant = self._model(request.model)
        bank, missing = self._bank(assistant, request)
        for number, reference in enumerate(missing, start=1):
            yield Progress(f"Reading reference {number} of {len(missing)}", 0.05)
            turns = turns_of_each(len(request.references), assistant.config.decoder.formulation)
            assistant.remember([reference], rotations=turns, bank=bank)
        self._keep(request.bank_key, bank)
        yield Progress("Looking at the photo", 0.4)
        photos = self._encode(assistant, request)
        yield Progress("Comparing", 0.7)
        evidence = assistant.examine(photos, bank, description=request.description)
        if request.reference_names:  # all who use the bank share it, each with names of their own
            evidence = replace(evidence, references=request.reference_names)
        chat = Chat(assistant, evidence)
        yield Progress("Judging", 0.85)
        chat.judge()
        yield chat

    def _encode(self, assistant: AnomalyGPT, request: Request) -> EncodedPhotos:
        """The photo, together with others that wait for the same model."""
        with self._wake:
            own = next(ticket for ticket in self._jobs if ticket.request is request)
            others = [t for t in self._jobs if t.request and t.request.model == request.model]
        if own.encoded is None:
            waiting = [t for t in others if t.encoded is None and t is not own]
            batch = [own, *waiting][:MOST_AT_ONCE]
            requests = [ticket.request for ticket in batch if ticket.request]
            encoded = assistant.encode([each.photo for each in requests])
            for row, (ticket, each) in enumerate(zip(batch, requests, strict=True)):
                ticket.encoded = replace(encoded.only(row), names=[each.name])
        assert own.encoded is not None
        return own.encoded

    # --- models and references ------------------------------------------------------------------

    def _model(self, name: str) -> AnomalyGPT:
        if name not in self._models:
            self._models[name] = self._open_model(name)
        return self._models[name]

    def _from_pretrained(self, name: str) -> AnomalyGPT:
        return AnomalyGPT.from_pretrained(
            name, device=self.settings.device, dtype=self.settings.dtype
        )

    def _bank(
        self, assistant: AnomalyGPT, request: Request
    ) -> tuple[MemoryBank, Sequence[Image.Image]]:
        """The bank, and references that are not in it yet."""
        kept = self._banks.get(request.bank_key)
        if kept is not None:
            return kept, ()
        return MemoryBank(assistant.encoder_id), request.references

    def _keep(self, key: tuple[str, ...], bank: MemoryBank) -> None:
        self._banks[key] = bank
        self._banks.move_to_end(key)
        while len(self._banks) > MOST_BANKS:
            self._banks.popitem(last=False)
