"""Two calls for programs, by `gradio_client`: inspect a photo, and ask about one.

They wait in the same queue as the page, keep nothing, and belong to no desk.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from anomalygpt.chat import Chat
from anomalygpt.errors import AnomalyGPTError
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.serving.desk import shown
from anomalygpt.serving.engine import Engine


def add(engine: Engine) -> None:
    """Put the calls `/inspect` and `/ask` into the page that is being built; nothing is shown."""
    # Parts of a page rather than bare types: their files are checked to be uploads, as on the page.
    photo = gr.File(visible=False, label="photo")
    references = gr.File(visible=False, file_count="multiple", label="references")
    description = gr.Textbox("", visible=False, label="description")
    question = gr.Textbox(visible=False, label="question")
    found = gr.JSON(visible=False, label="inspection")
    answer = gr.Textbox(visible=False, label="answer")
    calls = _Calls(engine)
    gr.Button(visible=False).click(
        calls.inspect,
        [photo, references, description],
        found,
        api_name="inspect",
        concurrency_limit=None,
    )
    gr.Button(visible=False).click(
        calls.ask,
        [photo, question, references, description],
        answer,
        api_name="ask",
        concurrency_limit=None,
    )


class _Calls:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def inspect(
        self, photo: str | None, references: list[str] | None = None, description: str = ""
    ) -> dict[str, Any]:
        """Inspect one photo; the answer is that of docs/inspection-results.md."""
        return self._chat(photo, references, description).inspection.to_dict()

    def ask(
        self,
        photo: str | None,
        question: str,
        references: list[str] | None = None,
        description: str = "",
    ) -> str:
        """Answer one question about a photo."""
        chat = self._chat(photo, references, description)
        if len(question) > shown.LONGEST_QUESTION:
            raise gr.Error(
                f"the question has {len(question)} characters, at most {shown.LONGEST_QUESTION} "
                "are read; make it shorter",
                print_exception=False,
            )
        try:
            return "".join(self.engine.ask(chat, question, GenerationOptions()))
        except AnomalyGPTError as error:
            raise gr.Error(str(error), print_exception=False) from None

    def _chat(self, photo: str | None, references: Sequence[str] | None, description: str) -> Chat:
        if not photo:
            raise gr.Error("give a photo", print_exception=False)
        good = list(references or ())
        model = self.engine.settings.models[0]
        try:
            given = shown.given_by(photo, good, description or "", model)
            *_, chat = self.engine.inspect(shown.request_of(given))
        except (AnomalyGPTError, OSError) as error:
            files = [Path(path) for path in (photo, *good)]
            message = shown.without_folders(str(error), files)
            raise gr.Error(message, print_exception=False) from None
        assert isinstance(chat, Chat)
        return chat
