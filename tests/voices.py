"""A foreign model that says what a test wants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from anomalygpt.errors import ExpertError
from anomalygpt.experts.voice import Message, Usage
from anomalygpt.language.generation import GenerationOptions

GONE = ExpertError("nobody is there")


class ScriptedVoice:
    """Says its lines in turn, the last one for ever; an error among them is raised.

    Attributes:
        heard: the messages of each request.
    """

    def __init__(self, *lines: str | Exception, sees: bool = True, yes: float | None = None):
        self.name, self.sees, self.usage = "scripted", sees, Usage()
        self._lines, self._yes = list(lines), yes
        self.heard: list[list[Message]] = []

    def stream(self, messages: Sequence[Message], options: GenerationOptions) -> Iterator[str]:
        self.heard.append(list(messages))
        line = self._lines.pop(0) if len(self._lines) > 1 else self._lines[0]
        if isinstance(line, Exception):
            raise line
        for word in line.split(" "):
            yield f"{word} "
        self.usage += Usage(1)

    def choose(self, messages: Sequence[Message], words: Sequence[str]) -> list[float] | None:
        self.heard.append(list(messages))
        self.usage += Usage(1)
        return None if self._yes is None else [self._yes, 1 - self._yes]

    def last(self) -> tuple[list[str], int]:
        """Texts and the number of pictures of the last request."""
        parts = [part for message in self.heard[-1] for part in message.parts]
        texts = [part for part in parts if isinstance(part, str)]
        return texts, len(parts) - len(texts)

    def close(self) -> None:
        pass
