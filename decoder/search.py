"""How far patches are from the nearest patch of good parts: anywhere, and at the same place.

The search multiplies unit vectors in chunks, so its peak memory is bounded and does not grow with
the number of references (the published code holds every pair of patches at full width).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from decoder.errors import DecoderError
from decoder.places import Grid, distances_in_place

# The similarities that are alive at one time: 1 M values, 4 MB in single precision. More is not
# faster on a CPU: it no longer fits the cache.
SIMILARITY_BUDGET = 1024 * 1024
BANK_CHUNK = 2048


@dataclass(frozen=True)
class Reference:
    """Patches of one good part.

    Attributes:
        stages: unit patch vectors per stage, each (N, C); rotated copies are simply more patches.
        own: how many of the patches, from the first on, are those of the photo as it is.
        varied: the same part in simulated other photos, per stage (M, C); not searched, they only
            tell how much a good part differs from itself. None when not known.
        marks: by which whoever added the photo knows it again.
        embedding: (D,) of length 1, the photo as a whole; None when not known.
        grid: rows and columns of its own patches; None when not known.
    """

    stages: tuple[Tensor, ...]
    own: int
    varied: tuple[Tensor, ...] | None
    marks: frozenset[str] = frozenset()
    embedding: Tensor | None = None
    grid: Grid | None = None


def unit_stages(stages: Sequence[Tensor]) -> list[Tensor]:
    """Patch tokens per stage, each (B, P, C), as float32 vectors of length 1.

    Raises:
        DecoderError: the shapes do not fit each other.
    """
    if not stages or any(stage.dim() != 3 for stage in stages):
        raise DecoderError(
            "expected patch tokens (B, P, C) per stage, got shapes "
            f"{[tuple(stage.shape) for stage in stages]}"
        )
    if len({stage.shape[:2] for stage in stages}) > 1:
        raise DecoderError(
            "all stages need the same photos and patches, got shapes "
            f"{[tuple(stage.shape) for stage in stages]}"
        )
    return [F.normalize(stage.float(), dim=-1) for stage in stages]


def join(references: Sequence[Reference]) -> tuple[Tensor, ...]:
    """All patches of the references, (N, C) per stage."""
    if len(references) == 1:
        return references[0].stages
    return tuple(torch.cat(stage) for stage in zip(*(r.stages for r in references), strict=True))


def nearest(query: Tensor, bank: Tensor) -> Tensor:
    """1 - best cosine similarity. query (..., C) and bank (N, C) of unit length -> (...).

    Gradients reach the query where it asks for them; the bank is taken for fixed.
    """
    flat = query.reshape(-1, query.shape[-1])
    if torch.is_grad_enabled() and query.requires_grad:
        # The gradient of a maximum is that of the one that is largest.
        best_rows = bank[_best_rows(flat, bank)]
        return (1.0 - (flat * best_rows).sum(dim=-1)).clamp(0.0, 2.0).view(query.shape[:-1])
    best = flat.new_full((len(flat),), -1.0)
    columns = min(len(bank), BANK_CHUNK)
    rows = max(1, min(len(flat), SIMILARITY_BUDGET // columns))
    # One buffer for all chunks: fresh memory for each costs more than the multiplication.
    buffer = flat.new_empty(rows * columns)
    for row in range(0, len(flat), rows):
        part, best_part = flat[row : row + rows], best[row : row + rows]
        for chunk in bank.split(columns):
            similarity = buffer[: len(part) * len(chunk)].view(len(part), len(chunk))
            torch.mm(part, chunk.T, out=similarity)
            torch.maximum(best_part, similarity.amax(dim=1), out=best_part)
    # Rounding can lift the cosine of a patch with itself above 1.
    return (1.0 - best).clamp_(0.0, 2.0).view(query.shape[:-1])


@torch.no_grad()
def _best_rows(flat: Tensor, bank: Tensor) -> Tensor:
    """(M,): which row of the bank (N, C) is most like each of `flat`, (M, C)."""
    best = flat.new_full((len(flat),), -2.0)
    found = torch.zeros(len(flat), dtype=torch.long, device=flat.device)
    for start in range(0, len(bank), BANK_CHUNK):
        similarity, row = (flat @ bank[start : start + BANK_CHUNK].T).max(dim=1)
        found = torch.where(similarity > best, row + start, found)
        best = torch.maximum(best, similarity)
    return found


def anywhere(queries: Sequence[Tensor], searched: Sequence[Tensor]) -> Tensor:
    """(S, B, P): stages (B, P, C) against all patches, (N, C) per stage."""
    return torch.stack([nearest(*pair) for pair in zip(queries, searched, strict=True)])


def in_place(queries: Sequence[Tensor], references: Sequence[Reference], grid: Grid) -> Tensor:
    """(S, B, P): stages (B, P, C) against the same place of whole references."""
    cells = grid[0] * grid[1]
    found = []
    for stage, query in enumerate(queries):
        known = torch.stack([reference.stages[stage][:cells] for reference in references])
        found.append(distances_in_place(query, known.to(query.device), grid))
    return torch.stack(found)
