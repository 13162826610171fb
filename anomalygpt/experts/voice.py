"""What a foreign model must be able to do to speak about a photo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from PIL import Image

from anomalygpt.language.generation import GenerationOptions

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """Something said in a conversation.

    Attributes:
        role: who said it.
        parts: texts and pictures in reading order; pictures only from the user, and only to a
            voice that sees.
    """

    role: Role
    parts: tuple[str | Image.Image, ...]


@dataclass
class Usage:
    """What a voice has cost so far; it only grows.

    Attributes:
        requests: answered ones.
        prompt_tokens, completion_tokens: as the model counts them; 0 where it does not.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )


class Voice(Protocol):
    """A model that answers messages. It keeps no conversation; several threads may share it."""

    @property
    def name(self) -> str:
        """What answers are signed with, such as "qwen2.5-vl"; no address, no key."""

    @property
    def sees(self) -> bool:
        """Whether pictures may be among the parts; the same for as long as it lives."""

    @property
    def usage(self) -> Usage:
        """What it has cost so far."""

    def stream(self, messages: Sequence[Message], options: GenerationOptions) -> Iterator[str]:
        """The answer piece by piece; whoever closes the iterator stops the model.

        Raises:
            ExpertError: the model cannot be reached, refuses, or breaks off.
        """

    def choose(self, messages: Sequence[Message], words: Sequence[str]) -> list[float] | None:
        """How likely the answer begins with each of some words.

        Args:
            messages: a question last, which asks for one of them.
            words: short ones, such as capital letters or Yes and No; they differ in their letters.

        Returns:
            Shares that add up to 1, in the order of the words; None where the model tells no
            probabilities, or none of the words is among those that it tells.

        Raises:
            ExpertError: see `stream`.
        """

    def close(self) -> None:
        """Give back what it holds; it is not asked any more."""
