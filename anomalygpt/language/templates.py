"""How a dialogue about a picture is written down for a language model.

The prompt is a row of text pieces with gaps: one gap for the image embedding, one for the
prompts that the anomaly map gives. A template holds the pieces; it knows no tokens and no
tensors. `VICUNA_V0` is the format that AnomalyGPT and PandaGPT were published with, and
`chat_template` reads the same pieces out of a tokenizer's own chat template.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Protocol

from anomalygpt.errors import ConfigError

Turn = tuple[str, "str | None"]  # question, answer; the last answer may still be open


@dataclass(frozen=True)
class DialogueTemplate:
    """The text pieces of a dialogue, in the order in which they are read.

    BOS, `before_image`, (image), `after_image`, (map prompts), question, `answer_cue`, answer,
    `answer_end`, `next_turn`, question, `answer_cue`, and so on. Every piece is tokenized alone.

    Attributes:
        before_image: from the start to the image embedding.
        after_image: between the image embedding and the map prompts.
        answer_cue: after a question; the model writes on from here.
        answer_end: after an answer, unless the model has written it itself.
        next_turn: between the end of an answer and the next question.
        stop_strings: text that ends an answer; the model writes it, nobody is shown it.
        add_bos: the tokenizer's BOS id comes first, if it has one.
        answer_space: white space that belongs to the answer's first token.
    """

    before_image: str
    after_image: str
    answer_cue: str
    answer_end: str
    next_turn: str
    stop_strings: tuple[str, ...]
    add_bos: bool
    answer_space: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.stop_strings, tuple) or not all(self.stop_strings):
            raise ConfigError(
                f"stop_strings is a tuple of non-empty texts, got {self.stop_strings!r}"
            )

    def first_turn(self, question: str) -> str:
        """The piece after the map prompts."""
        return question + self.answer_cue

    def later_turn(self, question: str) -> str:
        """The piece after an answer that has ended."""
        return self.next_turn + question + self.answer_cue

    def answer(self, text: str) -> str:
        """The piece that the model should write for the answer `text`."""
        return self.answer_space + text + self.answer_end

    def render(
        self, turns: Sequence[Turn], *, bos: str = "", image: str = "", map_prompts: str = ""
    ) -> str:
        """The whole dialogue as one text, for people and for tests.

        Args:
            turns: (question, answer) in order; only the last answer may be None.
            bos: shown in place of the BOS id.
            image: shown in place of the image embedding.
            map_prompts: shown in place of the map prompts.

        Raises:
            ConfigError: there is no turn, or an answer before the last is None.
        """
        start = bos if self.add_bos else ""
        pieces = [start, self.before_image, image, self.after_image, map_prompts]
        return "".join(pieces + [text for text, _ in self._pieces(turns)])

    def training_segments(self, turns: Sequence[Turn]) -> list[tuple[str, bool]]:
        """The pieces after the map prompts, and whether the loss covers them.

        Returns:
            (text, is_target) in order, each to be tokenized alone. Targets are the answers
            with their end, nothing else.

        Raises:
            ConfigError: there is no turn, or an answer is None.
        """
        if turns and turns[-1][1] is None:
            raise ConfigError("training needs an answer to every question; the last one has none")
        return self._pieces(turns)

    def _pieces(self, turns: Sequence[Turn]) -> list[tuple[str, bool]]:
        if not turns:
            raise ConfigError("a dialogue needs at least one question")
        pieces: list[tuple[str, bool]] = []
        for index, (question, answer) in enumerate(turns):
            asked = self.later_turn(question) if index else self.first_turn(question)
            pieces.append((asked, False))
            if answer is not None:
                pieces.append((self.answer(answer), True))
            elif index < len(turns) - 1:
                raise ConfigError(f"question {index + 1} of {len(turns)} has no answer")
        return pieces


VICUNA_V0 = DialogueTemplate(
    before_image="### Human: <Img>",
    after_image="</Img> ",
    answer_cue="\n### Assistant:",
    answer_end="\n###",
    next_turn=" Human: ",
    stop_strings=("###",),
    add_bos=True,
    answer_space=" ",
)


class ChatTokenizer(Protocol):
    """What `chat_template` needs of a Hugging Face tokenizer."""

    chat_template: Any
    bos_token: str | None
    eos_token: str | None
    all_special_tokens: list[str]

    def get_added_vocab(self) -> dict[str, int]: ...

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: Any) -> Any: ...


# Stand-ins for what a real dialogue puts into the gaps. Letters and digits only, so that
# no template trims, escapes or splits them.
_IMAGE, _MAP, _FIRST, _ANSWER, _SECOND = (
    f"anomalygptgap{number}mark" for number in ("1i", "2m", "3q", "4a", "5q")
)


def chat_template(tokenizer: ChatTokenizer) -> DialogueTemplate:
    """Read the pieces out of the tokenizer's own chat template.

    A small dialogue with marked gaps is rendered and cut at the marks. The user's first
    message is `<Img>(image)</Img> (map prompts)question`.

    Raises:
        ConfigError: the tokenizer has no chat template, or one that loses or moves the marks.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise ConfigError(
            "the tokenizer has no chat template; use template='vicuna_v0', or a language model "
            "whose tokenizer_config.json or chat_template.jinja has one"
        )
    opening = {"role": "user", "content": f"<Img>{_IMAGE}</Img> {_MAP}{_FIRST}"}
    reply = {"role": "assistant", "content": _ANSWER}
    followup = {"role": "user", "content": _SECOND}
    asked = _render(tokenizer, [opening], add_generation_prompt=True)
    talked = _render(tokenizer, [opening, reply, followup], add_generation_prompt=False)
    ended = _render(tokenizer, [opening, reply], add_generation_prompt=False)
    before, after, _, cue = _cut(asked, (_IMAGE, _MAP, _FIRST))
    closing = _cut(ended, (_ANSWER,))[1]
    _, _, _, spoken_cue, between, _ = _cut(talked, (_IMAGE, _MAP, _FIRST, _ANSWER, _SECOND))
    cue, space = _answer_cue(cue, spoken_cue)
    answer_end, next_turn, stops = _answer_end(tokenizer, between, closing)
    bos = tokenizer.bos_token or ""
    add_bos = bool(bos) and before.startswith(bos)
    return DialogueTemplate(
        before_image=before[len(bos) :] if add_bos else before,
        after_image=after,
        answer_cue=cue,
        answer_end=answer_end,
        next_turn=next_turn,
        stop_strings=stops,
        add_bos=add_bos,
        answer_space=space,
    )


def _render(tokenizer: ChatTokenizer, messages: list[dict[str, str]], **options: Any) -> str:
    from jinja2 import TemplateError

    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, **options))
    except (TemplateError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"the tokenizer's chat template refuses a dialogue of user and assistant "
            f"({error}); use template='vicuna_v0' or another language model"
        ) from error


def _cut(text: str, marks: Sequence[str]) -> list[str]:
    """Split `text` at every mark, once each and in order: one part more than marks."""
    parts = []
    rest = text
    for mark in marks:
        before, found, rest = rest.partition(mark)
        if not found or mark in rest:
            raise ConfigError(
                "the tokenizer's chat template drops, repeats or reorders what was said; use "
                "template='vicuna_v0' or another language model"
            )
        parts.append(before)
    return [*parts, rest]


def _answer_cue(cue: str, spoken_cue: str) -> tuple[str, str]:
    """The cue that asks for an answer, and the white space that the answer begins with.

    A template that ignores `add_generation_prompt` shows its cue only before a given answer.
    """
    if not spoken_cue.startswith(cue):
        return cue, ""
    extra = spoken_cue[len(cue) :]
    return (spoken_cue, "") if extra.strip() else (cue, extra)


def _answer_end(
    tokenizer: ChatTokenizer, between: str, closing: str
) -> tuple[str, str, tuple[str, ...]]:
    """Split the text between an answer and the next question: end, next turn, stop strings.

    The end reaches to the first special token. Where there is none it is what follows the last
    answer of a dialogue as well, and otherwise all of it.
    """
    special = _first_of(between, {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()})
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(between, closing, strict=False))
    shared = "".join(letter for letter, _ in alike).rstrip() or between.rstrip()
    end = between[: between.index(special) + len(special)] if special else shared
    stop = special or end.strip()
    if not stop:
        raise ConfigError(
            "the tokenizer's chat template puts nothing between an answer and the next question; "
            "use template='vicuna_v0' or another language model"
        )
    stops = dict.fromkeys(text for text in (stop, tokenizer.eos_token) if text)
    return end, between[len(end) :], tuple(stops)


def _first_of(text: str, candidates: Iterable[str]) -> str:
    """The candidate that occurs first in `text`, the longest of several; "" if none does."""
    found = [word for word in candidates if word and word in text]
    return min(found, key=lambda word: (text.index(word), -len(word)), default="")
