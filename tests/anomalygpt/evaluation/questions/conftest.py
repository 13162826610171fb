"""Somebody who answers as a test tells him, and a voice that says what it is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from anomalygpt.data import Question
from anomalygpt.evaluation.questions.answering import Answer
from anomalygpt.evaluation.questions.run import evaluate_questions
from anomalygpt.evaluation.questions.settings import QuestionSettings
from anomalygpt.experts.voice import Message, Usage
from anomalygpt.language.generation import GenerationOptions

Saying = Callable[[Question, Mapping[str, str]], Answer]


def rightly(question: Question, options: Mapping[str, str]) -> Answer:
    """The right letter, found by its text."""
    wanted = question.options[question.answer]
    return Answer(next(letter for letter, text in options.items() if text == wanted))


@dataclass
class Teller:
    """An answerer who says what `saying` gives, and writes down what he was shown.

    Attributes:
        shown: photo, templates and knowledge of each time.
    """

    saying: Saying = rightly
    name: str = "teller"
    mark: Any = 1
    known_photos: frozenset[str] | None = None
    reads_knowledge: bool = True
    probability: float | None = None
    shown: list[tuple[Path, tuple[Path, ...], str | None]] = field(default_factory=list)

    def open(self, photo: Path, templates: Sequence[Path], knowledge: str | None) -> Told:
        self.shown.append((photo, tuple(templates), knowledge))
        return Told(self.saying, self.probability)


@dataclass
class Told:
    saying: Saying
    probability: float | None

    def answer(self, question: Question, options: Mapping[str, str]) -> Answer:
        return self.saying(question, options)


@dataclass
class ScriptedVoice:
    """A voice that answers in turn, and remembers what it was sent.

    Attributes:
        answers: texts in turn; the last is repeated.
        shares: by letter, what `choose` tells; None for a model that tells nothing.
        heard: the messages of each request.
    """

    answers: list[str]
    shares: Mapping[str, float] | None = None
    sees: bool = True
    name: str = "scripted"
    usage: Usage = field(default_factory=Usage)
    heard: list[tuple[Message, ...]] = field(default_factory=list)

    def stream(self, messages: Sequence[Message], options: GenerationOptions) -> Iterator[str]:
        self.heard.append(tuple(messages))
        text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        yield from (text[:3], text[3:])

    def choose(self, messages: Sequence[Message], letters: Sequence[str]) -> list[float] | None:
        self.heard.append(tuple(messages))
        if self.shares is None:
            return None
        told = [self.shares.get(letter, 0.0) for letter in letters]
        return [share / sum(told) for share in told]


@pytest.fixture
def teller() -> type[Teller]:
    return Teller


@pytest.fixture
def voice() -> type[ScriptedVoice]:
    return ScriptedVoice


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`ask(root, answerer, output="out", **settings)` asks all questions into `tmp_path`."""

    def run(root: Path, answerer: Any, output: str = "out", **settings: Any) -> dict[str, Any]:
        given = QuestionSettings(str(root), **settings)
        return evaluate_questions(answerer, given, tmp_path / output, command="made")

    return run


@pytest.fixture
def hash_of() -> Callable[[Path], str]:
    return lambda path: hashlib.sha256(path.read_bytes()).hexdigest()
