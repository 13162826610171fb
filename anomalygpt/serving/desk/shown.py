"""What the page shows of a desk: values of its parts, in the order of the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from anomalygpt.errors import AnomalyGPTError
from anomalygpt.images.reading import common_bit_depth, load_image
from anomalygpt.products.product import Product
from anomalygpt.records.blobs import Blobs
from anomalygpt.serving.desk import batch, views
from anomalygpt.serving.desk.rows import Batch
from anomalygpt.serving.desk.sessions import Desk
from anomalygpt.serving.desk.visits import Given, Sheet, Visit
from anomalygpt.serving.requests import Request
from anomalygpt.serving.settings import Asking

MOST_REFERENCES = 8
LONGEST_DESCRIPTION, LONGEST_QUESTION = 300, 500
# Questions that the result answers.
FOLLOW_UPS = {
    True: ("Where is it?", "How many are there?", "How large is it?", "How sure are you?"),
    False: ("Is it OK?", "How sure are you?", "What did you check?", "Is the center fine?"),
}
NO_PHOTO = "Drop in a photo first, then ask about it."
NOTHING_TO_INSPECT = "There is no photo yet. Drop in a photo of the part, then press Inspect."
FULL = (
    "This chat is full: the model can read no more of it. Go on with a new chat "
    "about the same photo; what was said stays here and in the report."
)
UPDATE_SECONDS = 0.15  # between two updates of an answer that is being written
TABLE_SECONDS = 1.0  # and of a table with pictures

Messages = list[dict[str, Any]]


class Finding(NamedTuple):
    """What the page shows of a visit, in the order of the outputs of `layout.build`."""

    verdict: Any
    viewer: Any
    messages: Any
    suggested: tuple[Any, Any, Any, Any]
    earlier: Any
    downloads: Any
    examples: Any
    part_number: Any
    inspector: Any
    note: Any
    notice: Any
    go_on: Any
    stop: Any

    def flat(self) -> tuple[Any, ...]:
        """One value for each output."""
        return tuple(
            each for value in self for each in (value if isinstance(value, tuple) else (value,))
        )


class Talk(NamedTuple):
    """What a question changes: messages, the question's box, a notice, a way on, "Stop"."""

    messages: Any = gr.skip()
    question: Any = gr.skip()
    notice: Any = ""
    go_on: Any = gr.update(visible=False)
    stop: Any = gr.update(visible=False)


class Table(NamedTuple):
    """What a batch changes: its table, its downloads, "Stop"."""

    table: Any = gr.skip()
    downloads: Any = gr.skip()
    stop: Any = gr.skip()


class Handed(NamedTuple):
    """The left side of the page: photo, references, description, product."""

    photo: Any
    references: Any
    description: Any
    product: Any


def finding(desk: Desk, palette: Any) -> Finding:
    """The current visit of a desk, or an empty page."""
    visit = desk.current
    hidden = gr.update(visible=False)
    sheet = visit.sheet if visit else Sheet(inspector=desk.inspector)
    return Finding(
        verdict=views.verdict(visit.inspection, len(visit.references)) if visit else views.EMPTY,
        viewer=views.viewer(visit, palette) if visit else "",
        messages=messages(visit) if visit else [],
        suggested=suggested(visit),
        earlier=gr.update(
            choices=[(title(each), each.number) for each in reversed(desk.visits)],
            value=visit.number if visit else None,
            visible=any(each is not visit for each in desk.visits),
        ),
        downloads=gr.update(visible=visit is not None),
        examples=gr.update(open=visit is None),
        part_number=sheet.part_number,
        inspector=sheet.inspector,
        note=sheet.note,
        notice="",
        go_on=hidden,
        stop=hidden,
    )


def given_by(
    photo: str,
    references: Sequence[str],
    description: str,
    model: str,
    asking: Asking | None = None,
) -> Given:
    """What a visitor handed in, as the page's parts give it."""
    good = tuple(Path(path) for path in references[:MOST_REFERENCES])
    return Given(Path(photo), good, description.strip(), model, asking)


def of_product(given: Given, product: Product, blobs: Blobs) -> Given:
    """The same with the references of a product instead of those that were handed in."""
    return replace(
        given,
        references=tuple(blobs.path(each.photo) for each in product.references[:MOST_REFERENCES]),
        names=tuple(Path(each.name).name for each in product.references),
        model=product.settings.model,
        product=product.name,
        version=product.version,
    )


def same(visit: Visit, given: Given) -> bool:
    """Whether a visit is about just this."""
    return visit.given is not None and visit.given.mark == given.mark


def request_of(given: Given) -> Request:
    """What the engine is asked.

    Raises:
        ImageError: a photo cannot be read.
        AnomalyGPTError: the description is too long.
    """
    if len(given.description) > LONGEST_DESCRIPTION:
        raise AnomalyGPTError(
            f"what you wrote about the part has {len(given.description)} characters, at most "
            f"{LONGEST_DESCRIPTION} are read; make it shorter"
        )
    depth = common_bit_depth([given.photo, *given.references])
    good = () if given.product else given.references  # the engine has those of products
    return Request(
        photo=load_image(given.photo, depth),
        name=given.photo.name,
        references=tuple(load_image(path, depth) for path in good),
        description=given.description or None,
        model=given.model,
        reference_names=given.reference_names,
        asking=given.asking,
        product=given.product,
        content=given.photo.read_bytes(),
    )


def unchanged() -> Finding:
    """What leaves everything as it is."""
    kept = Finding(*[gr.skip()] * len(Finding._fields))
    return kept._replace(suggested=(gr.skip(),) * 4)


def working(what: str, share: float) -> Finding:
    """A state with a bar; what was shown before stays, without its questions."""
    return unchanged()._replace(
        verdict=views.working(what, share),
        suggested=suggested(None),
        notice="",
        go_on=gr.update(visible=False),
        stop=gr.update(visible=True),
    )


def table(made: Batch, running: bool) -> Table:
    """A batch as far as it is."""
    return Table(
        batch.table(made),
        gr.update(visible=not running and any(row.found for row in made.rows)),
        gr.update(visible=running),
    )


def handed(visit: Visit | None) -> Handed:
    """What was handed in for a visit; without one, what is on the page stays there."""
    if visit is None or visit.given is None:
        return Handed(gr.skip(), gr.skip(), gr.skip(), gr.skip())
    given = visit.given
    # A product's good parts are shown beside the photo, not among those that were handed in.
    good = gr.skip() if given.product else [str(path) for path in given.references]
    return Handed(str(given.photo), good, given.description, given.product or "")


def without_folders(message: str, paths: Sequence[Path]) -> str:
    """The message with names of files only; where they lie is nobody's business."""
    for path in paths:
        message = message.replace(str(path), path.name)
    return message


def title(visit: Visit) -> str:
    """A line in the list of earlier inspections."""
    _, words = views.in_words(visit.inspection.is_anomalous)
    return f"{visit.number}. {visit.at:%H:%M} {visit.name}: {words.lower()}"


def said(answer: str) -> dict[str, Any]:
    """A message of the model."""
    return {"role": "assistant", "content": answer}


def messages(visit: Visit) -> Messages:
    """The chat; what a voice wrote down before it answered is folded."""
    found: Messages = []
    for place, (question, answer) in enumerate(visit.turns):
        found.append({"role": "user", "content": question})
        note = visit.notes.get(place)
        if note is not None and note.thoughts:
            title = f"What {note.speaker} wrote down first"
            found.append({**said(note.thoughts), "metadata": {"title": title, "status": "done"}})
        signature = visit.signature(place)
        found.append(said(f"{answer}\n\n{signature}" if signature else answer))
    return found


def suggested(visit: Visit | None) -> tuple[Any, Any, Any, Any]:
    """The suggested questions."""
    if visit is None:
        hidden = gr.update(visible=False)
        return (hidden, hidden, hidden, hidden)
    first, second, third, fourth = FOLLOW_UPS[bool(visit.inspection.is_anomalous)]
    return (
        gr.update(value=first, visible=True),
        gr.update(value=second, visible=True),
        gr.update(value=third, visible=True),
        gr.update(value=fourth, visible=True),
    )
