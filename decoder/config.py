"""Parameters of the decoder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Formulation = Literal["normalised", "published"]


@dataclass(frozen=True)
class LearnedPromptsConfig:
    """Sizes of learned prompts, and how the map that they draw is smoothed; as published.

    Attributes:
        width: channels of the text tower's token embeddings.
        context: learned tokens in front of the words, for each side.
        blocks: text blocks whose hidden states get learned tokens, from the second block on.
        compound: learned tokens in each of these blocks.
        length: tokens that the text tower reads.
        smoothing: standard deviation of the Gaussian over the map, in cells; 0 for none.
    """

    width: int
    context: int = 12
    blocks: int = 8
    compound: int = 4
    length: int = 77
    smoothing: float = 4.0

    def __post_init__(self) -> None:
        for name in ("width", "context", "compound", "length"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ValueError(
                    f"{name} of learned prompts must be a positive whole number, "
                    f"got {getattr(self, name)!r}"
                )
        if type(self.blocks) is not int or self.blocks < 0:
            raise ValueError(f"blocks of learned prompts must be 0 or more, got {self.blocks!r}")
        # The start, the context, at least one word, and the end.
        if max(self.context + 3, self.compound + 1) > self.length:
            raise ValueError(
                f"{self.context} learned tokens in front and {self.compound} in deeper blocks do "
                f"not fit into {self.length} tokens"
            )
        if not 0.0 <= self.smoothing < math.inf:
            raise ValueError(
                f"smoothing of learned prompts must be 0 or more, got {self.smoothing}"
            )


@dataclass(frozen=True)
class StageHeadsConfig:
    """How heads see a photo without a reference, see `decoder.stage_heads`.

    Attributes:
        neighbours: cells of the same photo that count as a cell's like, the nearest ones.
        apart: a cell's like is further away in the photo than so many cells.
    """

    neighbours: int = 8
    apart: int = 2

    def __post_init__(self) -> None:
        if type(self.neighbours) is not int or self.neighbours < 1:
            raise ValueError(
                f"neighbours of heads must be a positive whole number, got {self.neighbours!r}"
            )
        if type(self.apart) is not int or self.apart < 0:
            raise ValueError(f"apart of heads must be 0 or more, got {self.apart!r}")


@dataclass(frozen=True)
class DecoderConfig:
    """What the decoder is built from.

    Attributes:
        stage_widths: channels of each stage that the encoder delivers.
        text_width: channels of the text space; None builds a decoder without a text side, which
            then needs a reference for every map.
        learned_states: True learns the [normal, abnormal] vectors instead of reading them from a
            text tower, for encoders that have none.
        logit_scale: factor on the cosine between patch and text, 100 as published.
        map_size: side of the square map in cells, 224 as published.
        formulation: "normalised" divides the distance to the references by what the references
            show among themselves and fuses it with the text side; "published" is
            1 - mean cosine, no normalisation, no fusion.
        text_weight: share of the text side in a fused map, in [0, 1].
        by_place: True compares patches with the same place of the references where several
            references show that good parts all lie alike; False with any place, as published.
        lone_factor: how many times as far as simulated copies of it tell other parts are taken to
            lie from a single reference.
        usual_score: score that the maps of good parts get where three references or more are there:
            distances are scaled until the references, each left out, have it on average. None
            leaves them as they are.
        closer_factor: what the largest distance of all stages is divided by in a closer look, to
            mean the same as the mean of the stages of a whole photo.
        level_share: share of a photo's own middle distance that is taken off all its distances:
            what differs everywhere is light or camera rather than damage. In [0, 1].
        region_level: map value from which on a place stands out, in (0, 1).
        least_likeness: cosine of the image embeddings that photos of one product keep, in
            [-1, 1]; below it another product is suspected. It differs from encoder to encoder,
            so None, never, where nobody measured it.
        prompts: learned prompts instead of words for damage, for an encoder whose patch tokens lie
            in the text space already: every stage is text_width wide.
        heads: vectors for each stage that draw the map, and score it, where no reference is,
            instead of the text side; that needs learned states and stages of one width.
    """

    stage_widths: tuple[int, ...]
    text_width: int | None = None
    learned_states: bool = False
    logit_scale: float = 100.0
    map_size: int = 224
    formulation: Formulation = "normalised"
    text_weight: float = 0.5
    by_place: bool = False
    lone_factor: float = 1.0
    usual_score: float | None = None
    closer_factor: float = 1.5
    level_share: float = 0.0
    region_level: float = 0.5
    least_likeness: float | None = None
    prompts: LearnedPromptsConfig | None = None
    heads: StageHeadsConfig | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "stage_widths", tuple(self.stage_widths))
        if not self.stage_widths or min(self.stage_widths) < 1:
            raise ValueError(
                f"stage_widths must be positive channel counts, got {self.stage_widths}"
            )
        if self.learned_states and self.text_width is None:
            raise ValueError("learned_states needs text_width, the channels of the learned states")
        if self.formulation not in get_args(Formulation):
            raise ValueError(
                f"formulation is 'normalised' or 'published', got {self.formulation!r}"
            )
        if not 0.0 <= self.text_weight <= 1.0:
            raise ValueError(f"text_weight must be in [0, 1], got {self.text_weight}")
        if self.lone_factor <= 0.0:
            raise ValueError(f"lone_factor must be positive, got {self.lone_factor}")
        if self.closer_factor <= 0.0:
            raise ValueError(f"closer_factor must be positive, got {self.closer_factor}")
        if self.usual_score is not None and not 0.0 < self.usual_score < math.inf:
            raise ValueError(f"usual_score must be positive, got {self.usual_score}")
        if not 0.0 <= self.level_share <= 1.0:
            raise ValueError(f"level_share must be in [0, 1], got {self.level_share}")
        if not 0.0 < self.region_level < 1.0:
            raise ValueError(f"region_level must be in (0, 1), got {self.region_level}")
        if self.least_likeness is not None and not -1.0 <= self.least_likeness <= 1.0:
            raise ValueError(f"least_likeness must be in [-1, 1], got {self.least_likeness}")
        if self.map_size < 1:
            raise ValueError(f"map_size must be positive, got {self.map_size}")
        if isinstance(self.prompts, Mapping):  # from JSON
            object.__setattr__(self, "prompts", LearnedPromptsConfig(**self.prompts))
        if self.prompts is not None and (
            self.learned_states or any(width != self.text_width for width in self.stage_widths)
        ):
            raise ValueError(
                f"learned prompts need stages as wide as the text space and no learned states, got "
                f"stages of {self.stage_widths} and text_width {self.text_width}"
            )
        if isinstance(self.heads, Mapping):
            object.__setattr__(self, "heads", StageHeadsConfig(**self.heads))
        if self.heads is not None and (not self.learned_states or len(set(self.stage_widths)) > 1):
            raise ValueError(
                f"heads need learned states and stages of one width, got stages of "
                f"{self.stage_widths} and learned_states {self.learned_states}"
            )
