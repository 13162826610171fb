"""The parts of the page and where they stand; what they do is in `page` and `talking`."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from anomalygpt.experts.manner import NOTATIONS
from anomalygpt.serving.desk import correcting, data_page, endpoints, views
from anomalygpt.serving.desk.data_page import DataPage
from anomalygpt.serving.desk.page import NO_PRODUCT, Page
from anomalygpt.serving.desk.talking import Talking
from anomalygpt.serving.drawing.routes import Drawings

# What the browser does with a file that is ready.
SAVE_FILE = """(file) => {
  if (!file) return;
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.orig_name || "";
  link.click();
}"""
# A row of the table says which one it is; see `static/desk.js` for everything else.
OPEN_ROW = """element.addEventListener("click", (event) => {
  const row = event.target.closest("[data-open]");
  if (row) trigger("click", {number: row.dataset.open});
});"""
# Room for good parts only where no product brings its own; see `static/desk.css`.
CHOSEN = '(product) => document.body.classList.toggle("has-product", Boolean(product))'
# The tab's own mark, which it keeps when the page is read again.
TAB = "(tab, ...others) => [window.deskTab(), ...others]"
# Links to the parts of the page: for the keyboard, and at the bottom of a phone.
HEAD = """<h1>AnomalyGPT</h1><p>Is something wrong with this part, and where? Ask on.</p>
<nav id="jump" aria-label="Parts of the page"><a href="#photo">Photo</a>
<a href="#verdict">Verdict</a><a href="#question">Ask</a></nav>
<nav class="pages" aria-label="Pages"><a href="./" aria-current="page">Inspect</a>
<a href="data">Data</a></nav>"""

_QUIET: Any = {"show_progress": "hidden", "api_visibility": "private"}
_FILE_BUTTONS = (("report", "Report"), ("overlay", "Overlay"), ("mask", "Mask"), ("json", "JSON"))
_PALETTES = [("Warm colours", "warm"), ("Viridis (for colour-blind people)", "viridis")]


def _reading(part: type[Any], read: Callable[[Any], Any]) -> Any:
    """A part of the page that hands over its files as they came.

    We read the files ourselves: more formats, and messages that say what to do. Gradio makes parts
    anew for a session, so it takes a class; and it writes a file beside a module in which one is
    derived by `class`, which we do not want.
    """
    members = {"preprocess": lambda self, payload: read(payload), "__module__": part.__module__}
    return ABCMeta.__new__(type(part), part.__name__, (part,), members)


_Photo = _reading(gr.Image, lambda photo: photo and photo.path)
_References = _reading(gr.Gallery, lambda some: [each.image.path for each in _images(some)])
_Files = _reading(gr.File, lambda some: [each.path for each in some.root] if some else [])


def _images(gallery: Any) -> list[Any]:
    """What lies in a gallery, without films."""
    return [each for each in gallery.root if hasattr(each, "image")] if gallery else []


@dataclass
class _Left:
    """What is handed in."""

    product: gr.Dropdown
    photo: gr.Image
    references: gr.Gallery
    description: gr.Textbox
    inspect: gr.Button
    following: gr.Button
    clear: gr.Button
    earlier: gr.Dropdown
    photos: gr.File
    inspect_all: gr.Button
    drawer: gr.Accordion
    examples: gr.Gallery
    model: gr.Dropdown
    palette: gr.Radio
    length: gr.Slider
    temperature: gr.Slider
    asked: list[Any]  # whether the expert speaks, its evidence, whether it thinks, who decides


@dataclass
class _Right:
    """What is found and said."""

    table: gr.HTML
    table_files: gr.Row
    table_buttons: dict[str, gr.Button]
    stop_all: gr.Button
    verdict: gr.HTML
    stop: gr.Button
    viewer: gr.HTML
    downloads: gr.Column
    files: dict[str, gr.Button]
    sheet: list[gr.Textbox]
    saved: gr.DownloadButton
    chatbot: gr.Chatbot
    suggested: list[gr.Button]
    notice: gr.HTML
    go_on: gr.Button
    question: gr.Textbox
    retry: gr.Button
    stop_answer: gr.Button


def build(page: Page, drawings: Drawings) -> gr.Blocks:
    """The pages with everything on them.

    Args:
        page: what the buttons do.
        drawings: where photos are opened for drawing.
    """
    settings = page.engine.settings
    with gr.Blocks(
        title="AnomalyGPT", analytics_enabled=False, fill_width=True, delete_cache=(600, 3600)
    ) as blocks:
        gr.HTML(HEAD, elem_id="head", padding=False)
        with gr.Row(equal_height=False, elem_id="desk"):
            with gr.Column(scale=4, min_width=300):
                left = _left(page)
            with gr.Column(scale=7, min_width=320):
                right = _right(page)
        _connect(blocks, page, left, right)
        endpoints.add(page.engine)
        blocks.unload(page.leave)
    data_page.add(blocks, DataPage(page, drawings), _Files, _QUIET, (TAB, SAVE_FILE))
    blocks.queue(
        max_size=2 * settings.queue_size,
        default_concurrency_limit=settings.queue_size,
        api_open=False,
    )
    return blocks


def _left(page: Page) -> _Left:
    product = gr.Dropdown(
        [(NO_PRODUCT, "")],
        value="",
        label="Product",
        visible=page.engine.plant is not None,
        elem_id="product",
    )
    photo, references = _photos()
    description = gr.Textbox(
        label="About the part (optional)",
        placeholder="This is a photo of a metal plate with four holes.",
        elem_id="description",
    )
    with gr.Row():
        usual: Any = {"size": "md", "min_width": 90}
        inspect = gr.Button("Inspect", variant="primary", elem_id="inspect", **usual)
        following = gr.Button("Next photo", elem_id="next", **usual)
        clear = gr.Button("Clear all", elem_id="clear", **usual)
    earlier = gr.Dropdown(
        label="Earlier inspections", visible=False, elem_id="earlier", filterable=False
    )
    with gr.Accordion(
        "Try an example", open=True, visible=bool(page.examples), elem_id="drawer"
    ) as drawer:
        examples = gr.Gallery(
            value=[(str(each.photo), each.name) for each in page.examples],
            label="Examples",
            show_label=False,
            columns=4,
            height="auto",
            allow_preview=False,
            interactive=False,
            buttons=[],
            elem_id="examples",
        )
    with gr.Accordion("Several photos at once", open=False, elem_id="several"):
        photos = _Files(
            label="Photos, all compared with the good parts above",
            file_count="multiple",
            file_types=["image"],
            height=140,
            elem_id="photos",
        )
        inspect_all = gr.Button("Inspect all", variant="primary", size="md", elem_id="inspect-all")
    return _Left(
        product, photo, references, description, inspect, following, clear, earlier,
        photos, inspect_all, drawer, examples, *_settings(page),
    )  # fmt: skip


def _photos() -> tuple[gr.Image, gr.Gallery]:
    photo = _Photo(
        label="Photo of the part",
        sources=["upload", "webcam", "clipboard"],
        type="filepath",
        height=296,
        buttons=["fullscreen"],
        elem_id="photo",
    )
    references = _References(
        label="Photos of good parts (optional)",
        type="filepath",
        columns=3,
        fit_columns=False,
        height=200,
        object_fit="contain",
        interactive=True,
        file_types=["image"],
        sources=["upload", "webcam", "clipboard"],
        buttons=[],
        elem_id="references",
    )
    # Gradio's own button for a further photo is a button in a button, which no screen reader
    # reads; `static/desk.js` lets this one do the same.
    gr.HTML(
        '<button type="button" class="add-good">Add a photo of a good part</button>',
        elem_id="add-good",
    )
    return photo, references


def _settings(page: Page) -> tuple[gr.Dropdown, gr.Radio, gr.Slider, gr.Slider, list[Any]]:
    models = page.engine.settings.models
    with gr.Accordion("Settings", open=False, elem_id="settings"):
        return (
            gr.Dropdown(list(models), value=models[0], label="Model"),
            gr.Radio(_PALETTES, value="warm", label="Colours of the map"),
            gr.Slider(16, 256, 128, step=16, label="Longest answer, in tokens"),
            gr.Slider(0, 1, 0, step=0.1, label="Temperature (0: always the likeliest words)"),
            _expert(page),
        )


def _expert(page: Page) -> list[Any]:
    """What can be set about the server's expert; hidden where it has none."""
    settings = page.engine.settings
    expert, usual = settings.expert, settings.asking.manner
    where = "" if expert is None or not expert.host else f"; photos are sent to {expert.host}"
    name = "" if expert is None else expert.model
    with gr.Group(visible=expert is not None, elem_id="expert"):
        return [
            gr.Checkbox(settings.asking.is_on, label=f"Let {name} answer{where}"),
            gr.Dropdown(list(NOTATIONS), value=usual.notation, label="Evidence that it is shown"),
            gr.Checkbox(usual.thinks, label="Let it write down what it sees first"),
            gr.Radio(
                [("Ours, measured", "own"), (f"That of {name}", "expert")],
                value=usual.decider,
                label="Whose verdict counts",
            ),
        ]


def _right(page: Page) -> _Right:
    small: Any = {"size": "sm", "min_width": 80}
    table = gr.HTML("", elem_id="table", padding=False, js_on_load=OPEN_ROW)
    with gr.Row(visible=False, elem_id="table-files") as table_files:
        table_buttons = {
            "csv": gr.Button("Table (CSV)", elem_id="download-csv", **small),
            "zip": gr.Button("Overlays (zip)", elem_id="download-zip", **small),
        }
    stop_all = gr.Button("Stop", visible=False, elem_id="stop-all", **small)
    verdict = gr.HTML(views.EMPTY, elem_id="verdict", padding=False)
    stop = gr.Button("Stop", visible=False, elem_id="stop", **small)
    viewer = gr.HTML("", elem_id="viewer", padding=False)
    chatbot = gr.Chatbot(
        label="Chat",
        height=300,
        placeholder="Questions and answers about the photo appear here.",
        render_markdown=False,
        allow_tags=False,
        buttons=["copy_all"],
        feedback_options=None,
        elem_id="chat",
    )
    with gr.Row(elem_id="suggestions"):
        suggested = [gr.Button("", size="sm", min_width=60, visible=False) for _ in range(4)]
    notice = gr.HTML("", elem_id="notice", padding=False)
    go_on = gr.Button("Go on with a new chat", visible=False, elem_id="go-on", **small)
    question = gr.Textbox(
        placeholder="Ask about the part …",
        show_label=False,
        label="Question",
        submit_btn=True,
        elem_id="question",
    )
    with gr.Row(elem_id="talking"):
        retry = gr.Button("Ask again", elem_id="retry", **small)
        stop_answer = gr.Button("Stop", visible=False, elem_id="stop-answer", **small)
    if page.engine.plant is not None:
        correcting.add(page.engine, page.desk_of)
    downloads, files, sheet = _downloads()
    saved = gr.DownloadButton(elem_id="saved")
    return _Right(
        table, table_files, table_buttons, stop_all, verdict, stop, viewer, downloads, files, sheet,
        saved, chatbot, suggested, notice, go_on, question, retry, stop_answer,
    )  # fmt: skip


def _downloads() -> tuple[gr.Column, dict[str, gr.Button], list[gr.Textbox]]:
    """Buttons for the files, and what a person writes on the report."""
    with gr.Column(visible=False, elem_id="downloads") as downloads:
        with gr.Accordion("Part number, inspector, note", open=False, elem_id="sheet"):
            with gr.Row():
                sheet = [
                    gr.Textbox(label="Part number", max_length=100, min_width=140),
                    gr.Textbox(label="Inspector", max_length=100, min_width=140),
                ]
            sheet.append(gr.Textbox(label="Note", lines=2, max_length=2000))
        with gr.Row():
            files = {
                kind: gr.Button(label, size="sm", min_width=70, elem_id=f"download-{kind}")
                for kind, label in _FILE_BUTTONS
            }
    return downloads, files, sheet


def _connect(blocks: gr.Blocks, page: Page, left: _Left, right: _Right) -> None:
    """What happens when."""
    handed: list[Any] = [left.photo, left.references, left.description, left.product]
    shared = [left.references, left.description, left.model, left.product]
    given = [left.photo, *shared, left.palette, *left.asked]
    finding: list[Any] = [
        right.verdict, right.viewer, right.chatbot, *right.suggested, left.earlier,
        right.downloads, left.drawer, *right.sheet, right.notice, right.go_on, right.stop,
    ]  # fmt: skip
    table: list[Any] = [right.table, right.table_files, right.stop_all]
    # The names without "page_" are those of `endpoints`.
    running: Any = {"trigger_mode": "always_last", "concurrency_limit": None, **_QUIET}
    gr.on(
        [
            left.photo.change,
            left.references.change,
            left.description.submit,
            left.model.input,
            left.product.input,
            *(part.input for part in left.asked),
        ],
        page.inspect,
        given,
        finding,
        api_name="page_inspect",
        **running,
    )
    left.inspect.click(page.inspect_again, given, finding, **running)
    left.following.click(page.stop, None, left.photo, **_QUIET)  # nothing comes back: no photo
    left.clear.click(page.clear, None, [*handed, *finding, *table], **_QUIET)
    left.palette.change(page.recolour, left.palette, right.viewer, **_QUIET)
    left.earlier.input(page.reopen, [left.earlier, left.palette], [*handed, *finding], **_QUIET)
    tab = gr.Textbox(visible=False)
    blocks.load(page.arrive, [tab, left.palette], [*handed, *finding, *table], js=TAB, **_QUIET)
    if page.examples:
        left.examples.select(page.example, None, [left.photo, left.references], **_QUIET)
    left.inspect_all.click(page.inspect_all, [left.photos, *shared], table, **running)
    if page.engine.plant is not None:
        # Not when it is opened: its list would be another one under the visitor's finger.
        blocks.load(page.products, None, left.product, **_QUIET)
        left.product.change(None, left.product, None, js=CHOSEN, **_QUIET)
    right.table.click(page.open_row, left.palette, [*handed, *finding], **_QUIET)
    for stop in (right.stop, right.stop_all, right.stop_answer):
        stop.click(page.stop, None, None, **_QUIET)
    for box in right.sheet:
        box.blur(page.note, right.sheet, None, **_QUIET)
    _connect_talk(Talking(page.engine, page.desks), left, right)
    _connect_files(page, right)


def _connect_talk(talking: Talking, left: _Left, right: _Right) -> None:
    how: list[Any] = [left.length, left.temperature]
    changed = [right.chatbot, right.question, right.notice, right.go_on, right.stop_answer]
    answered: Any = {"outputs": changed, "concurrency_limit": None, **_QUIET}
    # A question that is asked while an answer is written waits for its end.
    asked: Any = {"api_name": "page_ask", "trigger_mode": "always_last", **answered}
    right.question.submit(talking.ask, [right.question, *how], **asked)
    for button in right.suggested:
        button.click(talking.ask, [button, *how], **asked)
    right.retry.click(talking.retry, how, **answered)
    right.go_on.click(talking.go_on, how, **answered)
    right.chatbot.clear(talking.talk_anew, None, changed, **_QUIET)


def _connect_files(page: Page, right: _Right) -> None:
    for kind, button in right.files.items():
        made = button.click(_downloading(page, kind), right.sheet, right.saved, **_QUIET)
        made.then(None, right.saved, None, js=SAVE_FILE, **_QUIET)
    for kind, button in right.table_buttons.items():
        made = button.click(_downloading_all(page, kind), None, right.saved, **_QUIET)
        made.then(None, right.saved, None, js=SAVE_FILE, **_QUIET)


# Gradio hands over the request by its annotation, which a lambda has not.
def _downloading(page: Page, kind: str) -> Callable[[str, str, str, gr.Request], str | None]:
    def download(part_number: str, inspector: str, note: str, request: gr.Request) -> str | None:
        return page.download(kind, part_number, inspector, note, request)

    return download


def _downloading_all(page: Page, kind: str) -> Callable[[gr.Request], str | None]:
    def download_all(request: gr.Request) -> str | None:
        return page.download_batch(kind, request)

    return download_all
