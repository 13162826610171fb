"""What an evaluation measures: one place for the defaults, and for what does not go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from anomalygpt.constants import LAYOUT_NAMES, QUESTION_LAYOUTS
from anomalygpt.errors import ConfigError
from anomalygpt.images import check_bit_depth
from anomalygpt.images.detail import Detail, checked_detail

Verdict: TypeAlias = Literal["language", "threshold"]
MapKind: TypeAlias = Literal["normalised", "published"]

# Good parts alone and instructions have nothing to measure; `questions` asks multiple choice.
_OTHERS = ("good", "instructions", *QUESTION_LAYOUTS)
DATASETS = ("auto", *(name for name in LAYOUT_NAMES if name not in _OTHERS))
MAPS: tuple[MapKind, ...] = ("normalised", "published")
VERDICTS: tuple[Verdict, ...] = ("language", "threshold")


@dataclass(frozen=True)
class EvaluationSettings:
    """The arguments of an evaluation; they are written into its results.

    Attributes:
        data: folder of the data set.
        dataset: its layout, or "auto".
        categories: only these products; None takes all.
        shots: numbers of references. 0 asks the text side alone. Photos that have a reference of
            their own (pairs) are always measured with that one.
        seeds: one draw of references each.
        references: "random" draws them from the good training photos, "first" takes the first.
        limit: at most so many test photos of a category, good and bad by halves; None takes all.
        mask_size: None scores maps on the photo's own pixels; 256 on 256×256, for comparison
            with papers.
        maps: formulations of the map to measure; () the model's own.
        verdicts: who says yes or no; () the language model, or the threshold where there is none.
        no_decoder: also ask the language model without the map.
        no_prompt_learner: also ask the language model without any learned prompt.
        own_words: measure the language model's own sentence, instead of the one that is put
            together from the regions, which users read.
        rotations: turned copies of every reference, the photo itself included; None as many as
            `AnomalyGPT.remember` takes by itself.
        flips: also compare with mirrored references.
        fixed_pose: compare place by place, see `AnomalyGPT.remember`.
        detail: how closely photos are looked at, see `ReferenceLibrary.remember`.
        bit_depth: bits that photos of more than 8 bits use, from 8 to 16; None asks the files.
        batch_size: photos that are encoded at one time.
        examples: worst misses and worst false alarms to show, of each kind and category.
        leave_out_seen: leave test photos out that are references or training photos, instead of
            refusing to measure.
    """

    data: str
    dataset: str = "auto"
    categories: tuple[str, ...] | None = None
    shots: tuple[int, ...] = (1,)
    seeds: tuple[int, ...] = (0, 1, 2)
    references: Literal["random", "first"] = "random"
    limit: int | None = None
    mask_size: int | None = None
    maps: tuple[MapKind, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    no_decoder: bool = False
    no_prompt_learner: bool = False
    own_words: bool = False
    rotations: int | None = None
    flips: bool = False
    fixed_pose: bool = False
    detail: Detail = "auto"
    bit_depth: int | None = None
    batch_size: int = 8
    examples: int = 3
    leave_out_seen: bool = False

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigError: a value out of range.
        """
        object.__setattr__(self, "data", str(self.data))  # a Path could not be written as JSON
        for name in ("shots", "seeds", "maps", "verdicts"):
            object.__setattr__(self, name, _each_once(getattr(self, name)))
        if self.categories is not None:
            object.__setattr__(self, "categories", _each_once(self.categories))
        self._choose("dataset", DATASETS)
        self._choose("references", ("random", "first"))
        self._choose("maps", MAPS)
        self._choose("verdicts", VERDICTS)
        self._at_least("shots", 0)
        self._at_least("seeds", 0)
        for name in ("limit", "mask_size", "rotations", "batch_size"):
            self._at_least(name, 1)
        self._at_least("examples", 0)
        if self.fixed_pose and ((self.rotations or 1) > 1 or self.flips):
            raise ConfigError(
                "a fixed pose goes without turned and mirrored copies; leave one of them out"
            )
        check_bit_depth(self.bit_depth)
        checked_detail(self.detail)

    def _choose(self, name: str, allowed: tuple[str, ...]) -> None:
        value: Any = getattr(self, name)
        for each in value if isinstance(value, tuple) else (value,):
            if each not in allowed:
                raise ConfigError(f"{name} is one of {', '.join(allowed)}; got {each!r}")

    def _at_least(self, name: str, least: int) -> None:
        value: Any = getattr(self, name)
        if value is None:
            return
        values = value if isinstance(value, tuple) else (value,)
        if not values:
            raise ConfigError(f"{name} needs at least one number")
        for each in values:
            if not isinstance(each, int) or each < least:
                raise ConfigError(f"{name} takes whole numbers from {least} on; got {each!r}")


def _each_once(values: Any) -> tuple[Any, ...]:
    """Several values without repetition; a single one is one of one, not of letters."""
    return tuple(dict.fromkeys([values] if isinstance(values, str | int) else values))
