"""From next-token logits to answers: which token next, and what text to show."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from anomalygpt.errors import ConfigError

# Stands for bytes that are no character, or not yet.
_BROKEN = "\ufffd"


@dataclass(frozen=True)
class GenerationOptions:
    """How an answer is written.

    Attributes:
        max_new_tokens: at most so many tokens, at least 1; less where the context ends.
        temperature: 0 takes the most probable token; above 0 samples.
        top_p: samples from the most probable tokens that together have this mass, in (0, 1].
        seed: makes samples repeatable; None draws a new seed.
    """

    max_new_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ConfigError(f"max_new_tokens must be at least 1, got {self.max_new_tokens}")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ConfigError(f"temperature must be 0 or above, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p must be above 0 and at most 1, got {self.top_p}")
        if self.seed is not None and self.seed < 0:
            raise ConfigError(f"seed must be None, 0 or above, got {self.seed}")


# One sentence of verdict in the language model's own words, for comparison.
VERDICT_OPTIONS = GenerationOptions(max_new_tokens=64)


class TokenPicker:
    """Chooses the next token of every row, by the options and its own random generator."""

    def __init__(self, options: GenerationOptions, device: torch.device) -> None:
        self._warpers: list[Any] = []
        if options.temperature == 0:
            return
        # Imported here: inspecting without words imports this module, and should not wait.
        from transformers import TemperatureLogitsWarper, TopPLogitsWarper

        self._warpers.append(TemperatureLogitsWarper(float(options.temperature)))
        if options.top_p < 1:
            self._warpers.append(TopPLogitsWarper(options.top_p))
        self._generator = torch.Generator(device)
        if options.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(options.seed)

    def __call__(self, logits: Tensor) -> list[int]:
        """One id per row of `logits` (B, V)."""
        if not self._warpers:
            return logits.argmax(dim=-1).tolist()
        scores = logits.float()
        no_ids = torch.empty((len(logits), 0), dtype=torch.long, device=logits.device)
        for warper in self._warpers:
            scores = warper(no_ids, scores)
        drawn = torch.multinomial(scores.softmax(dim=-1), 1, generator=self._generator)
        return drawn[:, 0].tolist()


class AnswerText:
    """One answer as it grows: takes tokens, gives the text that is certain.

    Shown text never holds half a character, a stop string or a beginning of one; white space at
    both ends is left out.

    Attributes:
        ids: the tokens of the answer, without a token that is an end by itself (EOS).
        done: the answer has ended.
        wrote_end: it ended with a stop string, which is part of `ids`.
    """

    def __init__(
        self,
        decode: Callable[[list[int]], str],
        stop_strings: Sequence[str],
        stop_ids: frozenset[int],
    ) -> None:
        self.ids: list[int] = []
        self.done = False
        self.wrote_end = False
        self._decode = decode
        self._stop_strings = stop_strings
        self._stop_ids = stop_ids
        self._shown = 0

    def push(self, token: int) -> str:
        """Take the next token and return the text that it adds, often none."""
        if self.done:
            return ""
        if token in self._stop_ids:
            self.done = True
            return self._show(self._text().rstrip(_BROKEN))
        self.ids.append(token)
        text = self._text()
        stops = [at for at in map(text.find, self._stop_strings) if at >= 0]
        if stops:
            self.done = self.wrote_end = True
            return self._show(text[: min(stops)])
        return self._show(self._certain(text))

    def _text(self) -> str:
        return self._decode(self.ids).lstrip()

    def _certain(self, text: str) -> str:
        """`text` without an end that the next tokens may turn into something else."""
        text = text.rstrip(_BROKEN)
        held = 0
        for stop in self._stop_strings:
            sizes = range(1, min(len(stop), len(text) + 1))
            held = max([held, *(size for size in sizes if text.endswith(stop[:size]))])
        return text[: len(text) - held]

    def _show(self, text: str) -> str:
        text = text.rstrip()
        # A run of bytes may look broken after parts of it were shown; what is shown stays.
        new = text[self._shown :]
        self._shown = max(self._shown, len(text))
        return new
