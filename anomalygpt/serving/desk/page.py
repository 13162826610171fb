"""What the page's buttons do: inspecting, looking at earlier inspections, several photos, files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from anomalygpt.errors import AnomalyGPTError
from anomalygpt.experts.manner import Manner
from anomalygpt.images.reading import load_image
from anomalygpt.presets import Example
from anomalygpt.serving.desk import batch, shown, views
from anomalygpt.serving.desk.downloads import FILES, written
from anomalygpt.serving.desk.sessions import Desk, Desks
from anomalygpt.serving.desk.shown import Table
from anomalygpt.serving.desk.visits import Given, Sheet
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.requests import Progress, Recorded
from anomalygpt.serving.settings import Asking

NO_PRODUCT = "None: compare with the good parts below"


class Page:
    """What the buttons do; every visitor has a desk of their own."""

    def __init__(self, engine: Engine, desks: Desks, examples: Sequence[Example] = ()) -> None:
        self.engine, self.desks, self.examples = engine, desks, examples

    # --- inspecting -----------------------------------------------------------------------------

    def inspect(
        self,
        photo: str | None,
        references: list[str],
        description: str,
        model: str,
        product: str | None,
        palette: Any,
        speaks: bool,
        notation: str,
        thinks: bool,
        decider: Any,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:
        """Progress, then the finding; what was inspected before is shown as it was."""
        desk = self.desk_of(request)
        if photo is None:
            desk.current = None
            yield shown.finding(desk, palette).flat()
            return
        asking = self._asking(speaks, notation, thinks, decider)
        try:
            given = self._given(photo, references, description, model, product, asking)
        except AnomalyGPTError as error:
            desk.current = None
            yield shown.finding(desk, palette)._replace(verdict=views.problem(str(error))).flat()
            return
        if desk.current is not None and shown.same(desk.current, given):
            # It is on the page. Drawn again, it could arrive after an answer that it lacks.
            yield shown.unchanged().flat()
            return
        yield from self._inspected(desk, given, palette)

    def inspect_again(
        self,
        photo: str | None,
        references: list[str],
        description: str,
        model: str,
        product: str | None,
        palette: Any,
        speaks: bool,
        notation: str,
        thinks: bool,
        decider: Any,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:
        """As `inspect`, for the button: says when there is no photo."""
        if photo is None:
            desk = self.desk_of(request)
            desk.current = None
            problem = views.problem(shown.NOTHING_TO_INSPECT)
            yield shown.finding(desk, palette)._replace(verdict=problem).flat()
            return
        asked = (speaks, notation, thinks, decider)
        given = (photo, references, description, model, product)
        yield from self.inspect(*given, palette, *asked, request)

    def _given(
        self,
        photo: str,
        references: Sequence[str],
        description: str,
        model: str,
        product: str | None,
        asking: Asking | None = None,
    ) -> Given:
        """What was handed in; with a product, its references.

        Raises:
            SourceError: there is no such product any more.
        """
        given = shown.given_by(photo, references, description, model, asking)
        plant = self.engine.plant
        if plant is None or not product:
            return given
        return shown.of_product(given, plant.products.find(product), plant.blobs)

    def _asking(self, speaks: bool, notation: str, thinks: bool, decider: Any) -> Asking | None:
        """Who takes part by the visitor's settings; None where the server has nobody for it."""
        settings = self.engine.settings
        if settings.expert is None and settings.knowledge is None:
            return None
        speaks = speaks and settings.expert is not None
        return Asking(speaks, Manner(notation, thinks, decider) if speaks else Manner())

    def _inspected(self, desk: Desk, given: Given, palette: Any) -> Iterator[tuple[Any, ...]]:
        going_on = desk.until_stopped()
        try:
            again = next((v for v in desk.visits if shown.same(v, given)), None)
            if again is not None:
                desk.open(again.number)
                yield shown.finding(desk, palette).flat()
                return
            yield shown.working("Reading the photos", 0.0).flat()
            job = shown.request_of(given)
            record = None
            for step in self.engine.inspect(job):
                if not going_on():
                    break
                if isinstance(step, Progress):
                    yield shown.working(step.what, step.share).flat()
                elif isinstance(step, Recorded):
                    record = step.entry.id
                else:
                    visit = desk.add(job.name, job.photo, job.reference_names, step, given)
                    visit.record = record
        except (AnomalyGPTError, OSError) as error:
            desk.current = None
            message = shown.without_folders(str(error), [given.photo, *given.references])
            yield shown.finding(desk, palette)._replace(verdict=views.problem(message)).flat()
            return
        yield shown.finding(desk, palette).flat()

    def products(self) -> Any:
        """The products that may be chosen now."""
        plant = self.engine.plant
        names = [] if plant is None else plant.products.names()
        return gr.update(choices=[(NO_PRODUCT, ""), *((name, name) for name in names)])

    def stop(self, request: gr.Request) -> None:
        """End what this visitor waits for, at its next step."""
        self.desk_of(request).stop()

    def example(self, event: gr.SelectData) -> tuple[str, list[str]]:
        """An example's photo and reference."""
        chosen = self.examples[int(event.index)]
        return str(chosen.photo), [str(chosen.reference)]

    # --- the desk -------------------------------------------------------------------------------

    def arrive(self, tab: str, palette: Any, request: gr.Request) -> tuple[Any, ...]:
        """The page was opened or read again: what lies on this tab's desk."""
        self.desks.join(mark(request), str(tab or ""))
        desk = self.desk_of(request)
        table = Table() if desk.batch is None else shown.table(desk.batch, running=False)
        # Who opens the page may have begun already: an empty desk changes nothing.
        found = shown.finding(desk, palette) if desk.visits else shown.unchanged()
        return (*shown.handed(desk.current), *found.flat(), *table)

    def reopen(self, number: int | None, palette: Any, request: gr.Request) -> tuple[Any, ...]:
        """An earlier inspection of this visitor, with its photo and references."""
        desk = self.desk_of(request)
        if number is not None:
            if desk.current is not None and desk.current.number == int(number):
                return (*shown.handed(None), *shown.unchanged().flat())
            desk.open(int(number))
        return (*shown.handed(desk.current), *shown.finding(desk, palette).flat())

    def recolour(self, palette: Any, request: gr.Request) -> Any:
        """The picture on the desk in other colours; all else stays as it is."""
        visit = self.desk_of(request).current
        return gr.skip() if visit is None else views.viewer(visit, palette)

    def clear(self, request: gr.Request) -> tuple[Any, ...]:
        """An empty desk."""
        self.stop(request)
        desk = self.desk_of(request)
        desk.clear()
        empty = Table("", *[gr.update(visible=False)] * 2)
        return (None, [], "", "", *shown.finding(desk, "warm").flat(), *empty)

    def leave(self, request: gr.Request) -> None:
        """The page was closed."""
        self.desks.leave(mark(request))

    def note(self, part_number: str, inspector: str, note: str, request: gr.Request) -> None:
        """Keep what the inspector wrote about the current inspection."""
        desk = self.desk_of(request)
        desk.inspector = inspector
        if desk.current is not None:
            desk.current.sheet = Sheet(part_number, inspector, note)

    def desk_of(self, request: gr.Request) -> Desk:
        """The visitor's own."""
        return self.desks.of(mark(request))

    # --- several photos -------------------------------------------------------------------------

    def inspect_all(
        self,
        photos: list[str] | None,
        references: list[str],
        description: str,
        model: str,
        product: str | None,
        request: gr.Request,
    ) -> Iterator[Table]:
        """The table of a batch, growing."""
        desk = self.desk_of(request)
        quiet = gr.update(visible=False)
        if not photos:
            problem = views.problem("There are no photos yet. Drop in several, then press Inspect.")
            yield Table(problem, quiet, quiet)
            return
        desk.batch = None
        desk.forget()
        good: Sequence[Path] = ()
        shown_at = 0.0
        try:
            shared = self._given(photos[0], references, description, model, product)
            good = shared.references
            for made in batch.run(self.engine, desk, photos, shared, desk.until_stopped()):
                desk.batch = made
                if not made.running or time.monotonic() - shown_at > shown.TABLE_SECONDS:
                    yield shown.table(made, made.running)
                    shown_at = time.monotonic()
        except (AnomalyGPTError, OSError) as error:
            message = shown.without_folders(str(error), good)
            yield Table(views.problem(message), quiet, quiet)

    def open_row(self, palette: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """A photo of the batch as the current inspection."""
        desk = self.desk_of(request)
        made = desk.batch
        row = made.row(int(event.number)) if made else None
        found = row.inspection() if row else None
        if row is not None and row.given is not None and found is not None:
            names = row.given.reference_names
            again = next((v for v in desk.visits if shown.same(v, row.given)), None)
            if again is not None:
                desk.open(again.number)
            else:
                photo = load_image(row.given.photo)
                desk.add(row.name, photo, names, None, row.given, found)
        return (*shown.handed(desk.current), *shown.finding(desk, palette).flat())

    # --- downloads ------------------------------------------------------------------------------

    def download(
        self, kind: str, part_number: str, inspector: str, note: str, request: gr.Request
    ) -> str | None:
        """A file of the current inspection, one of `downloads.FILES`."""
        self.note(part_number, inspector, note, request)
        desk = self.desk_of(request)
        visit = desk.current
        if visit is None:
            return None
        name, content = FILES[kind]
        model = visit.given.model if visit.given else self.engine.settings.models[0]
        stem = f"{visit.given.photo.stem}-" if visit.given else ""
        return written(desk, f"{stem}{name}", content(visit, self.engine.weights_hash(model)))

    def download_batch(self, kind: str, request: gr.Request) -> str | None:
        """The batch as "csv", or its pictures as "zip"."""
        desk = self.desk_of(request)
        made = desk.batch
        if made is None:
            return None
        if kind == "csv":
            return written(desk, "inspections.csv", batch.csv_file(made))
        return written(desk, "overlays.zip", batch.overlays_file(made))


def mark(request: gr.Request) -> str:
    """What tells the visitor's open page from others."""
    return str(request.session_hash)
