"""Feedback as the page, the service and the terminal call it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import select

from anomalygpt.audit.chain import append
from anomalygpt.audit.journal import Entry, row_of
from anomalygpt.errors import ConfigError, RecordsError, SourceError
from anomalygpt.feedback import applying
from anomalygpt.feedback.preview import MOST, Preview, before_and_after
from anomalygpt.feedback.proposal import Case, Consequence, consequences, unavailable
from anomalygpt.feedback.said import Said
from anomalygpt.products.product import Product
from anomalygpt.records.tables import FeedbackRow, InspectionRow
from anomalygpt.references.library import Watch, unwatched
from anomalygpt.results.inspection import Inspection

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.products.plant import Plant


@dataclass(frozen=True)
class Proposed:
    """Feedback that was taken down, and what may follow.

    Attributes:
        id: of the feedback.
        inspection: that it is about.
        product: name of the product, as it is now; None where there is none.
        version: of the product that the proposals are made for.
        consequences: what may follow, the best first; () where nothing has to.
        notes: why other things may not, each as a sentence.
    """

    id: str
    inspection: str
    product: str | None
    version: int | None
    consequences: tuple[Consequence, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        found = [each.to_dict() for each in self.consequences]
        return {**self.__dict__, "consequences": found, "notes": list(self.notes)}


@dataclass(frozen=True)
class Item:
    """Feedback on record.

    Attributes:
        id, inspection, at, who: of the feedback.
        product_id: of the product; None where there is none.
        state: "proposed", "applied" or "undone".
        said: see `Said.to_dict`.
        kind: what was applied; None where nothing was.
    """

    id: str
    inspection: str
    product_id: str | None
    at: str
    who: str
    state: str
    said: Mapping[str, Any]
    kind: str | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


class Feedback:
    """What people say of a plant's inspections. Calls of `propose`, `preview` and `apply` compute
    with a model: a server makes them where it makes its other model calls."""

    def __init__(self, plant: Plant, open_model: Callable[[str], AnomalyGPT]) -> None:
        """
        Args:
            plant: that has inspections and products.
            open_model: by the name that a product's settings have; each is opened once.
        """
        self._plant, self._open_model = plant, open_model
        self._models: dict[str, AnomalyGPT] = {}

    def propose(self, inspection: str, said: Said, *, who: str) -> Proposed:
        """Take down what was said, and propose what may follow; nothing is changed yet.

        Args:
            inspection: its identity.
            said: by `who`.

        Raises:
            SourceError: there is no such inspection.
            ConfigError: a box lies outside of the photo, or the mask is of another size.
            OutputError, RecordsError, BusyError: it cannot be written.
        """
        entry = self._plant.journal.find(inspection)
        geometry = Inspection.from_json(json.dumps(dict(entry.result))).geometry
        said.place(geometry, (geometry.size, geometry.size))  # whether it fits the photo
        product, found, notes = self._followed(entry, said)
        kept, identity = said.to_dict(self._plant.blobs), uuid4().hex
        with self._plant.database.writing() as session:
            told = {"feedback": identity, "said": kept}
            event = append(session, "feedback.said", who, inspection, told)
            row_of(session, inspection).feedback = said.verdict
            session.add(
                FeedbackRow(
                    id=identity,
                    inspection=inspection,
                    product_id=entry.product_id,
                    at=event.at,
                    who=event.who,
                    state="proposed",
                    said=kept,
                    change=None,
                )
            )
        name, version = (None, None) if product is None else (product.name, product.version)
        return Proposed(identity, inspection, name, version, tuple(found), tuple(notes))

    def preview(
        self, feedback: str, kind: str, *, most: int = MOST, watch: Watch = unwatched
    ) -> Preview:
        """What one of the consequences would do to the last inspections of the product.

        Raises:
            SourceError: there is no such feedback.
            ConfigError: this consequence is not one of those that may follow now.
        """
        product, chosen = self._chosen(feedback, kind)
        assistant = self._model(product)
        return before_and_after(
            self._plant, assistant, product, chosen.after, most=most, watch=watch
        )

    def apply(
        self, feedback: str, kind: str, *, who: str, expected_version: int | None = None
    ) -> Product:
        """Change the product.

        Args:
            feedback: its identity.
            kind: which consequence.
            who: is named in the log.
            expected_version: of the product that the preview was made for; None for any.

        Returns:
            The product as it is then.

        Raises:
            SourceError: there is no such feedback, or no such product any more.
            ConfigError: this consequence is not one of those that may follow now, the product was
                changed meanwhile, or the feedback was applied already.
        """
        product, chosen = self._chosen(feedback, kind)
        if expected_version not in (None, product.version):
            raise ConfigError(
                f"{product.name} was changed meanwhile (version {product.version}, not "
                f"{expected_version}); look at the proposal again"
            )
        return applying.applied(
            self._plant, feedback, chosen.kind, chosen.text, product, chosen.after, who
        )

    def undo(self, feedback: str, *, who: str) -> Product:
        """Take back what was applied, see `applying.undone`; needs no model."""
        return applying.undone(self._plant, feedback, who)

    def all(self, product: str | None = None, most: int = 100) -> list[Item]:
        """Feedback, the youngest first.

        Args:
            product: name or identity of the only product that is wanted.
            most: so many at most.

        Raises:
            SourceError: there is no such product.
        """
        wanted = (
            select(FeedbackRow)
            .join(InspectionRow, InspectionRow.id == FeedbackRow.inspection)
            .order_by(FeedbackRow.at.desc(), InspectionRow.event.desc())
            .limit(most)
        )
        if product is not None:
            identity = self._plant.products.find(product).id
            wanted = wanted.where(FeedbackRow.product_id == identity)
        with self._plant.database.reading() as session:
            return [_item(row) for row in session.scalars(wanted)]

    def _chosen(self, feedback: str, kind: str) -> tuple[Product, Consequence]:
        with self._plant.database.reading() as session:
            row = applying.row_of(session, feedback)
        if row.state == "applied":
            raise ConfigError(
                f"feedback {feedback} was applied already; undo it first with `anomalygpt feedback "
                f"undo {feedback}`"
            )
        entry = self._plant.journal.find(row.inspection)
        product, found, notes = self._followed(entry, Said.from_dict(row.said, self._plant.blobs))
        chosen = next((each for each in found if each.kind == kind), None)
        if product is None or chosen is None:
            there = ", ".join(each.kind for each in found) or "nothing"
            why = "".join(f"; {note}" for note in notes)
            raise ConfigError(f"{kind!r} does not follow here: {there} may{why}")
        return product, chosen

    def _followed(
        self, entry: Entry, said: Said
    ) -> tuple[Product | None, list[Consequence], list[str]]:
        """The product as it is now, and what may follow for it."""
        if entry.product_id is None:
            return None, [], ["the inspection was of no product, so nothing can be changed"]
        try:
            product = self._plant.products.find(entry.product_id)
        except SourceError as error:
            return None, [], [unavailable(error)]
        if not entry.photo_kept:
            return product, [], ["nothing can be proposed: its photo is not kept"]
        try:
            case = Case.of(self._plant, self._model(product), entry, said, product)
        except RecordsError as error:
            return product, [], [unavailable(error)]
        return product, *consequences(case)

    def _model(self, product: Product) -> AnomalyGPT:
        name = product.settings.model
        if name not in self._models:
            self._models[name] = self._open_model(name)
        return self._models[name]


def _item(row: FeedbackRow) -> Item:
    kind = row.change["kind"] if row.change else None
    return Item(row.id, row.inspection, row.product_id, row.at, row.who, row.state, row.said, kind)
