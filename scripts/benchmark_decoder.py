"""Compares the memory-bank search with the formulation that AnomalyGPT published.

Ours is `decoder.MemoryBank.distances`: unit vectors, multiplied in chunks. The published one hands
query (P, 1, C) and references (1, k*P, C) to `F.cosine_similarity`, which holds every pair of
patches at full width.

Each measurement is a process of its own, with the same inputs drawn from a seed:

- Time: the median of several searches after one that is not counted; a search that takes longer
  than 10 seconds is done once. Building the bank is counted apart, since it happens once for many
  photos.
- Memory: the largest resident size during all of it (VmHWM of /proc/self/status, which is reset
  through /proc/self/clear_refs once the inputs exist) minus the size at that moment. Ours includes
  the bank's own copies of the reference patches. Where the kernel offers no reset, the peak of
  the whole process (`getrusage`) takes its place and the memory of the inputs is a lower bound.

Both results must agree to 1e-5. Where the published formulation needs more memory than is free,
it is not run, and its need is named instead. Linux only.

    python scripts/benchmark_decoder.py --references 1 4 16 64
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

if TYPE_CHECKING:
    from torch import Tensor

METHODS = ("ours", "published")
TOLERANCE = 1e-5
# Leaves room for the rest of the machine, and for what the estimate does not know.
MEMORY_SHARE = 0.8
# Similarities need the pairs of both sides at full width, and their products.
PUBLISHED_COPIES = 3
SLOW_SECONDS = 10.0
MIB = 2**20
SEED = 0
_COMMON = ("patches", "width", "stages", "threads", "repeats")


@dataclass(frozen=True)
class Size:
    """What is searched: `stages` times `patches` against `references * patches`, `width` wide."""

    references: int
    patches: int
    width: int
    stages: int
    threads: int
    repeats: int

    @property
    def published_bytes(self) -> int:
        """What the published formulation holds at one time: every pair at full width, thrice."""
        return PUBLISHED_COPIES * self.patches * self.references * self.patches * self.width * 4


@dataclass(frozen=True)
class Measurement:
    """One method at one size: seconds of a search and of building, bytes at the peak."""

    seconds: float
    build_seconds: float
    peak_bytes: int


def main() -> int:
    arguments = _parser().parse_args()
    if arguments.worker:
        method, size, result = arguments.worker
        print(json.dumps(asdict(measure(method, Size(**json.loads(size)), Path(result)))))
        return 0
    common = {name: getattr(arguments, name) for name in _COMMON}
    sizes = [Size(count, **common) for count in arguments.references]
    with tempfile.TemporaryDirectory() as folder, _progress(sizes) as progress:
        compared = [compare(size, Path(folder), progress) for size in sizes]
    print(_table([row for row, _ in compared], sizes[0]))
    if not all(agrees for _, agrees in compared):
        print(f"the results differ by more than {TOLERANCE}", file=sys.stderr)
        return 1
    return 0


def compare(size: Size, folder: Path, progress: tqdm) -> tuple[list[str], bool]:
    """Measure both methods at one size: a row of the table, and whether the results agree."""
    found: dict[str, Measurement] = {}
    for method in METHODS:
        progress.set_postfix_str(f"{size.references} references, {method}")
        if method == "ours" or size.published_bytes < MEMORY_SHARE * free_memory():
            found[method] = _in_own_process(method, size, folder)
        progress.update()
    ours, published = found["ours"], found.get("published")
    row = [f"{size.references}", f"{ours.build_seconds * 1e3:.0f}", f"{ours.seconds * 1e3:.0f}"]
    memory = f"{ours.peak_bytes / MIB:.0f}"
    if published is None:
        need = f"not run: needs about {size.published_bytes / 1e9:.0f} GB"
        return [*row, need, "", memory, "", "", ""], True
    results = [np.load(folder / f"{method}.npy") for method in METHODS]
    difference = float(np.abs(results[0] - results[1]).max())
    row += [f"{published.seconds * 1e3:.0f}", f"{published.seconds / ours.seconds:.1f}x"]
    row += [memory, f"{published.peak_bytes / MIB:.0f}"]
    row += [f"1/{published.peak_bytes / max(ours.peak_bytes, 1):.0f}", f"{difference:.1e}"]
    return row, difference <= TOLERANCE


def measure(method: str, size: Size, result: Path) -> Measurement:
    """Run one method in this process and save its distances, (S, P), to `result`."""
    import torch

    from decoder import MemoryBank

    torch.set_num_threads(size.threads or torch.get_num_threads())
    generator = torch.Generator().manual_seed(SEED)

    def draw(count: int) -> list[Tensor]:
        shape = (count, size.patches, size.width)
        return [torch.randn(shape, generator=generator) for _ in range(size.stages)]

    query, references = draw(1), draw(size.references)
    baseline = _reset_peak()
    start = time.perf_counter()
    bank = MemoryBank()
    if method == "ours":
        for number in range(size.references):
            bank.add([stage[number : number + 1] for stage in references])

        def search() -> Tensor:
            return bank.distances(query)[:, 0]
    else:

        def search() -> Tensor:
            return published_distances(query, references)

    build_seconds = time.perf_counter() - start
    np.save(result, search().numpy())
    seconds = [time.perf_counter() - start - build_seconds]
    if seconds[0] < SLOW_SECONDS:
        seconds = [timeit.timeit(search, number=1) for _ in range(size.repeats)]
    return Measurement(median(seconds), build_seconds, _peak() - baseline)


def published_distances(query: Sequence[Tensor], references: Sequence[Tensor]) -> Tensor:
    """As published: stage by stage, every query patch with every reference patch.

    Args:
        query: (1, P, C) per stage.
        references: (k, P, C) per stage.

    Returns:
        (S, P), 1 - best cosine.
    """
    import torch
    import torch.nn.functional as F

    best = []
    for patches, normal in zip(query, references, strict=True):
        pairs = F.cosine_similarity(patches[0].unsqueeze(1), normal.flatten(0, 1)[None], dim=2)
        best.append(pairs.max(dim=1).values)
    return 1.0 - torch.stack(best)


def _in_own_process(method: str, size: Size, folder: Path) -> Measurement:
    result = folder / f"{method}.npy"
    command = [sys.executable, __file__, "--worker", method, json.dumps(asdict(size)), str(result)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(
            f"{method} with {size.references} references ended with status {done.returncode} "
            "(-9: the machine ran out of memory)"
        )
    return Measurement(**json.loads(done.stdout))


def _reset_peak() -> int:
    """Forget the peak so far; bytes that are resident now."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return _peak()
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _status(field: str) -> int:
    """Bytes of one field of /proc/self/status; 0 where it is not there."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0


def free_memory() -> int:
    """Bytes that this machine, or the control group that we run in, can still give."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    limit, used = (Path("/sys/fs/cgroup") / f"memory.{name}" for name in ("max", "current"))
    if limit.is_file() and used.is_file() and (text := limit.read_text().strip()) != "max":
        free = min(free, int(text) - int(used.read_text()))
    return free


def _progress(sizes: list[Size]) -> tqdm:
    return tqdm(total=len(METHODS) * len(sizes), file=sys.stderr, unit="measurement")


def _table(rows: list[list[str]], size: Size) -> str:
    head = [
        *("references", "build ms", "ours ms", "published ms", "faster"),
        *("ours MiB", "published MiB", "memory", "difference"),
    ]
    lines = [head, ["---"] * len(head), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    threads = size.threads or os.cpu_count()
    return "\n".join(
        [
            f"{size.patches} patches, {size.width} wide, {size.stages} stages, float32, "
            f"{threads} threads, median of {size.repeats}",
            "",
            *("| " + " | ".join(map(str.rjust, line, widths)) + " |" for line in lines),
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--references", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--patches", type=int, default=256, help="of each photo")
    parser.add_argument("--width", type=int, default=1280, help="channels of a patch")
    parser.add_argument("--stages", type=int, default=4)
    parser.add_argument("--threads", type=int, default=0, help="0 leaves the choice to torch")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
