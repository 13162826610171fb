"""One queue for all model calls: every visitor has a turn, and all share what is loaded.

Photos that wait at the same time are encoded together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from PIL import Image

from anomalygpt.chat import Talk
from anomalygpt.errors import AnomalyGPTError, ConfigError
from anomalygpt.evaluation.provenance import model_hash
from anomalygpt.evidence import EncodedPhotos
from anomalygpt.experts.briefing import Exhibits
from anomalygpt.experts.consultation import Consultation
from anomalygpt.images.detail import Detail
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.model import AnomalyGPT
from anomalygpt.products.calibration import check_enough, good_scores, with_limit
from anomalygpt.products.plant import Plant
from anomalygpt.products.product import Product
from anomalygpt.references.banks import KeptBanks
from anomalygpt.references.filling import Named, detail_of, fill
from anomalygpt.references.pictures import turns_of_each
from anomalygpt.serving.advisers import Advisers
from anomalygpt.serving.recording import record
from anomalygpt.serving.requests import Observer, Progress, Recorded, Request
from anomalygpt.serving.settings import ServerSettings
from anomalygpt.serving.worker import Step, Worker
from decoder import MemoryBank

Value = TypeVar("Value")

# Photos encoded at once: more gain nothing on a CPU.
MOST_AT_ONCE = 4
# Banks of references that are kept, 17 MB each with the embedded encoder; all visitors share them.
MOST_BANKS = 24


class Engine:
    """All models, their memory banks, and the worker.

    Attributes:
        settings: of the server.
        worker: does the jobs.
        banks: of references, which all visitors share.
        plant: products, and where every inspection is put on record; None without.
        observers: are told of every inspection.
    """

    def __init__(
        self,
        settings: ServerSettings,
        open_model: Callable[[str], AnomalyGPT] | None = None,
        plant: Plant | None = None,
    ) -> None:
        self.settings, self.plant = settings, plant
        self.observers: list[Observer] = []
        self._open_model = open_model or self._from_pretrained
        self._models: dict[str, AnomalyGPT] = {}
        self._hashes: dict[str, str] = {}
        self.banks = KeptBanks(MOST_BANKS)
        self._talking: set[int] = set()  # chats whose answer is being written
        self.advisers = Advisers(settings)
        self.worker: Worker[Request] = Worker(settings.queue_size)

    @property
    def pending(self) -> int:
        """Jobs that wait or run."""
        return len(self.worker)

    def prepare(self) -> AnomalyGPT:
        """Load the first model now, and open what takes part besides.

        Raises:
            AnomalyGPTError: it cannot be loaded.
        """
        self.advisers.open()
        return self._model(self.settings.models[0])

    def weights_hash(self, model: str) -> str:
        """SHA-256 of a loaded model's weights, as evaluations write it; read once."""
        if model not in self._hashes:
            self._hashes[model] = model_hash(self._models[model])
        return self._hashes[model]

    def count_tokens(self, model: str, text: str) -> int:
        """Tokens of a text, as a loaded model counts them; 0 where it has no language model."""
        speaker = self._models[model].language_model if model in self._models else None
        return 0 if speaker is None else len(speaker.tokenizer(text)["input_ids"])

    def inspect(self, request: Request) -> Iterator[Progress | Recorded | Talk]:
        """Progress, where there is a plant the record, and at the end a talk that has begun with
        the verdict.

        Raises:
            BusyError: too many calls wait.
            SourceError: there is no such product.
            OutputError, RecordsError: the finding cannot be kept.
            AnomalyGPTError: what `AnomalyGPT.chat` raises.
        """
        product = None
        if request.product is not None:
            if self.plant is None:
                raise ConfigError("this server knows no products; begin it with --data")
            product = self.plant.products.find(request.product)
            request = replace(request, model=product.settings.model, references=())
        if request.model not in self.settings.models:
            raise AnomalyGPTError(f"there is no model {request.model!r} here")
        _ = request.bank_key  # here, where only this visitor waits for it
        ticket = self.worker.submit(self._inspection(request, product), request)
        steps = self._observed(iter(ticket), product)
        if self.advisers.take_part(request.asking):
            steps = self._judged(steps)
        if self.plant is None or not request.on_record:
            return steps
        return self._recorded(steps, self.plant, request, product)

    def read_ahead(self, name: str, who: str) -> None:
        """Let the references of a product be read before its first photo comes, and its limit be
        measured where it is to promise something; one photo is a step.

        Raises:
            BusyError: too many calls wait.
            SourceError: there is no such product.
        """
        if self.plant is None:
            return
        product, plant = self.plant.products.find(name), self.plant

        def steps() -> Step:
            assistant = self._model(product.settings.model)
            bank = plant.shelf.bank(product, assistant)
            yield bank
            if product.settings.false_alarms is None or product.limit is not None:
                return
            check_enough(product)
            names = {str(plant.blobs.path(each.photo)): each.name for each in product.good}
            scores = []
            for score in good_scores(assistant, bank, product, names):
                scores.append(score)
                yield score
            with_limit(plant.products, product, scores, who=who)

        if product.references and product.settings.model in self.settings.models:
            self.worker.submit(steps())

    def _observed(
        self, steps: Iterator[Progress | Recorded | Talk], product: Product | None
    ) -> Iterator[Progress | Recorded | Talk]:
        """Tell observers how long each part took."""
        begun, stage = time.monotonic(), "queue"
        for step in steps:
            self._tell_time(stage, begun)
            if isinstance(step, Progress):
                stage = step.stage or stage
            elif not isinstance(step, Recorded):
                for each in self.observers:
                    each.found(product, step.inspection)
            yield step
            begun = time.monotonic()

    def _tell_time(self, stage: str, begun: float) -> None:
        for each in self.observers:
            each.staged(stage, time.monotonic() - begun)

    def _recorded(
        self,
        steps: Iterator[Progress | Recorded | Talk],
        plant: Plant,
        request: Request,
        product: Product | None,
    ) -> Iterator[Progress | Recorded | Talk]:
        """Writing is waited for here, where nobody else waits for it."""
        for step in steps:
            if not isinstance(step, Progress | Recorded):
                weights = self.weights_hash(request.model)
                begun = time.monotonic()
                entry = record(plant, self.settings, step, request, product, weights)
                self._tell_time("recording", begun)
                yield Recorded(entry)
            yield step

    def _judged(
        self, steps: Iterator[Progress | Recorded | Talk]
    ) -> Iterator[Progress | Recorded | Talk]:
        """The voice's part: it is waited for here, where nobody else waits for it."""
        for step in steps:
            if isinstance(step, Consultation):
                if step.voice is not None:
                    yield Progress(f"Asking {step.voice.name}", 0.9)
                with self.advisers.waiting():
                    step.judge()
            yield step

    def ask(self, chat: Talk, question: str, options: GenerationOptions) -> Iterator[str]:
        """The answer piece by piece.

        Raises:
            BusyError: too many calls wait.
            AnomalyGPTError: what the talk's `ask` raises.
        """
        if isinstance(chat, Consultation) and chat.voice is not None:
            return self.advisers.answer(chat, question, options)

        def steps() -> Step:
            # One chat has one answer at a time: two would be written into each other.
            while id(chat) in self._talking:
                yield ""
            self._talking.add(id(chat))
            try:
                yield from chat.stream(question, options)
            finally:
                self._talking.discard(id(chat))

        ticket = self.worker.submit(steps())
        return (piece for piece in ticket if piece)

    def restart(self, chat: Talk) -> Iterator[Talk]:
        """A new talk about the same photo, judged.

        Raises:
            BusyError: too many calls wait.
        """

        def steps() -> Step:
            fresh = chat.restart()
            fresh.judge()
            yield fresh

        return iter(self.worker.submit(steps()))

    def features(self, model: str, photo: Image.Image) -> np.ndarray:
        """What the model's image encoder says about a photo as a whole, (1, D) float.

        Raises:
            BusyError: too many calls wait.
            AnomalyGPTError: there is no such model, or it cannot be loaded.
        """
        if model not in self.settings.models:
            raise AnomalyGPTError(f"there is no model {model!r} here")

        def look(model_of: Callable[[str], AnomalyGPT]) -> np.ndarray:
            encoded = model_of(model).encode([photo])
            return encoded.features.embedding.float().cpu().numpy()

        return self.with_models(look)

    def with_models(self, work: Callable[[Callable[[str], AnomalyGPT]], Value]) -> Value:
        """Let something be computed where all model calls are made, as one step of one job.

        Args:
            work: is handed what opens a model by its name.

        Raises:
            BusyError: too many calls wait.
            AnomalyGPTError: what the work raises, or there is no such model here.
        """

        def opened(name: str) -> AnomalyGPT:
            if name not in self.settings.models:
                raise ConfigError(f"there is no model {name!r} here")
            return self._model(name)

        def steps() -> Step:
            yield work(opened)

        (value,) = self.worker.submit(steps())
        return value

    def close(self) -> None:
        """End the worker; whoever waits is told."""
        self.worker.close()
        self.advisers.close()

    def _inspection(self, request: Request, product: Product | None) -> Step:
        yield Progress("Loading the model", 0.0, "loading")
        assistant = self._model(request.model)
        yield Progress("Reading good parts", 0.02, "references")
        if product is not None and self.plant is not None:
            bank = self.plant.shelf.bank(product, assistant)
        else:
            bank = yield from self._bank(assistant, request)
        yield Progress("Looking at the photo", 0.4, "encoding")
        photos = self._encode(assistant, request)
        yield Progress("Comparing", 0.7, "comparing")
        evidence = assistant.examine(
            photos,
            bank,
            description=request.description or (product.description if product else None),
            category=product.settings.category if product else None,
        )
        if request.reference_names:  # all who use the bank share it, each with names of their own
            evidence = replace(evidence, references=request.reference_names)
        chat = assistant.chat_about(evidence)
        yield Progress("Judging", 0.85, "judging")
        chat.judge()
        consultants = self.advisers.consultants(request.asking)
        if consultants is None:
            yield chat
        else:
            exhibits = Exhibits(request.photo, next(iter(request.references), None))
            yield consultants.talk(assistant, chat, evidence, exhibits)

    def _bank(
        self, assistant: AnomalyGPT, request: Request
    ) -> Generator[Progress, None, MemoryBank]:
        """A bank of the request's own references."""
        bank = self.banks.get(request.bank_key)
        if bank is None:
            bank = yield from _remembered(assistant, request.references, self.settings.detail)
        self.banks.put(request.bank_key, bank)
        return bank

    def _encode(self, assistant: AnomalyGPT, request: Request) -> EncodedPhotos:
        """The photo, together with others that wait for the same model."""
        jobs = self.worker.waiting()
        own = next(ticket for ticket in jobs if ticket.request is request)
        if own.made is None:
            others = [t for t in jobs if t.request and t.request.model == request.model]
            waiting = [t for t in others if t.made is None and t is not own]
            batch = [own, *waiting][:MOST_AT_ONCE]
            requests = [ticket.request for ticket in batch if ticket.request]
            encoded = assistant.encode([each.photo for each in requests])
            for row, (ticket, each) in enumerate(zip(batch, requests, strict=True)):
                ticket.made = replace(encoded.only(row), names=[each.name])
        return own.made

    # --- models and references ------------------------------------------------------------------

    def _model(self, name: str) -> AnomalyGPT:
        if name not in self._models:
            self._models[name] = self._open_model(name)
        return self._models[name]

    def _from_pretrained(self, name: str) -> AnomalyGPT:
        return AnomalyGPT.from_pretrained(
            name, device=self.settings.device, dtype=self.settings.dtype
        )


def _remembered(
    assistant: AnomalyGPT, references: Sequence[Image.Image], detail: Detail
) -> Generator[Progress, None, MemoryBank]:
    """A bank of the references, with a step for each."""
    library, kind = assistant.library, assistant.config.decoder.formulation
    detail = detail if kind == "normalised" else "whole"
    first = turns_of_each(len(references), kind)

    def one(number: int, turns: int) -> Named:
        look = detail_of(detail, number)
        return None, *library.encoded(references[number], turns, detail=look)

    read: dict[int, list[Named]] = {first: []}
    for number in range(len(references)):
        what = f"Reading reference {number + 1} of {len(references)}"
        yield Progress(what, 0.05, "references")
        read[first].append(one(number, first))

    def turned(turns: int) -> list[Named]:
        return read.get(turns) or [one(number, turns) for number in range(len(references))]

    bank = library.new_bank(detail=detail)
    fill(bank, turned, len(references), kind)
    return bank
