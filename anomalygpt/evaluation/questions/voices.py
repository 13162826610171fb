"""A foreign model as one who answers multiple-choice questions, with evidence if one likes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from PIL import Image

from anomalygpt.data import Question
from anomalygpt.errors import ConfigError
from anomalygpt.evaluation.questions.answering import Answer
from anomalygpt.evaluation.questions.asking import Protocol, in_words
from anomalygpt.experts.voice import Message, Voice
from anomalygpt.images.reading import load_image
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.results.inspection import Inspection

Part: TypeAlias = "str | Image.Image"
# What an inspection has to say for it: sentences and pictures.
EvidenceOf: TypeAlias = Callable[[Path, Inspection], "tuple[Part, ...]"]

_TASK = (
    "You inspect products. Judge the photo that is asked about, and answer each question with the "
    "letter of one option and nothing else."
)
_THINK = (
    "Before the questions: say what the product is and what could be wrong with it, describe how "
    "the photo differs from the good parts, and judge these differences. Where a part lies and how "
    "sharp the photo is does not matter. Use about 100 words."
)
_THOUGHTS = GenerationOptions(max_new_tokens=256)
_LETTER = "Answer with the letter of one option."


class VoiceAnswerer:
    """A `Voice`. It is shown good parts and the photo, and hears what an assistant found.

    Attributes:
        name: of the voice, and of the assistant whose evidence it hears.
        known_photos: None, for nobody tells what foreign models have seen.
        reads_knowledge: True.
    """

    known_photos: frozenset[str] | None = None
    reads_knowledge = True

    def __init__(
        self,
        voice: Voice,
        *,
        by_probability: bool = True,
        protocol: Protocol = "separate",
        think: bool = False,
        options: GenerationOptions | None = None,
        inspect: Callable[[Path, Sequence[Path]], Inspection] | None = None,
        evidence: EvidenceOf | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            voice: the model.
            by_probability: True asks for probabilities of the letters, and for words only where the
                model tells none.
            protocol: see `asking.PROTOCOLS`.
            think: True lets it describe the photo first; it reads that with each question.
            options: length and sampling of an answer in words.
            inspect: looks at a photo and its templates, such as `EmbeddedAnswerer.inspect`.
            evidence: what of the result is handed on; comes with `inspect`.
            notes: what else decides the answers, such as the kind of evidence and the weights of
                who inspects, for telling runs apart.

        Raises:
            ConfigError: evidence without inspection or the other way round, or a voice that sees
                nothing without evidence.
        """
        if (inspect is None) != (evidence is None):
            raise ConfigError("evidence and who inspects come together; give both or none of them")
        if not voice.sees and evidence is None:
            raise ConfigError(
                f"{voice.name} sees no pictures, so it would guess; hand it evidence in words"
            )
        self.name = voice.name
        self._voice, self._by_probability, self._protocol = voice, by_probability, protocol
        self._think, self._options = think, options or GenerationOptions()
        self._inspect, self._evidence = inspect, evidence
        self._notes = dict(notes or {})

    @property
    def mark(self) -> Any:
        """How it is asked."""
        return {
            "voice": self._voice.name,
            "by_probability": self._by_probability,
            "protocol": self._protocol,
            "think": self._think,
            "options": vars(self._options),
            "evidence": self._evidence is not None,
            **self._notes,
        }

    def open(self, photo: Path, templates: Sequence[Path], knowledge: str | None) -> VoiceSession:
        """Look at a photo; see `Answerer.open`."""
        parts: list[Part] = [_TASK]
        if knowledge:
            parts.append(f"What is known about the product:\n{knowledge}")
        if self._voice.sees and templates:
            many = len(templates) > 1
            parts.append(f"{len(templates)} photo{'s' * many} of good parts:")
            parts += [load_image(path) for path in templates]
        picture = load_image(photo)  # also where nobody sees it: a broken photo is skipped for all
        if self._voice.sees:
            parts += ["The photo that is asked about:", picture]
        if self._inspect is not None and self._evidence is not None:
            told = self._evidence(photo, self._inspect(photo, templates))
            parts += [each for each in told if self._voice.sees or isinstance(each, str)]
        begun: list[Message] = []
        if self._think:
            asked = Message("user", (*parts, _THINK))
            thoughts = "".join(self._voice.stream([asked], _THOUGHTS)).strip()
            begun, parts = [asked, Message("assistant", (thoughts,))], []
        return VoiceSession(
            self._voice, begun, parts, self._by_probability, self._protocol, self._options
        )


class VoiceSession:
    """A photo that a voice was shown."""

    # What it says is read off its answers.
    probability: float | None = None

    def __init__(
        self,
        voice: Voice,
        begun: Sequence[Message],
        parts: Sequence[Part],
        by_probability: bool,
        protocol: Protocol,
        options: GenerationOptions,
    ) -> None:
        """
        Args:
            voice: the model.
            begun: what was said before the questions.
            parts: what stands in front of the first question.
            by_probability, protocol, options: see `VoiceAnswerer`.
        """
        self._voice, self._said, self._parts = voice, list(begun), tuple(parts)
        self._by_probability, self._protocol, self._options = by_probability, protocol, options

    def answer(self, question: Question, options: Mapping[str, str]) -> Answer:
        """The letter, with its share where the model tells any; see `Session.answer`."""
        asked = Message("user", (*self._parts, f"{in_words(question.text, options)}\n{_LETTER}"))
        messages = [*self._said, asked]
        answer = self._chosen(messages, list(options)) if self._by_probability else None
        if answer is None:
            answer = Answer("".join(self._voice.stream(messages, self._options)).strip())
        if self._protocol == "cumulative":
            self._said = [*messages, Message("assistant", (answer.text,))]
            self._parts = ()
        return answer

    def _chosen(self, messages: Sequence[Message], letters: Sequence[str]) -> Answer | None:
        shares = self._voice.choose(messages, letters)
        if shares is None:
            return None
        told = dict(zip(letters, shares, strict=True))
        return Answer(max(told, key=lambda letter: told[letter]), told)
