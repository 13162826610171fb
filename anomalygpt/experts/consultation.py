"""A talk about a photo in which a foreign model speaks, or what is known is quoted.

What the result tells is still answered from the result; the verdict is the measured one unless
the foreign model is asked to give it. Every turn says who spoke, and where two disagree the answer
says so.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from anomalygpt.chat import Chat
from anomalygpt.constants import ANOMALY_QUESTION
from anomalygpt.errors import ConfigError, ExpertError
from anomalygpt.evidence import Evidence
from anomalygpt.experts.briefing import (
    CHOICE,
    OPINION,
    THINK,
    Exhibits,
    conversation,
    introduction,
)
from anomalygpt.experts.manner import Manner
from anomalygpt.experts.voice import Voice
from anomalygpt.knowledge.store import NOTHING, Found, quoted, within
from anomalygpt.language.generation import GenerationOptions
from anomalygpt.replies.claims import against_verdict
from anomalygpt.replies.ends import sentences
from anomalygpt.replies.known import Known
from anomalygpt.replies.turns import Split, Turns
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.opinion import Opinion
from anomalygpt.verdict import says_yes, verdict_sentence

OWN = "AnomalyGPT"
DISAGREE = "The two disagree; look for yourself."
MOST_TURNS = 12  # that a voice is reminded of
# What is looked up for the verdict.
ABOUT_GOOD = "What does a good one look like, and what counts as a defect?"
# What the result has no more than a refusal or a set phrase for.
_VOICED = frozenset(("see", "kind", "part", "colour", "why", "doubt", "report", "social"))
_OPINION_TOKENS, _THOUGHT_TOKENS = 96, 256
_YES_OR_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Turn:
    """A question and its answer.

    Attributes:
        question, answer: as they were asked and shown.
        speaker: who answered.
        sources: of what is known that went into the answer, as people read them.
        thoughts: what the speaker wrote down before; "" where nothing.
    """

    question: str
    answer: str
    speaker: str
    sources: tuple[str, ...] = ()
    thoughts: str = ""

    @property
    def signature(self) -> str:
        """Who spoke where it was not we, and what was read for it; "" for our own answers."""
        if self.speaker == OWN:  # quotations name their sources themselves
            return ""
        read = f" (read: {'; '.join(self.sources)})" if self.sources else ""
        return f"— {self.speaker}{read}"


@dataclass
class _Answer:
    """An answer while it is being written."""

    question: str
    text: str = ""
    speaker: str = OWN
    sources: tuple[str, ...] = ()
    thoughts: str = ""
    wanted: GenerationOptions = field(default_factory=GenerationOptions)


class Consultation:
    """A talk with the methods of `Chat`. Answers are the result's where it tells them, else the
    voice's, with what is known; without a voice what is known is quoted, else the chat answers.

    Attributes:
        turns: so far.
        voice: the foreign model, or None.
        answering: to be held by whoever lets several people ask at the same time.
        fault: why the voice could not be asked for its opinion; None where it could.
    """

    def __init__(
        self,
        chat: Chat,
        evidence: Evidence,
        exhibits: Exhibits,
        voice: Voice | None,
        manner: Manner | None = None,
        known: Callable[[str], Sequence[Found]] | None = None,
    ) -> None:
        """
        Args:
            chat: our own about the same photo, in which nothing but the verdict was asked.
            evidence: of the photo alone.
            exhibits: the pictures that a voice is shown.
            voice: who speaks.
            manner: how.
            known: finds what is known about a question, the best first.

        Raises:
            ConfigError: the verdict of an expert without one.
        """
        self.voice, self.manner = voice, manner or Manner()
        if voice is None and self.manner.decider == "expert":
            raise ConfigError("there is no expert whose verdict could count; name one")
        self.turns: list[Turn] = []
        self.fault: ExpertError | None = None
        self.answering = threading.Lock()
        self._chat, self._evidence, self._exhibits = chat, evidence, exhibits
        self._known = known
        self._found: Inspection | None = None
        self._turns = Turns(lambda: self.inspection)
        self._introduced: tuple[Any, ...] | None = None
        self._thought: tuple[str, str] | None = None

    @property
    def history(self) -> list[tuple[str, str]]:
        """(question, answer) of the turns so far."""
        return [(turn.question, turn.answer) for turn in self.turns]

    @property
    def inspection(self) -> Inspection:
        """The verdict, map and regions; before `judge` our own, without an opinion."""
        return self._found or self._chat.inspection

    def judge(self) -> Inspection:
        """The verdict, and what the voice says to it, as the first turn.

        Raises:
            ConfigError: the talk has already begun.
            ExpertError: the voice was to decide, and cannot be asked. Otherwise the verdict is
                there without its opinion, and a caution says why.
        """
        if self.turns:
            raise ConfigError("the verdict is the first turn; begin a new chat, or `restart`")
        own = self._chat.inspection if self._chat.has_begun else self._chat.judge()
        if self._found is None:
            self._found = own if self.voice is None else self._with_opinion(self.voice, own)
        speaker = OWN if self.voice is None or not _is_by(self._found) else self.voice.name
        self.turns.append(Turn(ANOMALY_QUESTION, _spoken(self._found), speaker))
        return self._found

    def restart(self) -> Consultation:
        """A new talk about the same photo, for which the voice keeps its opinion."""
        fresh = Consultation(
            self._chat.restart(),
            self._evidence,
            self._exhibits,
            self.voice,
            self.manner,
            self._known,
        )
        fresh._introduced, fresh._found = self._introduced, self._found
        return fresh

    def ask(self, question: str, options: GenerationOptions | None = None) -> str:
        """See `Chat.ask`.

        Raises:
            ConfigError: the question is empty.
            ExpertError: the voice cannot be reached, refuses, or breaks off.
            DialogueTooLongError: it does not fit any more; begin a new chat.
        """
        return "".join(self.stream(question, options))

    def stream(self, question: str, options: GenerationOptions | None = None) -> Iterator[str]:
        """The answer piece by piece; raises what `ask` raises. Whoever stops early may go on
        with another question."""
        if not question.strip():
            raise ConfigError("the question is empty; ask something about the photo")
        split = self._turns.split(question, declining=False)
        if self.voice is not None and _is_for_voice(split):
            split = replace(split, reply=None, told="", opened=question)
        found = self._looked_up(split.opened)
        answer = _Answer(question, wanted=options or GenerationOptions())
        if self.voice is not None:
            pieces = self._by_voice(self.voice, split, found, answer)
        elif found:
            pieces = self._quoting(split, found, answer)
        else:
            pieces = self._by_chat(split, answer)
        return self._noted(pieces, answer)

    # --- who answers ----------------------------------------------------------------------------

    def _by_voice(
        self, voice: Voice, split: Split, found: Sequence[Found], answer: _Answer
    ) -> Iterator[str]:
        if split.reply is not None:
            yield split.reply.text
        if not split.opened:
            return
        answer.speaker, answer.sources = voice.name, _sources(found)
        if split.reply is not None:
            answer.speaker = f"{OWN} and {voice.name}"
            yield "\n\n"
        before = self._reminded(voice, answer)
        own = ""
        asked = _with_known(split.opened, found)
        messages = conversation(self._introduction(voice), before, asked)
        for piece in voice.stream(messages, answer.wanted):
            own += piece
            yield piece
        if note := self._against(own, split.opened):
            yield f"\n\n{note}"

    def _quoting(self, split: Split, found: Sequence[Found], answer: _Answer) -> Iterator[str]:
        if split.reply is not None:
            yield f"{split.reply.text}\n\n"
        answer.sources = _sources(found)
        yield quoted(found)

    def _by_chat(self, split: Split, answer: _Answer) -> Iterator[str]:
        yield from self._chat.stream(answer.question, answer.wanted)
        if self._known is not None and split.opened:
            yield f" {NOTHING}"

    def _noted(self, pieces: Iterator[str], answer: _Answer) -> Iterator[str]:
        """The pieces; what was said of them is kept, also where somebody stops early."""
        try:
            for piece in pieces:
                answer.text += piece
                yield piece
        finally:
            if answer.text.strip():
                self.turns.append(
                    Turn(
                        answer.question,
                        answer.text.strip(),
                        answer.speaker,
                        answer.sources,
                        answer.thoughts,
                    )
                )

    # --- what a voice reads ---------------------------------------------------------------------

    def _introduction(self, voice: Voice) -> tuple[Any, ...]:
        if self._introduced is None:
            self._introduced = introduction(
                self._exhibits, self.inspection, self.manner.notation, sees=voice.sees
            )
        return self._introduced

    def _reminded(self, voice: Voice, answer: _Answer) -> list[tuple[str, str]]:
        """Earlier turns, after what the voice wrote down for itself."""
        if self.manner.thinks and self._thought is None:
            messages = conversation(self._introduction(voice), (), THINK)
            said = voice.stream(messages, GenerationOptions(max_new_tokens=_THOUGHT_TOKENS))
            answer.thoughts = "".join(said).strip()
            self._thought = (THINK, answer.thoughts)
        first = [self._thought] if self._thought else []
        return [*first, *self.history[-MOST_TURNS:]]

    def _looked_up(self, question: str) -> list[Found]:
        if self._known is None or not question:
            return []
        return within(self._known(question), self.manner.known_tokens)

    def _against(self, text: str, question: str) -> str:
        """A sentence where the voice speaks against the verdict; else ""."""
        known = Known(self.inspection, question)
        if not any(against_verdict(each, known) for each in sentences(text)):
            return ""
        return f"(Measured: {self.inspection.answer} {DISAGREE})"

    # --- the verdict ----------------------------------------------------------------------------

    def _with_opinion(self, voice: Voice, own: Inspection) -> Inspection:
        """Our verdict with the voice's opinion, or the voice's verdict where it decides."""
        card = own.model if isinstance(own.model, Mapping) else {}
        try:
            # Without our verdict, which it would only repeat.
            opinion = self._opinion(voice, self._evidence.inspection(0, card), own)
        except ExpertError as error:
            if self.manner.decider == "expert":
                raise
            self.fault = error
            return replace(own, cautions=[*own.cautions, f"{voice.name} was not heard: {error}."])
        if self.manner.decider == "own":
            return replace(own, opinion=opinion)
        if opinion.is_anomalous is None:
            raise ExpertError(
                f"{voice.name} gave no yes or no ({opinion.answer[:80]!r}); take the measured "
                "verdict, or another model"
            )
        decided = self._evidence.inspection(
            0,
            {**card, "verdict": voice.name},
            question=ANOMALY_QUESTION,
            is_anomalous=opinion.is_anomalous,
            probability=opinion.anomaly_probability,
        )
        return replace(decided, answer=verdict_sentence(decided), opinion=opinion)

    def _opinion(self, voice: Voice, measured: Inspection, own: Inspection) -> Opinion:
        shown = introduction(self._exhibits, measured, self.manner.notation, sees=voice.sees)
        options = GenerationOptions(max_new_tokens=_OPINION_TOKENS)
        known = self._looked_up(ABOUT_GOOD)
        asked = conversation(shown, (), _with_known(OPINION, known))
        said = "".join(voice.stream(asked, options)).strip()
        word = _YES_OR_NO.match(said)
        verdict = None if word is None else word[1].lower() == "yes"
        probability = None
        if self.manner.decider == "expert":
            shares = voice.choose(
                conversation(shown, (), _with_known(CHOICE, known)), ("Yes", "No")
            )
            if shares is not None:  # all spellings count, not only the word that was said
                probability = shares[0]
                verdict = says_yes(probability)
        agrees = None if verdict is None else verdict == own.is_anomalous
        return Opinion(voice.name, said, verdict, probability, agrees)


def _is_for_voice(split: Split) -> bool:
    """Whether a voice has more to say than the result: it speaks other languages, and may see."""
    intents = {each.intent for each in split.asked}
    return split.asked[0].language != "en" or bool(intents & _VOICED)


def _is_by(inspection: Inspection) -> bool:
    """Whether an expert gave the verdict."""
    return isinstance(inspection.model, Mapping) and "verdict" in inspection.model


def _spoken(inspection: Inspection) -> str:
    """The verdict as it is shown, with the opinion beside it."""
    opinion = inspection.opinion
    if opinion is None:
        return inspection.answer or ""
    against = f" {DISAGREE}" if opinion.agrees is False else ""
    return f"{inspection.answer}\n\n{opinion.model} says: {opinion.answer}{against}"


def _sources(found: Sequence[Found]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.passage.source for each in found))


def _with_known(question: str, found: Sequence[Found]) -> str:
    """A question with what is known about it, as a voice reads it."""
    if not found:
        return question
    known = "\n\n".join(f"[{each.passage.source}] {each.passage.text.strip()}" for each in found)
    return (
        "What is written about such parts, in general and not about this photo:\n\n"
        f"{known}\n\nName the source in brackets where you use it. The question: {question}"
    )
