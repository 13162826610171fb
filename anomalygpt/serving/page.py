"""The Gradio page: photo and references on the left, findings and conversation on the right."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
from PIL import Image

from anomalygpt.chat import Chat
from anomalygpt.errors import AnomalyGPTError, ConversationTooLongError
from anomalygpt.examples import Example
from anomalygpt.generation import GenerationOptions
from anomalygpt.image_io import common_bit_depth, load_image, write_atomically
from anomalygpt.images.listing import result_mark
from anomalygpt.serving import views
from anomalygpt.serving.engine import Engine, Progress, Request
from anomalygpt.serving.report import report_page
from anomalygpt.serving.sessions import Desk, Desks, Visit
from anomalygpt.visualization import overlay

MOST_REFERENCES = 8
LONGEST_DESCRIPTION, LONGEST_QUESTION = 300, 500
FOLLOW_UPS = {
    True: (
        "Where is it?",
        "How many are there?",
        "How large is it?",
        "What should I do with this part?",
    ),
    False: ("Are you sure?", "Is the center fine?", "What did you check?", "Describe the part."),
}
NO_PHOTO = "Drop in a photo first, then ask about it."
UPDATE_SECONDS = 0.15  # between two updates of an answer that is being written
NO_REPLY = "This conversation has ended. Drop the photo in again to ask more about it."

# What the browser does with a file that is ready.
SAVE_FILE = """(file) => {
  if (!file) return;
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.orig_name || "";
  link.click();
}"""

Messages = list[dict[str, str]]


def _photo_path(payload: Any) -> str | None:
    return None if payload is None else payload.path


def _reference_paths(payload: Any) -> list[str]:
    items = [] if payload is None else payload.root
    return [item.image.path for item in items if hasattr(item, "image")]


class Page:
    """What the buttons do; every visitor has a desk of their own."""

    def __init__(self, engine: Engine, desks: Desks, examples: Sequence[Example] = ()) -> None:
        self.engine, self.desks, self.examples = engine, desks, examples
        self._stops: WeakKeyDictionary[Desk, int] = WeakKeyDictionary()
        self._given: WeakKeyDictionary[Chat, tuple[Any, ...]] = WeakKeyDictionary()

    # --- inspecting -----------------------------------------------------------------------------

    def inspect(
        self,
        photo: str | None,
        references: list[str],
        description: str,
        model: str,
        palette: Any,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:
        """Progress, then the finding: verdict, viewer, messages, follow-ups, earlier visits.

        What was inspected already, and can still be talked about, is shown again as it is.
        """
        desk = self.desks.of(_mark(request))
        going_on = self._until_stopped(desk)
        if photo is None:
            desk.current = None
            yield self._shown(desk, palette)
            return
        good = references[:MOST_REFERENCES]
        given = (photo, *good, description.strip(), model)
        if self._open_again(desk, given):
            yield self._shown(desk, palette)
            return
        try:
            yield self._working("Reading the photos", 0.0)
            depth = common_bit_depth([photo, *good])
            job = Request(
                photo=load_image(photo, depth),
                name=Path(photo).name,
                references=tuple(load_image(path, depth) for path in good),
                description=description.strip()[:LONGEST_DESCRIPTION] or None,
                model=model,
            )
            for step in self.engine.inspect(job):
                if not going_on():
                    break
                if isinstance(step, Progress):
                    yield self._working(step.what, step.share)
                else:
                    names = tuple(Path(path).name for path in good)
                    desk.add(job.name, job.photo, names, step)
                    self._given[step] = given
        except (AnomalyGPTError, OSError) as error:
            desk.current = None
            _, *rest = self._shown(desk, palette)
            yield (views.problem(_without_folders(str(error), [photo, *good])), *rest)
            return
        yield self._shown(desk, palette)

    def stop(self, request: gr.Request) -> None:
        """End what this visitor waits for, at its next step."""
        desk = self.desks.of(_mark(request))
        self._stops[desk] = self._stops.get(desk, 0) + 1

    def _until_stopped(self, desk: Desk) -> Callable[[], bool]:
        """Whether nobody has pressed "Stop" since."""
        # Gradio's own way, `cancels`, leaves the page thinking that the event still runs, and
        # then it begins no other one.
        before = self._stops.get(desk)
        return lambda: self._stops.get(desk) == before

    def _open_again(self, desk: Desk, given: tuple[Any, ...]) -> bool:
        """Open the visit to which the same was given, if its conversation goes on."""
        for visit in reversed(desk.visits):
            if visit.chat is not None and self._given.get(visit.chat) == given:
                desk.open(visit.number)
                return True
        return False

    def example(self, event: gr.SelectData) -> tuple[str, list[str]]:
        """An example's photo and reference."""
        chosen = self.examples[int(event.index)]
        return str(chosen.photo), [str(chosen.reference)]

    def reopen(self, number: int | None, palette: Any, request: gr.Request) -> tuple[Any, ...]:
        """An earlier inspection of this visitor."""
        desk = self.desks.of(_mark(request))
        if number is not None:
            desk.open(int(number))
        return self._shown(desk, palette)

    def show(self, palette: Any, request: gr.Request) -> tuple[Any, ...]:
        """What is on the desk, in other colours."""
        return self._shown(self.desks.of(_mark(request)), palette)

    def clear(self, request: gr.Request) -> tuple[Any, ...]:
        """An empty desk."""
        self.stop(request)
        desk = self.desks.of(_mark(request))
        desk.clear()
        return (None, [], "", *self._shown(desk, "warm"))

    def leave(self, request: gr.Request) -> None:
        """The page was closed."""
        self.desks.leave(_mark(request))

    def _working(self, what: str, share: float) -> tuple[Any, ...]:
        return (views.working(what, share), gr.skip(), gr.skip(), *_buttons(None), *[gr.skip()] * 2)

    def _shown(self, desk: Desk, palette: Any) -> tuple[Any, ...]:
        visit = desk.current
        earlier = gr.update(
            choices=[(_title(each), each.number) for each in reversed(desk.visits)],
            value=visit.number if visit else None,
            visible=any(each is not visit for each in desk.visits),
        )
        if visit is None:
            return (views.EMPTY, "", [], *_buttons(None), earlier, gr.update(visible=False))
        return (
            views.verdict(visit.inspection, len(visit.references)),
            views.viewer(visit, palette),
            _messages(visit),
            *_buttons(visit),
            earlier,
            gr.update(visible=True),
        )

    # --- talking --------------------------------------------------------------------------------

    def ask(
        self, question: str, length: float, temperature: float, request: gr.Request
    ) -> Iterator[tuple[Messages, str]]:
        """The conversation so far with the answer growing, and the emptied question."""
        desk = self.desks.of(_mark(request))
        going_on = self._until_stopped(desk)
        visit, question = desk.current, question.strip()[:LONGEST_QUESTION]
        if visit is None:
            yield [_said(NO_PHOTO)], question
            return
        if not question:
            yield _messages(visit), ""
            return
        before = _messages(visit)
        asked = [*before, {"role": "user", "content": question}]
        if visit.chat is None:
            yield [*asked, _said(NO_REPLY)], ""
            return
        yield [*asked, _said("…")], ""
        options = GenerationOptions(max_new_tokens=int(length), temperature=float(temperature))
        answer, shown_at = "", 0.0
        try:
            for piece in self.engine.ask(visit.chat, question, options):
                if not going_on():
                    break
                answer += piece
                # Each update costs the server more than the word that it brings.
                if time.monotonic() - shown_at > UPDATE_SECONDS:
                    yield [*asked, _said(answer)], ""
                    shown_at = time.monotonic()
        except ConversationTooLongError:
            yield [*asked, _said("This conversation is full. Clear it to begin a new one.")], ""
            return
        except AnomalyGPTError as error:
            yield [*before, _said(str(error))], question
            return
        finally:
            if answer:
                visit.turns.append((question, answer))
        yield _messages(visit), ""

    def retry(
        self, length: float, temperature: float, request: gr.Request
    ) -> Iterator[tuple[Messages, str]]:
        """The last question once more, as a new question: what was said is not unsaid."""
        visit = self.desks.of(_mark(request)).current
        if visit is None or not visit.turns:
            yield [], ""
            return
        yield from self.ask(visit.turns[-1][0], length, temperature, request)

    def talk_anew(self, request: gr.Request) -> Messages:
        """The conversation about the current photo from the beginning."""
        visit = self.desks.of(_mark(request)).current
        if visit is None or visit.chat is None:
            return []
        given = self._given.get(visit.chat, ())
        (visit.chat,) = self.engine.restart(visit.chat)
        self._given[visit.chat] = given
        visit.turns = list(visit.chat.history)
        return _messages(visit)

    # --- downloads ------------------------------------------------------------------------------

    def download(self, kind: str, request: gr.Request) -> str | None:
        """A file of the current inspection: "json", "overlay", "mask" or "report"."""
        desk = self.desks.of(_mark(request))
        visit = desk.current
        if visit is None:
            return None
        name, content = _FILES[kind]
        # Gradio copies what it hands out; this one is overwritten, and goes with the desk.
        path = desk.folder / "downloads" / name
        write_atomically(path, lambda file: file.write(content(visit)))
        return str(path)


def _overlay_file(visit: Visit) -> bytes:
    file = io.BytesIO()
    picture = overlay(visit.photo(), visit.inspection)
    picture.save(file, format="PNG", pnginfo=result_mark())
    return file.getvalue()


def _mask_file(visit: Visit) -> bytes:
    mask = visit.inspection.mask() if visit.inspection.is_anomalous else None
    height, width = visit.inspection.image_size
    empty = Image.new("L", (width, height))
    return _encoded(empty if mask is None else Image.fromarray(mask.astype("uint8") * 255))


def _encoded(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _json_file(visit: Visit) -> bytes:
    return visit.inspection.to_json(indent=2).encode()


def _report_file(visit: Visit) -> bytes:
    return report_page(visit, datetime.now()).encode()


_FILES = {
    "json": ("inspection.json", _json_file),
    "overlay": ("overlay.png", _overlay_file),
    "mask": ("mask.png", _mask_file),
    "report": ("report.html", _report_file),
}


def _downloading(page: Page, kind: str) -> Callable[[gr.Request], str | None]:
    # Gradio hands over the request by its annotation, which a lambda has not.
    def download(request: gr.Request) -> str | None:
        return page.download(kind, request)

    return download


def _mark(request: gr.Request) -> str:
    return str(request.session_hash)


def _without_folders(message: str, paths: Sequence[str]) -> str:
    """The message with names of files only; where they lie is nobody's business."""
    for path in paths:
        message = message.replace(path, Path(path).name)
    return message


def _title(visit: Visit) -> str:
    _, words = views.in_words(visit.inspection.is_anomalous)
    return f"{visit.number}. {visit.name}: {words.lower()}"


def _said(answer: str) -> dict[str, str]:
    return {"role": "assistant", "content": answer}


def _messages(visit: Visit) -> Messages:
    return [
        message
        for question, answer in visit.turns
        for message in ({"role": "user", "content": question}, _said(answer))
    ]


def _buttons(visit: Visit | None) -> list[Any]:
    """The suggested questions."""
    if visit is None:
        return [gr.update(visible=False)] * 4
    fitting = FOLLOW_UPS[bool(visit.inspection.is_anomalous)]
    return [gr.update(value=question, visible=visit.chat is not None) for question in fitting]


def build(page: Page) -> gr.Blocks:
    """The page with everything on it."""
    settings = page.engine.settings
    with gr.Blocks(
        title="AnomalyGPT", analytics_enabled=False, fill_width=True, delete_cache=(600, 3600)
    ) as blocks:
        gr.HTML(
            "<h1>AnomalyGPT</h1><p>Is something wrong with this part, and where? Ask on.</p>",
            elem_id="head",
            padding=False,
        )
        with gr.Row(equal_height=False, elem_id="desk"):
            with gr.Column(scale=4, min_width=300):
                photo = gr.Image(
                    label="Photo of the part",
                    sources=["upload", "webcam", "clipboard"],
                    type="filepath",
                    height=260,
                    buttons=["fullscreen"],
                    elem_id="photo",
                )
                references = gr.Gallery(
                    label="Photos of good parts (optional)",
                    type="filepath",
                    columns=3,
                    fit_columns=False,
                    height=180,
                    object_fit="contain",
                    interactive=True,
                    file_types=["image"],
                    sources=["upload", "webcam", "clipboard"],
                    elem_id="references",
                )
                # We read the files ourselves: more formats, and messages that say what to do.
                photo.preprocess = _photo_path  # type: ignore[method-assign]
                references.preprocess = _reference_paths  # type: ignore[method-assign, assignment]
                description = gr.Textbox(
                    label="About the part (optional)",
                    placeholder="This is a photo of a metal plate with four holes.",
                    max_length=LONGEST_DESCRIPTION,
                    elem_id="description",
                )
                with gr.Row():
                    usual: Any = {"size": "md", "min_width": 90}
                    again = gr.Button("Inspect", variant="primary", elem_id="inspect", **usual)
                    following = gr.Button("Next photo", elem_id="next", **usual)
                    clear = gr.Button("Clear all", elem_id="clear", **usual)
                earlier = gr.Dropdown(
                    label="Earlier inspections", visible=False, elem_id="earlier", filterable=False
                )
                shown = gr.Gallery(
                    value=[(str(each.photo), each.name) for each in page.examples],
                    label="Try an example",
                    columns=4,
                    height="auto",
                    allow_preview=False,
                    interactive=False,
                    visible=bool(page.examples),
                    buttons=[],
                    elem_id="examples",
                )
                with gr.Accordion("Settings", open=False, elem_id="settings"):
                    model = gr.Dropdown(
                        list(settings.models), value=settings.models[0], label="Model"
                    )
                    palette = gr.Radio(
                        [
                            ("Warm colours", "warm"),
                            ("Viridis (for colour-blind people)", "viridis"),
                        ],
                        value="warm",
                        label="Colours of the map",
                    )
                    length = gr.Slider(16, 256, 128, step=16, label="Longest answer, in tokens")
                    temperature = gr.Slider(
                        0, 1, 0, step=0.1, label="Temperature (0: always the likeliest words)"
                    )
            with gr.Column(scale=7, min_width=320):
                verdict = gr.HTML(views.EMPTY, elem_id="verdict", padding=False)
                viewer = gr.HTML("", elem_id="viewer", padding=False)
                with gr.Row(visible=False, elem_id="downloads") as downloads:
                    files = {
                        kind: gr.Button(label, size="sm", min_width=80, elem_id=f"download-{kind}")
                        for kind, label in (
                            ("report", "Report"),
                            ("overlay", "Overlay"),
                            ("mask", "Mask"),
                            ("json", "JSON"),
                        )
                    }
                    ready = gr.DownloadButton(elem_id="saved")
                chatbot = gr.Chatbot(
                    label="Conversation",
                    height=300,
                    placeholder="Questions and answers about the photo appear here.",
                    render_markdown=False,
                    allow_tags=False,
                    buttons=["copy_all"],
                    feedback_options=None,
                    elem_id="conversation",
                )
                with gr.Row(elem_id="suggestions"):
                    suggested = [
                        gr.Button("", size="sm", min_width=60, visible=False) for _ in range(4)
                    ]
                question = gr.Textbox(
                    placeholder="Ask about the part …",
                    show_label=False,
                    label="Question",
                    max_length=LONGEST_QUESTION,
                    submit_btn=True,
                    elem_id="question",
                )
                with gr.Row(elem_id="talking"):
                    stop = gr.Button("Stop", size="sm", elem_id="stop")
                    retry = gr.Button("Ask again", size="sm", elem_id="retry")
        finding = [verdict, viewer, chatbot, *suggested, earlier, downloads]
        talking = [length, temperature]
        seen: Any = {"show_progress": "hidden", "api_visibility": "private"}
        given = [photo, references, description, model, palette]
        gr.on(
            [photo.change, references.change, description.submit, again.click],
            page.inspect,
            given,
            finding,
            trigger_mode="always_last",
            concurrency_limit=None,
            **seen,
        )
        following.click(page.stop, None, photo, **seen)  # nothing comes back, so no photo
        clear.click(page.clear, None, [photo, references, description, *finding], **seen)
        palette.change(page.show, palette, finding, **seen)
        earlier.input(page.reopen, [earlier, palette], finding, **seen)
        if page.examples:
            shown.select(page.example, None, [photo, references], **seen)
        answered: Any = {"outputs": [chatbot, question], "concurrency_limit": None, **seen}
        question.submit(page.ask, [question, *talking], **answered)
        retry.click(page.retry, talking, **answered)
        for button in suggested:
            button.click(page.ask, [button, *talking], **answered)
        chatbot.clear(page.talk_anew, None, chatbot, **seen)
        stop.click(page.stop, None, None, **seen)
        for kind, button in files.items():
            made = button.click(_downloading(page, kind), None, ready, **seen)
            made.then(None, ready, None, js=SAVE_FILE, **seen)
        blocks.unload(page.leave)
    blocks.queue(
        max_size=2 * settings.queue_size,
        default_concurrency_limit=settings.queue_size,
        api_open=False,
    )
    return blocks
