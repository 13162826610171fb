"""The part of the page where somebody says that a verdict was wrong, and a product learns of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import gradio as gr
from PIL import Image, ImageDraw

from anomalygpt.errors import AnomalyGPTError
from anomalygpt.feedback.feedback import Feedback, Proposed
from anomalygpt.feedback.preview import Preview
from anomalygpt.feedback.said import Said
from anomalygpt.model import AnomalyGPT
from anomalygpt.serving.desk import views
from anomalygpt.serving.desk.sessions import Desk
from anomalygpt.serving.desk.visits import Visit
from anomalygpt.serving.engine import Engine

Value = TypeVar("Value")
_QUIET: Any = {"show_progress": "minimal", "api_visibility": "private"}
_NOTHING = (
    "There is nothing to correct yet: choose a product, and inspect a photo of it. What was "
    "inspected without a product, or only looked at, is not on record."
)
# Inspections that are looked at again.
_MOST = 12
_CORNER = 5


@dataclass(frozen=True)
class Begun:
    """What a visitor has said so far.

    Attributes:
        inspection: on record, that it is about.
        corners: of the box around the damage, as clicked.
        feedback: identity of what was said; "" before.
        version: of the product that the proposals are for.
    """

    inspection: str
    corners: tuple[tuple[int, int], ...] = ()
    feedback: str = ""
    version: int | None = None


class Correcting:
    """What the buttons do; nothing is changed before "Apply"."""

    def __init__(self, engine: Engine, desk_of: Callable[[gr.Request], Desk]) -> None:
        self._engine, self._desk_of = engine, desk_of

    def good(self, request: gr.Request) -> tuple[Any, ...]:
        """Good after all."""
        visit = self._visit(request)
        if visit is None:
            return _shown(views.problem(_NOTHING))
        return self._said(Begun(str(visit.record)), Said("good"), request)

    def damaged(self, request: gr.Request) -> tuple[Any, ...]:
        """Damaged: the photo is shown to mark where."""
        visit = self._visit(request)
        if visit is None:
            return _shown(views.problem(_NOTHING))
        asked = views.notice("Click two corners of a box around the damage.")
        picture = gr.update(value=visit.copy(), visible=True)
        return _shown(asked, begun=Begun(str(visit.record)), picture=picture)

    def corner(
        self, begun: Begun | None, event: gr.SelectData, request: gr.Request
    ) -> tuple[Any, ...]:
        """A corner of the box; the second one says it."""
        visit = self._visit(request)
        if begun is None or visit is None or begun.inspection != visit.record:
            return _shown(views.problem(_NOTHING))
        corners = (*begun.corners[-1:], (int(event.index[0]), int(event.index[1])))
        begun = Begun(begun.inspection, corners)
        if len(corners) < 2:
            drawn = _marked(visit.copy(), corners)
            asked = views.notice("Now the opposite corner.")
            return _shown(asked, begun=begun, picture=gr.update(value=drawn))
        box = _on_photo(corners, visit)
        found = self._said(begun, Said("damaged", (box,)), request)
        return (*found[:-1], gr.update(value=_marked(visit.copy(), corners)))

    def look(self, begun: Begun | None, kind: str | None) -> str:
        """What a proposal would do to the last inspections."""
        if begun is None or not begun.feedback or not kind:
            return views.problem("Say first what was wrong, and choose what is to follow.")
        try:
            preview = self._with(lambda each: each.preview(begun.feedback, kind, most=_MOST))
        except AnomalyGPTError as error:
            return views.problem(str(error))
        return _told(preview)

    def apply(self, begun: Begun | None, kind: str | None, request: gr.Request) -> str:
        """Change the product."""
        if begun is None or not begun.feedback or not kind:
            return views.problem("Say first what was wrong, and choose what is to follow.")
        try:
            product = self._with(
                lambda each: each.apply(
                    begun.feedback, kind, who=_who(request), expected_version=begun.version
                )
            )
        except AnomalyGPTError as error:
            return views.problem(str(error))
        return views.notice(
            f"{product.name} is version {product.version} now. Press Inspect to look at the photo "
            "again; Undo takes it back."
        )

    def undo(self, begun: Begun | None, request: gr.Request) -> str:
        """Take back what was applied."""
        if begun is None or not begun.feedback:
            return views.problem("Nothing was applied here; `anomalygpt feedback undo` takes more.")
        try:
            product = self._with(lambda each: each.undo(begun.feedback, who=_who(request)))
        except AnomalyGPTError as error:
            return views.problem(str(error))
        return views.notice(f"{product.name} is as before, as version {product.version}.")

    def _said(self, begun: Begun, said: Said, request: gr.Request) -> tuple[Any, ...]:
        try:
            proposed = self._with(
                lambda each: each.propose(begun.inspection, said, who=_who(request))
            )
        except AnomalyGPTError as error:
            return _shown(views.problem(str(error)))
        begun = Begun(begun.inspection, begun.corners, proposed.id, proposed.version)
        choices = [(each.text, each.kind) for each in proposed.consequences]
        radio = gr.update(
            choices=choices, value=choices[0][1] if choices else None, visible=bool(choices)
        )
        return _shown(_proposals(proposed), begun=begun, kinds=radio)

    def _with(self, work: Callable[[Feedback], Value]) -> Value:
        plant = self._engine.plant
        assert plant is not None

        def step(model_of: Callable[[str], AnomalyGPT]) -> Value:
            return work(Feedback(plant, model_of))

        return self._engine.with_models(step)

    def _visit(self, request: gr.Request) -> Visit | None:
        visit = self._desk_of(request).current
        return visit if visit is not None and visit.record else None


def add(engine: Engine, desk_of: Callable[[gr.Request], Desk]) -> None:
    """Put the part into the page that is being built; only where there is a plant."""
    correcting = Correcting(engine, desk_of)
    small: Any = {"size": "sm", "min_width": 100}
    begun = gr.State(None)
    with gr.Accordion("Was this verdict wrong?", open=False, elem_id="correct"):
        with gr.Row():
            good = gr.Button("Good after all", elem_id="correct-good", **small)
            damaged = gr.Button("Damaged, here", elem_id="correct-damaged", **small)
        picture = gr.Image(
            label="The photo",
            type="pil",
            interactive=False,
            visible=False,
            buttons=[],
            elem_id="correct-photo",
        )
        told = gr.HTML("", elem_id="correct-told", padding=False)
        kinds = gr.Radio([], label="What is to follow", visible=False, elem_id="correct-kinds")
        with gr.Row():
            look = gr.Button("Show what would change", elem_id="correct-look", **small)
            apply = gr.Button("Apply", elem_id="correct-apply", **small)
            undo = gr.Button("Undo", elem_id="correct-undo", **small)
    said = [told, begun, kinds, picture]
    good.click(correcting.good, None, said, **_QUIET)
    damaged.click(correcting.damaged, None, said, **_QUIET)
    picture.select(correcting.corner, begun, said, **_QUIET)
    look.click(correcting.look, [begun, kinds], told, **_QUIET)
    apply.click(correcting.apply, [begun, kinds], told, **_QUIET)
    undo.click(correcting.undo, begun, told, **_QUIET)


def _shown(
    told: str, *, begun: Begun | None = None, kinds: Any = None, picture: Any = None
) -> tuple[Any, Any, Any, Any]:
    hidden = gr.update(visible=False)
    return told, begun, kinds or hidden, picture or hidden


def _on_photo(corners: tuple[tuple[int, int], ...], visit: Visit) -> tuple[int, int, int, int]:
    """The box of two corners on the copy that is shown, in pixels of the photo."""
    (ax, ay), (bx, by) = corners
    height, width = visit.inspection.image_size
    shown = visit.copy().size
    across, down = width / shown[0], height / shown[1]
    x0, x1, y0, y1 = min(ax, bx), max(ax, bx) + 1, min(ay, by), max(ay, by) + 1
    left, top = int(x0 * across), int(y0 * down)
    return left, top, max(left + 1, round(x1 * across)), max(top + 1, round(y1 * down))


def _marked(photo: Image.Image, corners: tuple[tuple[int, int], ...]) -> Image.Image:
    """The photo with a dot at one corner, or the box of two."""
    drawn = photo.copy()
    pen = ImageDraw.Draw(drawn)
    wide = max(2, round(max(photo.size) / 300))
    if len(corners) == 1:
        x, y = corners[0]
        reach = _CORNER * wide
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), outline="#ff2d00", width=wide)
    else:
        (ax, ay), (bx, by) = corners
        box = (min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))
        pen.rectangle(box, outline="#ff2d00", width=wide)
    return drawn


def _proposals(proposed: Proposed) -> str:
    if not proposed.consequences:
        notes = " ".join(f"{note}." for note in proposed.notes)
        return views.notice(f"It is on record. Nothing has to follow: {notes}".strip())
    why = "; ".join(each.why for each in proposed.consequences[:1])
    return views.notice(f"It is on record, and nothing has changed yet. Proposed first: {why}.")


def _told(preview: Preview) -> str:
    words = {True: "wrong", False: "good", None: "no verdict"}
    rows = "".join(
        f"<tr><td>{views.text(row.photo_name)}</td><td>{words[row.before.is_anomalous]}</td>"
        f"<td>{words[row.after.is_anomalous]}</td></tr>"
        for row in preview.changed
    )
    head = f"Of the last {len(preview.rows)} inspections {len(preview.changed)} would end otherwise"
    left = f"; {preview.left_out} photos are not kept" if preview.left_out else ""
    table = (
        f"<table><thead><tr><th>Photo</th><th>Now</th><th>Then</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        if rows
        else ""
    )
    return f'<div class="notice" role="status"><p>{head}{left}.</p>{table}</div>'


def _who(request: gr.Request) -> str:
    """As the log names them: by the password's name, where one is asked for."""
    return str(getattr(request, "username", None) or "page")
