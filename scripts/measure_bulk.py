"""Many photos through `inspect --output`, with and without Ray, and through `watch`.

Copies of the photos of some folders are made under names of their own. They go through the plain
loop, and through Ray with one worker killed half way; both tables must have each photo once, with
the same values. Then copies arrive in a folder, some a second, and `watch` has to have each once.

    python scripts/measure_bulk.py DATA/cookie/test DATA/pill_qc/test \
        --reference DATA/cookie/train/good --count 400 -- --map-only --detail whole
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from anomalygpt.images.listing import list_images
from anomalygpt.progress import with_bar

# What a process of Ray that holds the model is called.
WORKER = b"ray::MapWorker"
# Values that may not depend on who did the work.
SAME = ("image", "verdict", "probability", "score", "regions", "cautions", "error", "version")


def main(arguments: Sequence[str] | None = None) -> int:
    """Status 1 where a photo is missing, there twice, or has other values."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    cut = given.index("--") if "--" in given else len(given)
    options = _parser().parse_args(given[:cut])
    options.how = given[cut + 1 :]
    found: dict[str, Any] = {"photos": options.count, "options": options.how}
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        work = Path(folder)
        names = copies(list_images(options.folders), options.count, work / "night")
        plain = inspected(options, work, "plain.jsonl", [])
        ray = ["--ray", "--workers", str(options.workers)]
        shared = inspected(options, work, "ray.jsonl", ray)
        found["plain: seconds, photos a second"] = plain
        found["ray: seconds, photos a second"] = shared
        found["ratio of photos a second, ray over plain"] = round(shared[1] / plain[1], 2)
        if options.kill:
            killed = inspected(options, work, "killed.jsonl", ray, True)
            found["ray, a worker killed: seconds, photos a second"] = killed
        tables = {path.stem: rows_of(path) for path in sorted(work.glob("*.jsonl"))}
        faults = [fault for table in tables.values() for fault in odd(table, names)]
        faults += [fault for table in tables.values() for fault in unlike(table, tables["plain"])]
        if options.watched:
            seconds, late, rows = watched(options, work, names[: options.watched])
            found["watch seconds"], found["watch seconds behind the last arrival"] = seconds, late
            faults += odd(rows, names[: options.watched])
        found["faults"] = faults
    print(json.dumps(found, indent=1))
    return 1 if faults else 0


def copies(photos: Sequence[Path], count: int, folder: Path) -> list[str]:
    """So many copies, each with a name of its own; copies of one photo share their bytes."""
    folder.mkdir()
    names: list[str] = []
    for number in range(count):
        photo = photos[number % len(photos)]
        name = f"{number:06d}{photo.suffix}"
        if number < len(photos):
            shutil.copyfile(photo, folder / name)
        else:
            (folder / name).hardlink_to(folder / names[number % len(photos)])
        names.append(name)
    return names


def inspected(
    options: argparse.Namespace, work: Path, name: str, more: Sequence[str], kill: bool = False
) -> tuple[float, float]:
    """Seconds of one run, the start of Python and the page at its end included; and photos a
    second from the first batch that was kept to the last."""
    output = work / name
    command = [*_program("inspect", work / "night"), "--output", str(output), "--worst", "1"]
    begun = time.monotonic()
    process = subprocess.Popen([*command, *more, "-r", *options.reference, *options.how])
    parts = output.with_name(f"{name}.parts")
    batches = -(-options.count // 8)
    seen: list[tuple[float, int]] = []
    while process.poll() is None:
        done = len(list(parts.glob("part-*")))
        if done and (not seen or done > seen[-1][1]):
            seen.append((time.monotonic(), done))
        if kill and done >= batches // 2:
            victim = next(workers_of(process.pid))
            os.kill(victim, signal.SIGKILL)
            print(f"killed {victim} after {done} of about {batches} batches")
            kill = False
        time.sleep(0.1)
    if process.returncode not in (0, 1) or kill:
        raise SystemExit(f"{name} ended with {process.returncode}")
    (first, few), (last, most) = seen[0], seen[-1]
    speed = 8 * (most - few) / max(last - first, 0.1)
    return round(time.monotonic() - begun, 1), round(speed, 2)


def workers_of(process: int) -> Iterator[int]:
    """Processes of Ray below one that hold the model."""
    parents: dict[int, int] = {}
    titles: dict[int, bytes] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                status = (folder / "stat").read_bytes().rpartition(b")")[2].split()
                titles[int(folder.name)] = (folder / "cmdline").read_bytes()
                parents[int(folder.name)] = int(status[1])
            except OSError:  # it has ended meanwhile
                continue
    for number, title in titles.items():
        above = number
        while above in parents and above != process:
            above = parents[above]
        if above == process and title.startswith(WORKER):
            yield number


def watched(
    options: argparse.Namespace, work: Path, names: Sequence[str]
) -> tuple[float, float, list[dict[str, Any]]]:
    """Seconds in all, seconds from the last arrival to the last result, and the rows."""
    folder = work / "arrivals"
    folder.mkdir()
    output = work / "watched.txt"
    command = [*_program("watch", folder), "--json", "-r", *options.reference, *options.how]
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file)
    begun = time.monotonic()
    for number, name in enumerate(with_bar(names, len(names), "arrivals")):
        time.sleep(max(0.0, begun + number / options.rate - time.monotonic()))
        shutil.copyfile(work / "night" / name, folder / name)
    last = time.monotonic()
    quiet = last
    size = -1
    while time.monotonic() - quiet < 60 and output.read_bytes().count(b"\n") < len(names):
        if size != (size := output.stat().st_size):
            quiet = time.monotonic()
        time.sleep(0.1)
    late = time.monotonic() - last
    process.send_signal(signal.SIGTERM)
    if process.wait() != 0:
        raise SystemExit(f"watch ended with {process.returncode}")
    return round(time.monotonic() - begun, 1), round(late, 1), rows_of(output)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def odd(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    """Photos that are not there exactly once."""
    seen = Counter(row["image"] for row in rows)
    return [f"{name}: {seen[name]} times" for name in {*names, *seen} if seen[name] != 1]


def unlike(rows: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]) -> list[str]:
    """Photos with other values than in another table."""
    values = {row["image"]: [row[name] for name in SAME] for row in others}
    return [
        f"{row['image']}: other values"
        for row in rows
        if values.get(row["image"]) != [row[name] for name in SAME]
    ]


def _program(command: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "anomalygpt", command, str(folder)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0],
        epilog="What follows after -- are options of inspect and watch.",
    )
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="photos to be copied")
    parser.add_argument("--reference", "-r", nargs="+", required=True, metavar="PHOTO")
    parser.add_argument("--count", type=int, default=400, help="copies (default 400)")
    parser.add_argument("--workers", type=int, default=2, help="of Ray (default 2)")
    parser.add_argument(
        "--kill", action="store_true", help="kill a worker half way, in a third run"
    )
    parser.add_argument("--watched", type=int, default=0, metavar="N", help="arrivals for `watch`")
    parser.add_argument("--rate", type=float, default=5.0, help="arrivals a second (default 5)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where copies are made")
    return parser


if __name__ == "__main__":
    sys.exit(main())
