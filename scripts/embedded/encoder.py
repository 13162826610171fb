"""Encoder stage: two branches begin as their teachers and learn a space to compare patches in.

What is learned: that a patch lies close to its counterpart in another photo of the same part, and
simulated damage far from everything in it, measured as the memory bank measures it. What is kept:
how alike the teachers find the patches of one photo (relational distillation). Every tensor of
the encoder is trained.

Who trains long learns the simulation: on real damage the space is best early, and best of all
between where it began and where it came to (`--stop`, `--blend`; chosen on the development sets).
"""

from __future__ import annotations

import argparse
import copy
import csv
import math
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from anomalygpt.checkpoints import load_module, save_module
from anomalygpt.encoders.compact import CompactEncoder, compact_config
from anomalygpt.images.preprocessing import preprocess
from anomalygpt.progress import with_bar
from embedded.pairs import make_pair
from embedded.photos import split_photos
from embedded.precision import half_precision

TEACHERS = {
    "transformer": "vit_tiny_patch16_224.safetensors",
    "cnn": "resnet18_to_layer3.safetensors",
}

# Copies of a reference tell the scale of a stage at this share of their patches, as in the bank.
COPIES_QUANTILE = 0.9
# A cell is damaged from this share of its pixels on, and fine below the other; between the two it
# teaches nothing.
DAMAGED, FINE = 0.3, 0.01
RELATED_PATCHES = 196
# Photos whose patches say in which directions the projections begin.
AXES_PHOTOS = 64
WARMUP = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the stage."""
    parser.add_argument("--photos", type=Path, nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--teachers", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--stop", type=int, default=150, help="end after so many of the steps")
    parser.add_argument("--blend", type=float, default=0.6, help="share of what was learned")
    parser.add_argument("--batch-size", type=int, default=6, help="pairs of one step")
    parser.add_argument("--branch-rate", type=float, default=3e-5, help="learning rate")
    parser.add_argument("--projection-rate", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--keep", type=float, default=3.0, help="weight of the distillation")
    parser.add_argument("--width", type=int, default=64, help="of the space")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=50, help="in steps")


def run(options: argparse.Namespace) -> int:
    """Train, or go on where an interrupted run was saved."""
    options.output.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    photos = split_photos(options.photos)
    torch.manual_seed(options.seed)
    trainer = EncoderTrainer(options, device)
    trainer.begin(photos.training)
    last = min(options.stop, options.steps)
    lessons = DataLoader(
        _Lessons(photos.training, options, trainer.side),
        batch_size=options.batch_size,
        sampler=range(trainer.step * options.batch_size, last * options.batch_size),
        num_workers=options.workers,
        prefetch_factor=4 if options.workers else None,
    )
    try:
        for batch in with_bar(lessons, max(0, last - trainer.step), "encoder"):
            trainer.learn([part.to(device) for part in batch])
            if trainer.step % options.save_every == 0:
                trainer.save()
    except KeyboardInterrupt:
        trainer.save()
        print(f"stopped after step {trainer.step}; the same command goes on from there")
        return 130
    trainer.save()
    save_module(trainer.blended(options.blend), options.output / "encoder.safetensors")
    print(f"written: {options.output / 'encoder.safetensors'}")
    return 0


class _Lessons(Dataset):
    def __init__(self, photos: Any, options: argparse.Namespace, side: int) -> None:
        self._photos, self._seed, self._side = photos, options.seed, side
        self._config = compact_config()

    def __getitem__(self, number: int) -> tuple[Tensor, ...]:
        pair = make_pair(self._photos, number, self._seed, self._side)
        pictures = (pair.good, pair.turned, pair.copy, pair.query)
        return (*map(self._pixels, pictures), torch.from_numpy(pair.mask))

    def _pixels(self, picture: Any) -> Tensor:
        config = self._config
        photo = Image.fromarray(picture)
        return preprocess(photo, size=self._side, mean=config.mean, std=config.std)[0]


class EncoderTrainer:
    """The state of a run. Attributes: encoder, step (done so far), side (of the input)."""

    def __init__(self, options: argparse.Namespace, device: torch.device) -> None:
        self.options, self.device, self.step = options, device, 0
        config = compact_config(options={"width": options.width})
        self.side = config.input_size
        self.encoder = CompactEncoder(config)
        _begin_as_teachers(self.encoder, options.teachers)
        self.encoder.to(device).eval()  # no drop-out; normalisation statistics are neutral
        self.slope = nn.Parameter(torch.tensor([2.5, -1.5], device=device))

    def begin(self, photos: Any) -> None:
        """Set the projections up, or read the state of an interrupted run."""
        state_file = self.options.output / "state.pt"
        if not state_file.exists():
            self._begin_projections(photos)
        self.teacher = copy.deepcopy(self.encoder).requires_grad_(False)
        projections = list(self.encoder.projections.parameters())
        known = {id(parameter) for parameter in projections}
        branches = [p for p in self.encoder.parameters() if id(p) not in known]
        rates = (self.options.branch_rate, self.options.projection_rate, 1e-2)
        groups: list[dict[str, Any]] = [
            {"params": parameters, "lr": rate, "peak": rate, "weight_decay": 0.0}
            for parameters, rate in zip((branches, projections, [self.slope]), rates, strict=True)
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95))
        if state_file.exists():
            state = torch.load(state_file, map_location=self.device, weights_only=True)
            self.encoder.load_state_dict(state["encoder"])
            self.teacher.load_state_dict(state["teacher"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.slope.data.copy_(state["slope"])
            self.step = state["step"]

    def save(self) -> None:
        """Write the state; a run that breaks off while writing keeps the former one."""
        path = self.options.output / "state.pt"
        state = {
            "encoder": self.encoder.state_dict(),
            "teacher": self.teacher.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "slope": self.slope.data,
            "step": self.step,
        }
        torch.save(state, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    @torch.no_grad()
    def blended(self, share: float) -> CompactEncoder:
        """The encoder between where it began (share 0) and where it is (share 1)."""
        between = copy.deepcopy(self.encoder)
        began = self.teacher.state_dict()
        for name, value in between.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.lerp(began[name], value, share))
        return between

    @torch.no_grad()
    def _begin_projections(self, photos: Any) -> None:
        """The directions in which patches of photos differ most."""
        lessons = _Lessons(photos, self.options, self.side)
        pictures = [lessons[number][0] for number in range(AXES_PHOTOS)]
        layers = [
            self.encoder.layers(torch.stack(pictures[start : start + 16]).to(self.device))
            for start in range(0, len(pictures), 16)
        ]
        for projection, maps in zip(
            self.encoder.projections, zip(*layers, strict=True), strict=True
        ):
            assert isinstance(projection, nn.Linear)
            tokens = F.normalize(torch.cat(maps), dim=1).movedim(1, -1).flatten(0, 2)
            mean = tokens.mean(dim=0)
            axes = torch.linalg.svd(tokens[::3] - mean, full_matrices=False)[2]
            projection.weight.copy_(axes[: len(projection.weight)])
            projection.bias.copy_(-(projection.weight @ mean))

    def learn(self, batch: list[Tensor]) -> None:
        """One step of the optimiser."""
        started = time.perf_counter()
        self._set_rates()
        focal, dice, kept = self._losses(batch)
        loss = focal + dice + self.options.keep * kept
        self.optimizer.zero_grad()
        loss.backward()
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, 1.0)
        if torch.isfinite(norm):
            self.optimizer.step()
        self.step += 1
        values = [x.item() for x in (focal, dice, kept, norm)]
        self._log([self.step, *values, time.perf_counter() - started])

    def _losses(self, batch: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        good, turned, varied, query, mask = batch
        with half_precision(self.device):
            maps = self.encoder.layers(torch.cat([good, query]))
            with torch.no_grad():
                free = self.encoder.layers(torch.cat([turned, varied]))
                before = self.teacher.layers(good)
        maps, free, before = (tuple(m.float() for m in part) for part in (maps, free, before))
        learned = [F.normalize(s, dim=-1).chunk(2) for s in self.encoder.stages(maps)]
        with torch.no_grad():
            fixed = [F.normalize(s, dim=-1).chunk(2) for s in self.encoder.stages(free)]
            taught = [F.normalize(s, dim=-1) for s in self.teacher.stages(before)]
        ratios, kept = [], torch.zeros((), device=self.device)
        for (reference, asked), (pose, other), target in zip(learned, fixed, taught, strict=True):
            bank = torch.cat([reference, pose], dim=1)
            with torch.no_grad():
                level = _nearest(other, bank).quantile(COPIES_QUANTILE, dim=1).clamp_min(1e-3)
            ratios.append(_nearest(asked, bank) / level[:, None])
            kept = kept + _relation_loss(reference, target)
        side = math.isqrt(ratios[0].shape[1])
        share = F.interpolate(mask[:, None].float(), size=(side, side), mode="area").flatten(1)
        ratio = torch.stack(ratios).mean(dim=0)
        logits = self.slope[0] * torch.log(ratio + 1e-3) + self.slope[1]
        return *_map_losses(logits, share), kept

    def _set_rates(self) -> None:
        done = self.step / self.options.steps
        factor = min(1.0, (self.step + 1) / WARMUP) * (
            0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2
        )
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor

    def _log(self, row: list[float]) -> None:
        path = self.options.output / "log.csv"
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(["step", "focal", "dice", "kept", "gradient", "seconds"])
            writer.writerow([row[0], *(f"{value:.5g}" for value in row[1:])])


def _begin_as_teachers(encoder: CompactEncoder, folder: Path) -> None:
    for branch, name in TEACHERS.items():
        # What a teacher has behind the last stage is left out.
        load_module(getattr(encoder, branch), folder / name, allow_unknown=True)


def _nearest(asked: Tensor, bank: Tensor) -> Tensor:
    """1 - best cosine; asked (B, P, C) and bank (B, N, C) of unit length -> (B, P).

    The search itself carries no gradient: only the pair it finds does.
    """
    with torch.no_grad(), half_precision(asked.device):
        found = [(a @ b.T).argmax(dim=1) for a, b in zip(asked, bank, strict=True)]
        index = torch.stack(found)[..., None].expand(-1, -1, bank.shape[-1])
    return 1.0 - (asked * bank.gather(1, index)).sum(dim=-1)


def _relation_loss(tokens: Tensor, target: Tensor) -> Tensor:
    """How differently two spaces see how alike the patches of a photo are; (B, P, C) each."""
    few = torch.linspace(0, tokens.shape[1] - 1, RELATED_PATCHES).long()
    own, taught = (t[:, few] @ t[:, few].transpose(1, 2) for t in (tokens, target))
    return F.mse_loss(own, taught)


def _map_losses(logits: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Focal and dice loss of cells (B, P) whose damaged share is known."""
    truth = (share > DAMAGED).float()
    counts = ((share > DAMAGED) | (share < FINE)).float()
    ce = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    focal = (((1 - torch.exp(-ce)) ** 2) * ce * counts).sum() / counts.sum()
    found = torch.sigmoid(logits) * counts
    overlap = 2 * (found * truth).sum(dim=1) + 1
    dice = 1 - overlap / (found.sum(dim=1) + truth.sum(dim=1) + 1)
    return 5 * focal, dice.mean()
