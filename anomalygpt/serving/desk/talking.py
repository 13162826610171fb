"""Questions about the current inspection: asking, asking again, going on when it is full."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import gradio as gr

from anomalygpt.chat import Talk as Conversation
from anomalygpt.errors import AnomalyGPTError, DialogueTooLongError
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.serving.desk import shown, views
from anomalygpt.serving.desk.sessions import Desk, Desks
from anomalygpt.serving.desk.shown import Talk
from anomalygpt.serving.desk.visits import Visit
from anomalygpt.serving.engine import Engine
from anomalygpt.serving.requests import Progress, Recorded


class Talking:
    """What the buttons around the chat do."""

    def __init__(self, engine: Engine, desks: Desks) -> None:
        self.engine, self.desks = engine, desks

    def ask(
        self, question: str, length: float, temperature: float, request: gr.Request
    ) -> Iterator[Talk]:
        """The chat so far with the answer growing, and the emptied question."""
        desk = self.desks.of(str(request.session_hash))
        visit, question = desk.current, question.strip()
        if visit is None:
            yield Talk(notice=views.notice(shown.NO_PHOTO))
        elif len(question) > shown.LONGEST_QUESTION:
            too_long = (
                f"The question has {len(question)} characters, at most {shown.LONGEST_QUESTION} "
                "are read. Make it shorter, or ask in two steps."
            )
            yield Talk(notice=views.notice(too_long))
        elif question:
            options = GenerationOptions(max_new_tokens=int(length), temperature=float(temperature))
            yield from self._answered(desk, visit, question, options)

    def _answered(
        self, desk: Desk, visit: Visit, question: str, options: GenerationOptions
    ) -> Iterator[Talk]:
        going_on = desk.until_stopped()
        running = gr.update(visible=True)
        before = shown.messages(visit)
        asked = [*before, {"role": "user", "content": question}]
        yield Talk([*asked, shown.said("…")], "", stop=running)
        answer, shown_at = "", 0.0
        chat: Conversation | None = None
        try:
            chat = visit.chat or self._revived(desk, visit)
            for piece in self.engine.ask(chat, question, options):
                if not going_on():
                    break
                answer += piece
                # Each update costs the server more than the word that it brings.
                if time.monotonic() - shown_at > shown.UPDATE_SECONDS:
                    yield Talk([*asked, shown.said(answer)], stop=running)
                    shown_at = time.monotonic()
        except DialogueTooLongError:
            desk.pending = question
            yield Talk(before, question, views.notice(shown.FULL), gr.update(visible=True))
            return
        except (AnomalyGPTError, OSError) as error:
            yield Talk(before, question, views.notice(shown.without_folders(str(error), [])))
            return
        finally:
            if answer:
                visit.add_turn(question, answer, chat)
        yield Talk(shown.messages(visit))

    def retry(self, length: float, temperature: float, request: gr.Request) -> Iterator[Talk]:
        """The last question once more; the new answer takes the place of the old one."""
        desk = self.desks.of(str(request.session_hash))
        visit = desk.current
        if visit is None or not visit.asked:
            yield Talk(notice=views.notice("Nothing was asked yet that could be asked again."))
            return
        try:
            self._begin_again(desk, visit)
        except (AnomalyGPTError, OSError) as error:
            yield Talk(notice=views.notice(shown.without_folders(str(error), [])))
            return
        question, _ = visit.turns.pop()
        visit.notes.pop(len(visit.turns), None)
        yield from self.ask(question, length, temperature, request)

    def go_on(self, length: float, temperature: float, request: gr.Request) -> Iterator[Talk]:
        """After a full chat: the question that found no room, in a new one."""
        desk = self.desks.of(str(request.session_hash))
        question, desk.pending = desk.pending, ""
        if desk.current is not None and question:
            self._begin_again(desk, desk.current)
            yield from self.ask(question, length, temperature, request)

    def talk_anew(self, request: gr.Request) -> Talk:
        """The chat about the current photo from the beginning."""
        desk = self.desks.of(str(request.session_hash))
        visit = desk.current
        if visit is None:
            return Talk([])
        chat = self._begin_again(desk, visit)
        visit.turns = list(chat.history)
        visit.notes.clear()
        return Talk(shown.messages(visit))

    def _begin_again(self, desk: Desk, visit: Visit) -> Conversation:
        """Let the model begin anew with the verdict; what the page shows stays."""
        if visit.chat is None:
            return self._revived(desk, visit)
        (fresh,) = self.engine.restart(visit.chat)
        desk.talk(visit, fresh)
        return fresh

    def _revived(self, desk: Desk, visit: Visit) -> Conversation:
        """A chat about an earlier photo, which is looked at once more for it."""
        assert visit.given is not None
        request = replace(shown.request_of(visit.given), on_record=False)
        *_, chat = self.engine.inspect(request)
        assert not isinstance(chat, Progress | Recorded)
        desk.talk(visit, chat)
        visit.turns = visit.turns or list(chat.history)
        return chat
