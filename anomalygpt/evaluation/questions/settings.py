"""What asking multiple-choice questions takes: one place for the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from anomalygpt.constants import QUESTION_LAYOUTS
from anomalygpt.errors import ConfigError
from anomalygpt.evaluation.questions.parsing import PARSERS, Parser

Templates: TypeAlias = Literal["random", "similar"]
TEMPLATES: tuple[Templates, ...] = ("random", "similar")
# So many templates of either sort stand beside each photo.
MOST_SHOTS = 8


@dataclass(frozen=True)
class QuestionSettings:
    """The arguments; they are written into the results.

    Attributes:
        data: folder of the benchmark.
        dataset: its layout, or "auto".
        categories: only these products, "bottle" or "DS-MVTec/bottle"; None takes all.
        shots: numbers of templates, 0 to 8, each measured by itself.
        templates: which list they come from, of which the first that are there are taken.
        knowledge: a file of MMAD's shape, see `knowledge`; None tells nothing.
        parser: how answers become letters, see `parsing`.
        shuffle: seed by which the options of each question are shuffled; None keeps their order.
        limit: at most so many photos of a product, good and bad by halves; None takes all.
    """

    data: str
    dataset: str = "auto"
    categories: tuple[str, ...] | None = None
    shots: tuple[int, ...] = (1,)
    templates: Templates = "random"
    knowledge: str | None = None
    parser: Parser = "probability"
    shuffle: int | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigError: a value out of range.
        """
        settle = object.__setattr__
        settle(self, "data", str(self.data))
        settle(self, "shots", tuple(dict.fromkeys(self.shots)))
        if self.knowledge is not None:
            settle(self, "knowledge", str(Path(self.knowledge)))
        self._choose("dataset", ("auto", *QUESTION_LAYOUTS))
        self._choose("templates", TEMPLATES)
        self._choose("parser", PARSERS)
        for shots in self.shots:
            if not isinstance(shots, int) or not 0 <= shots <= MOST_SHOTS:
                raise ConfigError(
                    f"shots is 0 to {MOST_SHOTS}, as many templates as a photo has; got {shots!r}"
                )
        if not self.shots:
            raise ConfigError("shots needs at least one number")
        for name, least in (("shuffle", 0), ("limit", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} takes whole numbers from {least} on; got {value}")

    def _choose(self, name: str, allowed: tuple[str, ...]) -> None:
        value: Any = getattr(self, name)
        if value not in allowed:
            raise ConfigError(f"{name} is one of {', '.join(allowed)}; got {value!r}")
