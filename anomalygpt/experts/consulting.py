"""One voice and one folder of knowledge for many photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from anomalygpt.chat import Chat
from anomalygpt.errors import ConfigError, ExpertError, ImageError
from anomalygpt.evidence import Evidence
from anomalygpt.experts.briefing import Exhibits
from anomalygpt.experts.consultation import Consultation
from anomalygpt.experts.manner import Manner
from anomalygpt.experts.voice import Voice
from anomalygpt.images.reading import ImageSource
from anomalygpt.knowledge.products import recognise, reference_photos
from anomalygpt.knowledge.store import Found, Knowledge, product_like
from anomalygpt.model import AnomalyGPT
from anomalygpt.results.inspection import Inspection
from decoder import MemoryBank
from decoder.config import Formulation

# Passages that go with a question at most; the budget of tokens may hold fewer.
MOST_PASSAGES = 3


class Consultants:
    """Makes the talks about photos.

    Attributes:
        voice: who speaks; None for our own language model.
        knowledge: what is known; None for nothing.
    """

    def __init__(
        self,
        voice: Voice | None = None,
        manner: Manner | None = None,
        knowledge: Knowledge | None = None,
        product: str | None = None,
    ) -> None:
        """
        Args:
            voice, knowledge: see above.
            manner: how consultations are held.
            product: which of the products of the knowledge all photos show; None finds it out
                from the reference photos that lie there, and asks about all where there are none.

        Raises:
            ConfigError: the knowledge has no such product, or there is none.
        """
        self.voice, self.knowledge = voice, knowledge
        self._manner, self._product = manner, product
        self._references: dict[str, np.ndarray] | None = None
        if product is None:
            return
        if knowledge is None:
            raise ConfigError("a product is one of a folder of knowledge; name that, too")
        self._product = product_like(product, knowledge.products)
        if self._product is None:
            there = ", ".join(knowledge.products[:12]) or "none"
            raise ConfigError(f"the knowledge has no product {product!r}; there is {there}")

    def talk(
        self,
        assistant: AnomalyGPT,
        chat: Chat,
        evidence: Evidence,
        exhibits: Exhibits,
    ) -> Consultation:
        """A talk about a photo, in which nothing was asked yet.

        Args:
            assistant: that examined it.
            chat: our own, about the same evidence.
            evidence: of the photo alone.
            exhibits: its pictures.
        """
        known: Callable[[str], Sequence[Found]] | None = None
        if self.knowledge is not None:
            product = self._product or self._recognised(assistant, evidence)
            known = partial(self.knowledge.search, product=product, limit=MOST_PASSAGES)
        return Consultation(chat, evidence, exhibits, self.voice, self._manner, known)

    def inspect(
        self,
        assistant: AnomalyGPT,
        photos: Iterable[ImageSource],
        bank: MemoryBank,
        reference: ImageSource | None,
        *,
        description: str | None = None,
        category: str | None = None,
        bit_depth: int | None = None,
        formulation: Formulation | None = None,
    ) -> Iterator[Inspection | ImageError | ExpertError]:
        """Inspect photos one by one, each with the voice's opinion; see `inspect_batch`.

        Yields:
            An `Inspection` per photo, in order; in place of a photo that cannot be used, or about
            which an expert that is to decide said nothing, the error.

        Raises:
            ExpertError: the voice could not be asked about the first photo; it would not be about
                the others.
        """
        for photo in photos:
            try:
                evidence = assistant.examine(
                    assistant.encode([photo], bit_depth=bit_depth),
                    bank,
                    description=description,
                    category=category,
                    formulation=formulation,
                )
                exhibits = Exhibits(photo, reference, bit_depth)
                chat = assistant.chat_about(evidence)
                talk = self.talk(assistant, chat, evidence, exhibits)
                found = talk.judge()
            except (ImageError, ExpertError) as error:
                if isinstance(error, ExpertError) and not self._was_heard():
                    raise
                yield error
                continue
            if talk.fault is not None and not self._was_heard():
                raise talk.fault
            yield found

    def _was_heard(self) -> bool:
        return self.voice is not None and self.voice.usage.requests > 0

    def _recognised(self, assistant: AnomalyGPT, evidence: Evidence) -> str | None:
        """The product whose photos in the knowledge are most like the photo, if any is."""
        least = assistant.config.decoder.least_likeness
        assert self.knowledge is not None
        if self._references is None:
            photos = reference_photos(self.knowledge.folder)
            self._references = {
                name: assistant.encode(list(paths)).features.embedding.float().cpu().numpy()
                for name, paths in photos.items()
            }
        if least is None or not self._references:
            return None
        embedding = evidence.photos.features.embedding[0].float().cpu().numpy()
        return recognise(embedding, self._references, least=least).product
