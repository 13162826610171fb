"""Heads stage: vectors that draw and score a map where no reference is, from simulated damage.

Of each part there are two photos, a good one and a damaged one. Cells learn from which of them are
damaged (cross-entropy, both sorts in equal numbers); photos from what the two of a part differ by,
so that nothing is learned from what the part is. Held-out parts say how much the photo as a whole
counts beside its map, and where the map must lie for the prompt learner, which was taught with the
text side's maps.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from anomalygpt import AnomalyGPT
from anomalygpt.encoders.base import ImageFeatures
from anomalygpt.files import write_atomically
from anomalygpt.progress import with_bar
from decoder import ImageDecoder, StageHeads, StageHeadsConfig
from decoder.stage_heads import cell_features, own_distances, photo_features
from embedded.pairs import OTHER_LIGHT, Part
from embedded.photos import split_photos
from simulation import vary

PAIRS, HELD_PAIRS = 780, 100
# Part numbers of held-out photos begin here.
HELD_FIRST = 1_000_000
BATCH_PARTS = 16
# Cells that one photo gives, and how many damaged ones of them at most.
CELLS, DAMAGED_CELLS = 128, 64
# A cell is damaged where so much of it is.
DAMAGED_SHARE = 0.1
STEPS, CELLS_OF_STEP, RATE, DECAY = 150, 2048, 0.05, 0.4
# Of the logistic regression of photos, on features of spread 1.
STRENGTH = 1e-3
# What the photo as a whole counts beside its map, both with the spread that held-out parts show.
PHOTO_WEIGHT = 0.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the stage."""
    parser.add_argument("--photos", type=Path, nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--assistant", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="parts to learn from")
    parser.add_argument("--held-pairs", type=int, default=HELD_PAIRS, help="held-out parts")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> int:
    """Train the heads of an assistant and write it with them."""
    options.output.mkdir(parents=True, exist_ok=True)
    folder = options.output / "assistant"
    if folder.exists():
        print(f"{folder} is there already")
        return 0
    assistant = AnomalyGPT.from_pretrained(options.assistant, device="cpu", dtype="float32")
    learned, held = lessons(
        assistant, options.photos, options.output, options.pairs, options.held_pairs, options.seed
    )
    heads = trained_heads(assistant.decoder, learned, held, options.seed, steps=options.steps)
    told = with_heads(assistant, heads)
    told.save_pretrained(folder)
    print(f"written: {folder}")
    return 0


@dataclass(frozen=True)
class Seen:
    """What heads learn from: photos, N of them, and cells of them, M of them.

    Attributes:
        cells: (M, S, C + 4) half, see `cell_features`.
        damaged: (M,) bool, of the cells.
        photos: (N, K), see `photo_features`.
        labels: (N,) bool, damaged photos. Of simulated ones a good and a damaged one in turn.
        tokens: per stage (N, P, C) half; of photos that maps are drawn of, else empty.
        distances: (N, S, P), `own_distances`.
        grid: rows and columns.
    """

    cells: Tensor
    damaged: Tensor
    photos: Tensor
    labels: Tensor
    tokens: tuple[Tensor, ...]
    distances: Tensor
    grid: tuple[int, int]


def lessons(
    assistant: AnomalyGPT, photos: Sequence[Path], folder: Path, pairs: int, held: int, seed: int
) -> tuple[Seen, Seen]:
    """Simulated parts of training photos and of held-out ones, as the encoder sees them.

    Args:
        assistant: whose encoder looks.
        photos: folders, see `split_photos`.
        folder: keeps what was seen; what is there already is not looked at again.
        pairs: parts to learn from. Each seed has its own.
        held: parts that are held out, the same for each seed.
        seed: which parts.

    Returns:
        What to learn from, and with its tokens what is held out.
    """
    first = seed * pairs
    found = []
    for kind, parts in (
        ("training", range(first, first + pairs)),
        ("held_out", range(HELD_FIRST, HELD_FIRST + held)),
    ):
        path = folder / f"seen-{assistant.encoder_id[:8]}-{parts.start}-{parts.stop}.pt"
        if not path.exists():
            pool = getattr(split_photos(photos), kind)
            made = vars(seen_pairs(assistant, pool, parts))
            write_atomically(path, partial(torch.save, made))
        found.append(Seen(**torch.load(path, weights_only=True)))
    return found[0], found[1]


def simulated(
    photos: Sequence[Path], parts: range, side: int
) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
    """A good and a damaged photo of each part, `BATCH_PARTS` parts at a time, and their masks."""
    for start in range(0, len(parts), BATCH_PARTS):
        pictures, masks = [], []
        for number in parts[start : start + BATCH_PARTS]:
            generator = np.random.default_rng([0, 23, number])
            part = Part(photos, generator, side)
            pictures.append(vary(part.view(), generator, OTHER_LIGHT))
            damaged, mask = part.damage(part.view())
            pictures.append(vary(damaged, generator, OTHER_LIGHT))
            masks += [np.zeros_like(mask), mask]
        yield pictures, masks


def seen_pairs(assistant: AnomalyGPT, photos: Sequence[Path], parts: range) -> Seen:
    """Simulated damage as the encoder sees it.

    Args:
        assistant: whose encoder looks.
        photos: to choose from.
        parts: their numbers; a part is the same whoever sees it.
    """
    generator = np.random.default_rng([1, parts.start])
    batches = simulated(photos, parts, assistant.config.encoder.input_size)
    found = []
    for pictures, masks in with_bar(batches, math.ceil(len(parts) / BATCH_PARTS), "parts"):
        features = assistant.encode([Image.fromarray(each) for each in pictures]).features
        shares = [_shares(mask, features.grid) for mask in masks]
        labels = torch.tensor([bool(mask.any()) for mask in masks])
        keep = parts.start >= HELD_FIRST
        found.append(seen(features, shares, labels, generator, keep=keep))
    return joined(found)


def seen(
    features: ImageFeatures,
    shares: Sequence[Tensor | None],
    labels: Tensor,
    generator: np.random.Generator,
    *,
    keep: bool,
    distances: Tensor | None = None,
) -> Seen:
    """What heads can learn from photos.

    Args:
        features: B of them.
        shares: of each, how much of each cell is damaged, (P,); None where nobody knows.
        labels: (B,) bool.
        generator: chooses cells.
        keep: whether to keep all tokens, to draw maps.
        distances: (B, S, P), where they are known already.
    """
    with torch.no_grad():
        if distances is None:
            distances = own_distances(features.stages, features.grid, StageHeadsConfig())
        cells = cell_features(features.stages, distances)
        photos = photo_features(features.stages, distances)
    taken, damaged = [], []
    for row, share in enumerate(shares):
        if share is None:
            continue
        bad, good = (torch.nonzero(side)[:, 0].numpy() for side in _sides(share))
        bad = generator.permutation(bad)[:DAMAGED_CELLS]
        good = generator.permutation(good)[: CELLS - len(bad)]
        chosen = np.concatenate([bad, good])
        taken.append(cells[row, :, chosen].transpose(0, 1).half())
        damaged.append(torch.arange(len(chosen)) < len(bad))
    none = cells.new_zeros(0, *cells.shape[1::2]).half()
    return Seen(
        torch.cat([none, *taken]),
        torch.cat([torch.zeros(0, dtype=torch.bool), *damaged]),
        photos,
        labels,
        tuple(stage.half() for stage in features.stages) if keep else (),
        distances,
        features.grid,
    )


def _sides(share: Tensor) -> tuple[Tensor, Tensor]:
    return share > DAMAGED_SHARE, share <= DAMAGED_SHARE


def _shares(mask: np.ndarray, grid: tuple[int, int]) -> Tensor:
    size = (grid[1], grid[0])
    found = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return torch.from_numpy(found).flatten()


def joined(parts: Sequence[Seen]) -> Seen:
    """Photos of several batches, one after another."""
    stages = zip(*(part.tokens for part in parts), strict=True)
    return Seen(
        torch.cat([part.cells for part in parts]),
        torch.cat([part.damaged for part in parts]),
        torch.cat([part.photos for part in parts]),
        torch.cat([part.labels for part in parts]),
        tuple(torch.cat(stage) for stage in stages),
        torch.cat([part.distances for part in parts]),
        parts[0].grid,
    )


def trained_heads(
    decoder: ImageDecoder,
    learned: Seen,
    held: Seen,
    seed: int,
    *,
    others: Sequence[Seen] = (),
    steps: int = STEPS,
) -> StageHeads:
    """Heads beside a decoder.

    Args:
        decoder: whose text side drew the maps that the prompt learner was taught with.
        learned: simulated parts, a good photo and a damaged one in turn.
        held: such of held-out photos, with their tokens.
        seed: of the cells' order.
        others: labelled sets of real parts; each counts as much as another, all as much as
            `learned`.
        steps: of the cells.
    """
    width = learned.cells.shape[-1] - 4
    heads = StageHeads(StageHeadsConfig(), learned.cells.shape[1], width).requires_grad_(True)
    _learn_cells(heads, [learned, *others], seed, steps)
    weight, spread = _learned_photos(learned, others, held)
    with torch.no_grad():
        drawn = map_logits(decoder, held, heads)
        text = map_logits(decoder, held, None)
        # The same middle and spread as the maps that the prompt learner was taught with.
        factor = text.std() / drawn.std()
        heads.level.copy_(torch.stack([factor, text.mean() - factor * drawn.mean()]))
        # A map's score and the photo's, in units of what the two photos of a part differ by.
        drawn = factor * drawn + heads.level[1]
        unit = _differences(drawn).std()
        heads.image_map.fill_(1 / unit)
        heads.image_weight.copy_(PHOTO_WEIGHT * weight / spread)
        middle = (drawn / unit + held.photos @ heads.image_weight).mean()
        heads.image_bias.fill_(-middle)
    return heads.requires_grad_(False)


def _learn_cells(heads: StageHeads, sources: Sequence[Seen], seed: int, steps: int) -> None:
    """Cross-entropy of each stage, from as many damaged cells as good ones of each source."""
    draw = torch.Generator().manual_seed(seed)
    rows = [[torch.nonzero(s.damaged == side)[:, 0] for side in (False, True)] for s in sources]
    counts = [CELLS_OF_STEP // 2 // (1 if len(sources) == 1 else 2)]
    counts += [max(1, counts[0] // (len(sources) - 1)) for _ in sources[1:]]
    groups = [
        {"params": [heads.pixel_weight], "weight_decay": DECAY},
        {"params": [heads.pixel_bias], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE)
    for step in range(steps):
        cells, sides = [], []
        for source, both, count in zip(sources, rows, counts, strict=True):
            for side, numbers in enumerate(both):
                if len(numbers):
                    chosen = numbers[torch.randint(len(numbers), (count,), generator=draw)]
                    cells.append(source.cells[chosen].float())
                    sides.append(torch.full((count, 1), float(side)))
        logits = torch.einsum("msd,sd->ms", torch.cat(cells), heads.pixel_weight)
        logits = logits + heads.pixel_bias
        truth = torch.cat(sides).expand_as(logits)
        warm = min(1.0, (step + 1) / 10)
        for group in optimizer.param_groups:
            group["lr"] = RATE * warm * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.zero_grad()
        (len(heads.pixel_bias) * F.binary_cross_entropy_with_logits(logits, truth)).backward()
        optimizer.step()


def _learned_photos(learned: Seen, others: Sequence[Seen], held: Seen) -> tuple[Tensor, Tensor]:
    """Weights of photos (K,), and the spread of what they say of two photos of a part."""
    apart = [_differences(learned.photos).repeat_interleave(2, dim=0) / 2]
    apart[0][::2] *= -1
    labels, counts = [learned.labels], [torch.full((len(learned.labels),), 1.0)]
    for other in others:
        middle = [other.photos[other.labels == side].mean(dim=0) for side in (False, True)]
        apart.append(other.photos - (middle[0] + middle[1]) / 2)
        labels.append(other.labels)
        share = torch.where(other.labels, other.labels.sum(), (~other.labels).sum())
        counts.append(len(learned.labels) / (2 * len(others) * share))
    told, truth = torch.cat(apart), torch.cat(labels)
    scale = told.std(dim=0) + 1e-6
    fitted = LogisticRegression(C=STRENGTH, max_iter=200)
    fitted.fit((told / scale).numpy(), truth.numpy(), sample_weight=torch.cat(counts).numpy())
    weight = torch.from_numpy(fitted.coef_[0]).float() / scale
    return weight, (_differences(held.photos) @ weight).std()


def _differences(values: Tensor) -> Tensor:
    """Damaged photo minus good photo of each part."""
    return values[1::2] - values[::2]


def map_logits(decoder: ImageDecoder, held: Seen, heads: StageHeads | None) -> Tensor:
    """Logits of the scores of maps, of the heads or of the text side, (N,)."""
    found = []
    for rows in torch.arange(len(held.labels)).split(32):
        tokens = [stage[rows].float() for stage in held.tokens]
        maps = drawn_map(decoder, heads, tokens, held.grid, held.distances[rows])
        found.append(decoder.score(maps, held.grid))
    return torch.logit(torch.cat(found), eps=1e-4)


def drawn_map(
    decoder: ImageDecoder,
    heads: StageHeads | None,
    tokens: Sequence[Tensor],
    grid: tuple[int, int],
    distances: Tensor,
) -> Tensor:
    """The map of heads, or of the text side where there are none, (B, M, M), as it is shown."""
    if heads is None:
        return decoder.text_map(tokens, grid)
    planes = heads.map(tokens, grid, distances).unflatten(1, grid).unsqueeze(1)
    size = (decoder.config.map_size,) * 2
    return F.interpolate(planes, size=size, mode="bilinear", align_corners=False)[:, 0]


def with_heads(assistant: AnomalyGPT, heads: StageHeads) -> AnomalyGPT:
    """The assistant with heads; everything else is as it was."""
    config = replace(assistant.config.decoder, heads=heads.config)
    decoder = ImageDecoder(config)
    state = {f"heads.{name}": value for name, value in heads.state_dict().items()}
    decoder.load_state_dict({**assistant.decoder.state_dict(), **state})
    return AnomalyGPT(
        replace(assistant.config, decoder=config),
        assistant.encoder,
        decoder,
        prompt_learner=assistant.prompt_learner,
        projection=assistant.projection,
        language_model=assistant.language_model,
        name=assistant.name,
        training_photos=assistant.training_photos,
    )
