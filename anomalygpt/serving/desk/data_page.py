"""The page "Data": looking for odd photos among a visitor's own, and drawing masks on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from anomalygpt.errors import AnomalyGPTError
from anomalygpt.serving.desk import data_views, shown, views
from anomalygpt.serving.desk.downloads import written
from anomalygpt.serving.desk.page import Page, mark
from anomalygpt.serving.desk.sessions import Desk
from anomalygpt.serving.drawing.routes import Drawings

NOTHING = "There are no photos yet. Drop in some first."


class DataPage:
    """What its buttons do; the photos lie on the visitor's desk."""

    def __init__(self, page: Page, drawings: Drawings) -> None:
        """
        Args:
            page: the page for inspecting, with the desks and the engine.
            drawings: where photos are opened for drawing.
        """
        self._page, self._drawings = page, drawings
        self._root = page.engine.settings.root_path

    def arrive(self, tab: str, request: gr.Request) -> tuple[Any, ...]:
        """The page was opened or read again: what lies there."""
        self._page.desks.join(mark(request), str(tab or ""))
        return self._shown(self._desk(request))

    def check(
        self, uploads: list[str] | None, request: gr.Request
    ) -> Iterator[tuple[Any, Any, Any]]:
        """Progress, then what was found."""
        desk = self._desk(request)
        if not uploads and desk.data is None:
            yield views.problem(NOTHING), gr.skip(), gr.skip()
            return
        model = self._page.engine.settings.models[0]
        going_on = desk.until_stopped()
        told = 0.0
        try:
            yield views.working("Reading the photos", 0.0), gr.skip(), gr.skip()
            photos = desk.lay_out(uploads, self._drawings) if uploads else desk.data
            assert photos is not None
            for share in photos.look(self._page.engine, model):
                if not going_on() or desk.data is not photos:
                    return
                if time.monotonic() - told > shown.TABLE_SECONDS:
                    told = time.monotonic()
                    yield views.working("Looking at the photos", share), gr.skip(), gr.skip()
        except (AnomalyGPTError, OSError) as error:
            yield views.problem(self._bare(str(error), desk)), gr.skip(), gr.skip()
            return
        yield self._shown(desk)

    def draw(self, uploads: list[str] | None, request: gr.Request) -> tuple[Any, ...]:
        """The photos with the tools for drawing."""
        desk = self._desk(request)
        if not uploads and desk.data is None:
            return views.problem(NOTHING), gr.skip(), gr.skip()
        try:
            photos = desk.lay_out(uploads, self._drawings) if uploads else desk.data
            assert photos is not None
            photos.draw()
        except (AnomalyGPTError, OSError) as error:
            return views.problem(self._bare(str(error), desk)), gr.skip(), gr.skip()
        return self._shown(desk)

    def clear(self, request: gr.Request) -> tuple[Any, ...]:
        """Forget the photos, the findings and the masks."""
        desk = self._desk(request)
        desk.stop()
        desk.put_away()
        return None, *self._shown(desk)

    def download(self, request: gr.Request) -> str | None:
        """What was found, as a table."""
        desk = self._desk(request)
        if desk.data is None or desk.data.findings is None:
            return None
        return written(desk, "findings.csv", desk.data.table())

    def _shown(self, desk: Desk) -> tuple[Any, Any, Any]:
        """Findings, drawing, and whether there is a table to keep."""
        photos = desk.data
        if photos is None:
            return data_views.EMPTY, "", gr.update(visible=False)
        table = gr.update(visible=photos.findings is not None)
        return data_views.findings(photos), data_views.drawing(photos, self._root), table

    def _desk(self, request: gr.Request) -> Desk:
        return self._page.desks.of(mark(request))

    def _bare(self, message: str, desk: Desk) -> str:
        """A message without the desk's folder."""
        folder = desk.data.folder if desk.data else desk.folder
        return message.replace(f"{folder}/", "").replace(str(folder), "the photos")


def add(
    blocks: gr.Blocks,
    page: DataPage,
    files: Callable[..., gr.File],
    quiet: dict[str, Any],
    scripts: tuple[str, str],
) -> None:
    """Put the page beside the one for inspecting.

    Args:
        blocks: the pages.
        page: what the buttons do.
        files: makes the part that takes files as they came.
        quiet: options of events that show no progress and are for this page alone.
        scripts: what the browser does when it arrives, and when a file is ready.
    """
    tab_script, save_script = scripts
    # The heads of the pages have links to each other; Gradio's own stand before everything else.
    with blocks.route("Data", "/data", show_in_navbar=False):
        gr.HTML(data_head(), elem_id="head", padding=False)
        photos = files(
            label=f"Photos of one product, at most {data_views.MOST_PHOTOS}",
            file_count="multiple",
            file_types=["image"],
            height=170,
            elem_id="data-photos",
        )
        with gr.Row(elem_id="data-buttons"):
            usual: Any = {"size": "md", "min_width": 90}
            check = gr.Button("Check", variant="primary", elem_id="data-check", **usual)
            draw = gr.Button("Draw masks", elem_id="data-draw", **usual)
            table = gr.Button("Table (CSV)", visible=False, elem_id="data-csv", **usual)
            clear = gr.Button("Clear", elem_id="data-clear", **usual)
        found = gr.HTML(data_views.EMPTY, elem_id="data-found", padding=False)
        drawing = gr.HTML("", elem_id="data-drawing", padding=False)
        saved = gr.DownloadButton(elem_id="saved")
        parts = [found, drawing, table]
        check.click(page.check, photos, parts, concurrency_limit=None, **quiet)
        draw.click(page.draw, photos, parts, **quiet)
        clear.click(page.clear, None, [photos, *parts], **quiet)
        made = table.click(page.download, None, saved, **quiet)
        made.then(None, saved, None, js=save_script, **quiet)
        tab = gr.Textbox(visible=False)
        blocks.load(page.arrive, tab, parts, js=tab_script, **quiet)


def data_head() -> str:
    """Heads the page, with the way back."""
    return (
        "<h1>AnomalyGPT</h1><p>Photos before training: which to look at, and masks by hand.</p>"
        '<nav class="pages" aria-label="Pages"><a href="./">Inspect</a>'
        '<a href="data" aria-current="page">Data</a></nav>'
    )
