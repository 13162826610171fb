"""The feature-matching decoder: patch tokens to an anomaly map.

Two sources of evidence: how much closer a patch is to the words for damage than to the words for
a good part (text side), and how far it is from the patches of good parts (memory bank).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import get_args

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from decoder.config import DecoderConfig, Formulation
from decoder.errors import DecoderError, EmptyMemoryBankError
from decoder.learned_prompts import LearnedPrompts
from decoder.memory_bank import MemoryBank
from decoder.peers import Peers
from decoder.scale import as_map, fused, without_level
from decoder.scores import image_score, ratio_score
from decoder.similarity import abnormal_probability, similarity_map, smoothed
from decoder.stage_heads import StageHeads

Grid = tuple[int, int]
# (S, B, P) for a grid, or for None: see `MemoryBank.distances`.
Distances = Callable[[Grid | None], Tensor]

# So many references show how good parts differ.
FEWEST_LEFT_OUT = 3


# (S, B, P) of all stages to (B, P).
Joined = Callable[[Tensor], Tensor]


def _mean(stages: Tensor) -> Tensor:
    return stages.mean(dim=0)


def _largest(stages: Tensor) -> Tensor:
    return stages.amax(dim=0)


class ImageDecoder(nn.Module):
    """Stage projections of the text side, and the rules that turn evidence into a map.

    Parameter names `fc.{stage}.{weight,bias}` are those of the published weights.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        width = config.text_width
        self.prompts = None if config.prompts is None else LearnedPrompts(config.prompts)
        # Tokens that lie in the text space need no projection into it.
        projected = () if width is None or self.prompts is not None else config.stage_widths
        self.fc = nn.ModuleList(nn.Linear(stage, width or 0) for stage in projected)
        if config.learned_states and width is not None:
            self.states = nn.Parameter(torch.randn(2, width) * width**-0.5)
        stages = config.stage_widths
        heads = config.heads
        self.heads = None if heads is None else StageHeads(heads, len(stages), stages[0])

    @property
    def has_text_side(self) -> bool:
        """Whether a map can be drawn without a reference."""
        return len(self.fc) > 0 or self.prompts is not None

    def anomaly_map(
        self,
        stages: Sequence[Tensor],
        grid: Grid,
        *,
        text_features: Tensor | None = None,
        memory_bank: MemoryBank | None = None,
        formulation: Formulation | None = None,
        closer: Callable[[Tensor], Tensor] | None = None,
        marks: Sequence[str] = (),
    ) -> Tensor:
        """The map from whatever evidence there is: words, references, or both fused.

        Args:
            stages: patch tokens per stage, each (B, H*W, C), any scale.
            grid: patch rows and columns, H and W.
            text_features: (2, C) or (B, 2, C), [normal, abnormal]; not needed with learned states.
            memory_bank: references, or photos of the same run where there are none; None or empty
                leaves the text side alone.
            formulation: how distances become a map; None takes the one the decoder was made for.
            closer: what becomes of a normalised reference map by closer looks at the photos.
            marks: of each photo's pixels, needed where photos of the same run are compared.

        Returns:
            (B, map_size, map_size). Normalised: in [0, 1], 0.5 on the reference side is the
            distance that good parts keep among themselves. Published: 1 - mean cosine in [0, 2]
            with references, probability without.

        Raises:
            EmptyMemoryBankError: there is neither a reference nor a text side to go by.
            DecoderError: photos of a run, and the map is to be a published one.
        """
        has_text = self.has_text_side and (text_features is not None or self.config.learned_states)
        has_references = memory_bank is not None and len(memory_bank) > 0
        peers = None if memory_bank is None or has_references else memory_bank.peers
        if not has_references and peers is None and not has_text:
            raise EmptyMemoryBankError(
                "no reference photo was given and this decoder has no trained text side; "
                "give at least one photo of a good part"
            )
        if peers is not None:
            reference_map = self.peer_map(stages, peers, marks, formulation)
        elif not has_references:
            return self.lone_map(stages, grid, text_features, formulation)
        else:
            assert memory_bank is not None
            reference_map = self.reference_map(stages, grid, memory_bank, formulation)
        if closer is not None and not self._is_published(formulation):
            reference_map = closer(reference_map)
        if self._is_published(formulation) or not has_text:
            return reference_map
        text_map = self.text_map(stages, grid, text_features, formulation)
        return fused(reference_map, text_map, self.config.text_weight)

    def lone_map(
        self,
        stages: Sequence[Tensor],
        grid: Grid,
        text_features: Tensor | None = None,
        formulation: Formulation | None = None,
    ) -> Tensor:
        """The map where no reference is: of the heads, if there are any, else of the words.

        The arguments and what it returns are those of `text_map`; a published map has no heads.
        """
        if self.heads is None or self._is_published(formulation):
            return self.text_map(stages, grid, text_features, formulation)
        self._check(stages, grid)
        cells = self.heads.map(stages, grid)
        return self._upsample(cells.unsqueeze(-1), grid, formulation).squeeze(1)

    def text_map(
        self,
        stages: Sequence[Tensor],
        grid: Grid,
        text_features: Tensor | None = None,
        formulation: Formulation | None = None,
    ) -> Tensor:
        """Probability that a patch matches the words for damage (paper, equation 2).

        mean over stages of softmax(scale * cos(project(patch), [normal, abnormal]))[abnormal],
        upsampled before the softmax. With learned prompts, as published for them: no projection,
        upsampled after the softmax, and smoothed.

        Args:
            stages: patch tokens per stage, each (B, H*W, C).
            grid: patch rows and columns, H and W.
            text_features: (2, C) or (B, 2, C) of length 1; None uses the learned states.
            formulation: as in `anomaly_map`.

        Returns:
            (B, map_size, map_size) in [0, 1].
        """
        maps = self.text_stage_maps(stages, grid, text_features, formulation)
        mean = torch.stack(maps).mean(dim=0)[:, 1]
        return (
            mean if self.config.prompts is None else smoothed(mean, self.config.prompts.smoothing)
        )

    def text_stage_maps(
        self,
        stages: Sequence[Tensor],
        grid: Grid,
        text_features: Tensor | None = None,
        formulation: Formulation | None = None,
    ) -> list[Tensor]:
        """[normal, abnormal] of each stage, (B, 2, map_size, map_size) each, for the losses."""
        self._check(stages, grid)
        if text_features is None:
            if not self.config.learned_states:
                raise DecoderError("text features are needed; this decoder has no learned states")
            text_features = F.normalize(self.states, dim=-1)
        if self.prompts is not None:
            size, scale = self.config.map_size, self.config.logit_scale
            return [similarity_map(each, grid, text_features, size, scale) for each in stages]
        dtype = next(self.fc.parameters()).dtype
        text = text_features.to(dtype).transpose(-2, -1)
        maps = []
        for projection, tokens in zip(self.fc, stages, strict=True):
            patches = F.normalize(projection(tokens.to(dtype)), dim=-1)
            logits = self.config.logit_scale * patches @ text
            maps.append(self._upsample(logits.float(), grid, formulation).softmax(dim=1))
        return maps

    def reference_map(
        self,
        stages: Sequence[Tensor],
        grid: Grid,
        memory_bank: MemoryBank,
        formulation: Formulation | None = None,
    ) -> Tensor:
        """Distance of every patch to the nearest patch of the references (paper, equation 3).

        Published: 1 - mean over stages of the best cosine. Normalised: with d the distance at a
        stage and n the distance that good parts keep there, `scale.as_map` of the mean over
        stages of d / n, `scale.without_level`, times what `usual_score` asks for.

        Args:
            stages: patch tokens per stage, each (B, H*W, C).
            grid: patch rows and columns, H and W.
            memory_bank: at least one reference.
            formulation: as in `anomaly_map`.

        Returns:
            (B, map_size, map_size), in [0, 1] when normalised and in [0, 2] when published.
        """
        self._check(stages, grid)
        if self._is_published(formulation):
            places = grid if memory_bank.fixed_pose else None
            mean = memory_bank.distances(stages, places).mean(dim=0)
        else:
            mean = self._normalised(stages, grid, memory_bank)
        return self._upsample(mean.unsqueeze(-1), grid, formulation).squeeze(1)

    def peer_map(
        self,
        stages: Sequence[Tensor],
        peers: Peers,
        marks: Sequence[str],
        formulation: Formulation | None = None,
    ) -> Tensor:
        """`scale.as_map` of how far every patch is from its like in most other photos of the run.

        No level is taken off (`level_share`): that hides damage which is large.

        Args:
            stages: patch tokens per stage, each (B, H*W, C).
            peers: the other photos, and perhaps some of these.
            marks: of each photo's pixels, so that none is compared with itself.
            formulation: as in `anomaly_map`.

        Returns:
            (B, map_size, map_size) in [0, 1].

        Raises:
            DecoderError: a published map, which has no such distances, or shapes do not fit.
        """
        self._check(stages, peers.grid)
        if self._is_published(formulation):
            raise DecoderError("published maps need references; photos of a run cannot stand in")
        ratio, cells = peers.ratio(stages, marks)
        return self._upsample(as_map(ratio).unsqueeze(-1), cells, formulation).squeeze(1)

    def with_closer_look(
        self, whole: Tensor, stages: Sequence[Tensor], grid: Grid, memory_bank: MemoryBank
    ) -> Tensor:
        """A normalised reference map, with what a closer look at the same photos shows.

        Where parts lie alike, the closer look replaces the map. Where they do not, fine patches of
        one place find their like in another, and the larger of the two counts; what is small shows
        in few of the stages, so that of the closer look it is the largest of them instead of their
        mean, as a `closer_factor`-th. In a fixed pose, photos of another shape than the references
        cannot be laid over them closely: their map stays.

        Args:
            whole: (B, S, S) in [0, 1], the map as far as the closer look reaches.
            stages: patch tokens per stage, each (B, H*W, C), any scale.
            grid: patch rows and columns, H and W, finer than those of the map.
            memory_bank: references; nothing changes where they were not looked at closely.

        Returns:
            (B, S, S) in [0, 1].
        """
        self._check(stages, grid)
        closer = memory_bank.closer
        if closer is None:
            return whole
        by_place = self.config.by_place or closer.fixed_pose
        alike = closer.place_weight(grid) if by_place else 0.0
        if closer.fixed_pose and not alike:
            return whole
        distances = partial(closer.distances, stages)

        def drawn(joined: Joined, factor: float) -> Tensor:
            values = as_map(factor * self._ratio(closer, distances, grid, joined))
            planes = rearrange(values, "b (h w) -> b 1 h w", h=grid[0], w=grid[1])
            size = whole.shape[1:]
            shrinks = max(grid) > min(size)
            return F.interpolate(planes, size=size, mode="bilinear", antialias=shrinks).squeeze(1)

        found = whole
        if alike < 1.0:
            # Scaled like the whole map, to which it is a supplement.
            trust = self._trust(memory_bank, memory_bank.grid or grid)
            found = torch.maximum(whole, drawn(_largest, trust / self.config.closer_factor))
        if not alike:
            return found
        return torch.lerp(found, drawn(_mean, self._trust(closer, grid)), alike)

    def _normalised(self, stages: Sequence[Tensor], grid: Grid, memory_bank: MemoryBank) -> Tensor:
        """(B, H*W), see `reference_map`."""
        ratio = self._ratio(memory_bank, partial(memory_bank.distances, stages), grid, _mean)
        return as_map(ratio * self._trust(memory_bank, grid))

    def _ratio(
        self, memory_bank: MemoryBank, distances: Distances, grid: Grid, joined: Joined
    ) -> Tensor:
        """(B, H*W): distances in units of what good parts keep, without the photo's level."""
        lone = self.config.lone_factor
        if memory_bank.fixed_pose:
            ratio = joined(_ratios(memory_bank, distances, grid))
            ratio = ratio / (lone if memory_bank.stands_alone else 1)
        else:
            ratio = joined(_ratios(memory_bank, distances, None))
            if memory_bank.stands_alone:
                ratio = ratio / lone
            elif self.config.by_place:
                # What differs from every place counts as with a single reference, so that
                # references which lie alike do not hide what one of them alone would show.
                placed = joined(_ratios(memory_bank, distances, grid))
                ratio = torch.maximum(placed, ratio / lone)
        return without_level(ratio, self.config.level_share)

    def _trust(self, memory_bank: MemoryBank, grid: Grid) -> float:
        """What ratios are multiplied by, so that good parts of every product have like maps: by
        what each of three references or more, left out, gets from the others. Of two each has
        but one to be held against, which lets good parts look worse than they are."""
        usual = self.config.usual_score
        if usual is None:
            return 1.0
        left_out = cache(memory_bank.left_out)  # every one of them asks again
        count = len(left_out(grid if memory_bank.fixed_pose else None))
        if count < FEWEST_LEFT_OUT:
            return 1.0
        scores = [
            ratio_score(self._ratio(memory_bank, partial(_one_of, left_out, number), grid, _mean))
            for number in range(count)
        ]
        return usual / float(torch.cat(scores).log().mean().exp())

    def score(
        self, anomaly_map: Tensor, grid: Grid, formulation: Formulation | None = None
    ) -> Tensor:
        """One number for ranking parts, `image_score` of the map.

        Between the centres of the outermost patches and the edge a normalised map only repeats
        them; that strip is left out, or patches at the edge, which also see padding, would count
        double.

        Args:
            anomaly_map: (B, map_size, map_size) from `anomaly_map`.
            grid: patch rows and columns that it was drawn from.
            formulation: that it was drawn in, as in `anomaly_map`.

        Returns:
            (B,), in the range of the map.
        """
        if not self._is_published(formulation):
            side = self.config.map_size
            top, left = (min(side // (2 * cells), (side - 1) // 2) for cells in grid)
            anomaly_map = anomaly_map[:, top : side - top, left : side - left]
        return image_score(anomaly_map)

    def with_whole(
        self,
        scores: Tensor,
        embedding: Tensor,
        text_features: Tensor | None,
        *,
        has_references: bool = True,
        formulation: Formulation | None = None,
        tokens: tuple[Sequence[Tensor], Grid] | None = None,
    ) -> Tensor:
        """Scores of maps, with what learned prompts or heads say of the photos as a whole.

        As published for prompts, that alone is the score where no reference is; with references,
        both are fused. Heads speak only where no reference is. Nothing changes where neither was
        learned, or where a published map is one of references alone.

        Args:
            scores: (B,), `score` of the maps.
            embedding: (B, C), the photos as a whole.
            text_features: (2, C), that the maps were drawn with.
            has_references: whether they were drawn with references.
            formulation: that they were drawn in, as in `anomaly_map`.
            tokens: of the photos, with their grid, for the heads; None leaves these out.

        Returns:
            (B,), in the range of the maps.
        """
        if self.heads is not None and tokens is not None and not has_references:
            return scores if self._is_published(formulation) else self.heads.score(scores, *tokens)
        if self.prompts is None or text_features is None:
            return scores
        if has_references and self._is_published(formulation):
            return scores
        whole = abnormal_probability(embedding, text_features, self.config.logit_scale).to(scores)
        return fused(scores, whole, self.config.text_weight) if has_references else whole

    def _is_published(self, formulation: Formulation | None) -> bool:
        wanted = formulation or self.config.formulation
        if wanted not in get_args(Formulation):
            raise DecoderError(f"formulation is 'normalised' or 'published', got {wanted!r}")
        return wanted == "published"

    def _upsample(self, patches: Tensor, grid: Grid, formulation: Formulation | None) -> Tensor:
        """(B, H*W, C) -> (B, C, map_size, map_size), bilinear.

        The published code stretches patch centres to the image's edge (align_corners); we keep
        each patch over the pixels that it saw.
        """
        planes = rearrange(patches, "b (h w) c -> b c h w", h=grid[0], w=grid[1])
        size = (self.config.map_size, self.config.map_size)
        published = self._is_published(formulation)
        return F.interpolate(planes, size=size, mode="bilinear", align_corners=published)

    def _check(self, stages: Sequence[Tensor], grid: Grid) -> None:
        widths = tuple(stage.shape[-1] for stage in stages)
        if widths != self.config.stage_widths:
            raise DecoderError(
                f"stages have widths {widths}, the decoder was built for {self.config.stage_widths}"
            )
        if any(stage.shape[1] != grid[0] * grid[1] for stage in stages):
            raise DecoderError(
                f"a grid of {grid[0]}×{grid[1]} needs {grid[0] * grid[1]} patches, stages have "
                f"{[stage.shape[1] for stage in stages]}"
            )


def _ratios(memory_bank: MemoryBank, distances: Distances, places: Grid | None) -> Tensor:
    """(S, B, H*W): distances in units of what good parts keep."""
    found = distances(places)
    normal = memory_bank.self_distances(places).to(found.device)
    # A copy: what was measured in inference mode cannot be kept for a backward pass.
    return found / normal[:, None, None].clone()


def _one_of(
    left_out: Callable[[Grid | None], list[Tensor]], number: int, places: Grid | None
) -> Tensor:
    return left_out(places)[number]
