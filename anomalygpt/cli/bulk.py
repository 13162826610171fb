"""`anomalygpt inspect --output`: many photos into a table, in this process or on Ray."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomalygpt.cli.plants import Stored, stored
from anomalygpt.cli.shared import positive
from anomalygpt.cli.status import ERROR, INTERRUPTED, OK, SOME_FAILED, say
from anomalygpt.errors import ConfigError
from anomalygpt.files import shown

if TYPE_CHECKING:
    from anomalygpt.bulk.run import Execute, How, Record, Work
    from anomalygpt.bulk.sources import Found
    from anomalygpt.bulk.table import Row
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.results.inspection import Inspection
    from decoder import MemoryBank

# A launcher passes a Ctrl-C on that reached its process already; within so many seconds it is one.
SAME_SIGNAL = 1.0

# Options of `inspect` that mean nothing for a table.
_WITHOUT_EFFECT = ("json", "save_overlay", "save_map", "mutual", "expert", "knowledge")


def add_bulk_options(parser: argparse.ArgumentParser) -> None:
    """Where the table goes, and who works."""
    group = parser.add_argument_group("many photos", "results as a table; docs/plant.md")
    group.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="a table of results, .parquet, .csv or .jsonl, with a page beside it that shows the "
        "worst first; the same command goes on with a run that was ended",
    )
    group.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="work on Ray Data: on this machine, or on the cluster at this address",
    )
    group.add_argument(
        "--workers", type=positive, metavar="N", help="that hold the model, with --ray (default 2)"
    )
    group.add_argument(
        "--worst", type=positive, metavar="N", help="photos drawn on the page (default 24)"
    )


def check_bulk(options: argparse.Namespace) -> None:
    """
    Raises:
        ConfigError: options do not go together.
    """
    if options.output is None:
        for name in ("ray", "workers", "worst"):
            if getattr(options, name) is not None:
                raise ConfigError(f"--{name} needs --output FILE")
        return
    if options.workers is not None and options.ray is None:
        raise ConfigError("--workers needs --ray")
    for name in _WITHOUT_EFFECT:
        if getattr(options, name):
            raise ConfigError(
                f"--{name.replace('_', '-')} does not go with --output; leave one of them out"
            )


def run_bulk(options: argparse.Namespace) -> int:
    """Inspect into a table: status 1 when a photo could not be inspected, 2 when none could."""
    from anomalygpt.bulk.run import carry_out, check_output, noted, opened_work
    from anomalygpt.bulk.settings import settings_of
    from anomalygpt.bulk.sources import find_photos
    from anomalygpt.cli.assistant import opener_of
    from anomalygpt.interruptions import stopping
    from anomalygpt.progress import with_bar

    output: Path = options.output
    page = output.with_suffix(".html")
    check_output(output, [page])
    if options.ray is not None:
        from anomalygpt.bulk.ray_data import check_address

        check_address(options.ray)
    found, note = find_photos(options.images)
    if note:
        say(note)
    before = noted(output)
    kept = stored(options)
    _whole_paths(options)
    opened = opener_of(options, needs_words=not options.map_only)
    assistant = opened()
    seen = prepared(options, assistant, found, before, kept)
    how = seen.how
    others = {name: getattr(options, name) for name in ("rotations", "flips", "most_are_good")}
    settings = settings_of(assistant, seen.bank, how, **others, bits=options.bit_depth)
    with (
        opened_work(output, settings, found, options.batch_size, seen.notes) as work,
        _executor(options, opened, assistant, seen, idle=not work.todo()) as execute,
        stopping(lambda: say("stopping after the photos in hand"), apart=SAME_SIGNAL) as asked,
    ):
        total = len(work.manifest.photos)
        if work.done:
            say(f"{work.done} of {total} photos are done already")
        rows = carry_out(work, execute, asked.is_set)
        for _ in with_bar(rows, total - work.done, "photos"):
            pass
        if work.todo():
            say(f"{work.done} of {total} photos are done; the same command goes on")
            return INTERRUPTED
        return _finished(options, work, assistant, seen.bank, how, page)


def _whole_paths(options: argparse.Namespace) -> None:
    """Files and folders by their whole paths: workers may have another current folder."""
    for name in ("model", "encoder_weights"):
        value = getattr(options, name)
        if value is not None and Path(value).exists():
            setattr(options, name, str(Path(value).absolute()))


@dataclass(frozen=True)
class Prepared:
    """What photos are compared with.

    Attributes:
        bank: photos of good parts.
        how: how photos are inspected.
        notes: what was found out on the way, for a later go.
        record: puts findings of a product on record; None where no product was named.
    """

    bank: MemoryBank
    how: How
    notes: Mapping[str, Any]
    record: Record | None = None


def prepared(
    options: argparse.Namespace,
    assistant: AnomalyGPT,
    found: Sequence[Found],
    before: Mapping[str, Any] | None = None,
    kept: Stored | None = None,
) -> Prepared:
    """The memory bank and how photos are read, from options.

    Args:
        options: of `inspect` or `watch`.
        assistant: that will inspect.
        found: photos that are known.
        before: `Prepared.notes` of a run that goes on; it counts, whatever has come since.
        kept: the product that --product names.

    Raises:
        ConfigError, ImageError, SourceError: references cannot be used.
    """
    from anomalygpt.bulk.run import How
    from anomalygpt.bulk.sources import is_remote
    from anomalygpt.cli.assistant import reference_paths
    from anomalygpt.images.reading import common_bit_depth
    from anomalygpt.progress import with_bar
    from anomalygpt.references.runs import learn_run

    here = [Path(each.place) for each in found if not is_remote(each.place)]
    depth = options.bit_depth
    if before is not None:
        depth = before.get("bit_depth")
    elif depth is None:
        depth = common_bit_depth([*reference_paths(options), *here])
    bank = kept.bank(assistant) if kept else bank_of(options, assistant, depth)
    depth = depth or bank.bit_depth
    if getattr(options, "most_are_good", False):
        if len(here) < len(found):
            raise ConfigError("--most-are-good learns from files here, not from a store")
        if before is not None:
            bank.factor = float(before["factor"])
        else:
            learn_run(
                assistant, here, bank, category=options.category, bit_depth=depth,
                formulation=options.formulation, watch=with_bar,
            )  # fmt: skip
    map_only = bool(options.map_only)
    how = How(options.description, options.category, map_only, depth, options.formulation)
    record = None if kept is None else partial(_record, kept, assistant)
    return Prepared(bank, how, {"bit_depth": depth, "factor": bank.factor}, record)


def _record(kept: Stored, assistant: AnomalyGPT, place: str, found: Inspection) -> None:
    kept.record(replace(found, image=place), place, assistant)


def bank_of(
    options: argparse.Namespace, assistant: AnomalyGPT, bit_depth: int | None = None
) -> MemoryBank:
    """The memory bank that options name, unless they name a product.

    Args:
        options: --reference and how references are read.
        assistant: that compares with them.
        bit_depth: of photos and references together.

    Raises:
        ImageError, SourceError, ConfigError: references cannot be used.
    """
    from anomalygpt.cli.assistant import reference_paths, remember

    return remember(assistant, reference_paths(options), options, bit_depth)


@contextmanager
def _executor(
    options: argparse.Namespace,
    opened: Callable[[], AnomalyGPT],
    assistant: AnomalyGPT,
    seen: Prepared,
    *,
    idle: bool,
) -> Iterator[Execute]:
    """Who does the batches; Ray is not started where nothing is left."""
    from anomalygpt.bulk.run import in_this_process

    if options.ray is None or idle:
        yield in_this_process(assistant, seen.bank, seen.how, seen.record)
        return
    if seen.record is not None:
        say("what workers of Ray find is in the table, and not put on record")
    from anomalygpt.bulk.ray_data import on_ray

    gpu = assistant.device.type == "cuda"
    with on_ray(
        opened, seen.bank, seen.how, address=options.ray, workers=options.workers or 2, gpu=gpu
    ) as execute:
        yield execute


def _finished(
    options: argparse.Namespace,
    work: Work,
    assistant: AnomalyGPT,
    bank: MemoryBank,
    how: How,
    page: Path,
) -> int:
    """The table and the page, and what is in them in one line."""
    from anomalygpt.bulk.summary import counts, draw, summary_page, worst_first
    from anomalygpt.files import write_atomically

    rows: list[Row] = work.finish()
    places = {each.image: each.place for each in work.manifest.photos}
    pictures = draw(assistant, bank, worst_first(rows)[: options.worst or 24], places, how)
    title = f"Inspection of {', '.join(map(shown, options.images[:3]))}"
    text = summary_page(rows, pictures, title, work.manifest.settings)
    write_atomically(page, lambda file: file.write(text.encode("utf-8", "replace")))
    work.tidy()
    told = ", ".join(f"{count} {name}" for name, count in counts(rows).items())
    say(f"{shown(work.output)}: {len(rows)} photos, {told}; the worst first in {shown(page)}")
    failed = sum(row["error"] is not None for row in rows)
    if failed == len(rows):
        return ERROR
    return SOME_FAILED if failed else OK
