"""`anomalygpt watch`: inspect what arrives in a folder."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anomalygpt.cli.bulk import SAME_SIGNAL, Prepared, prepared
from anomalygpt.cli.plants import add_place, stored
from anomalygpt.cli.shared import add_formulation, add_model_options, add_part_options, positive
from anomalygpt.cli.status import OK, SOME_FAILED, plain, say
from anomalygpt.errors import ConfigError, SourceError
from anomalygpt.files import shown

if TYPE_CHECKING:
    from anomalygpt.bulk.placing import Placing
    from anomalygpt.bulk.sinks import Sink
    from anomalygpt.bulk.table import Row
    from anomalygpt.model import AnomalyGPT

SUMMARY = "inspect photos that arrive in a folder, and tell others"

STATE = ".anomalygpt-watch.sqlite3"


def run(options: argparse.Namespace) -> int:
    """`anomalygpt watch`: status 0 when it was ended; with --once, 1 when a photo could not be
    inspected."""
    from anomalygpt.bulk.arrivals import Arrivals
    from anomalygpt.bulk.run import inspect_photos
    from anomalygpt.bulk.sinks import Delivery
    from anomalygpt.bulk.spool import Spool
    from anomalygpt.bulk.watch import Stream
    from anomalygpt.cli.assistant import assistant_of
    from anomalygpt.interruptions import stopping

    folder: Path = options.folder
    if not folder.is_dir():
        raise SourceError(f"{shown(folder)} is no folder; make it, or name another")
    placing = _placing_of(options)
    spool = Spool(options.state or folder / STATE)
    with _sinks_of(options) as sinks:
        arrivals = Arrivals(
            folder, polling=options.poll, without=[placing.folder] if placing else ()
        )
        try:
            kept = stored(options)
            assistant = assistant_of(options, needs_words=not options.map_only)
            seen = prepared(options, assistant, [], kept=kept)
            _greet(options, assistant, seen, spool.done)
            delivery = Delivery(spool, sinks, say)
            stream = Stream(
                arrivals,
                spool,
                partial(inspect_photos, assistant, seen.bank, how=seen.how, record=seen.record),
                delivery=delivery,
                sinks=[sink.name for sink in sinks],
                placing=placing,
                told=partial(_print, as_json=options.json),
            )
            try:
                with stopping(
                    lambda: say("stopping after the photos in hand"), apart=SAME_SIGNAL
                ) as asked:
                    done, failed = stream.run(
                        asked.is_set, most=options.batch_size, once=options.once
                    )
            finally:
                left = delivery.close()
        finally:
            arrivals.close()
    spool.close()
    say(f"{done} photos inspected, {failed} of them could not be")
    for title, count in left.items():
        say(f"{count} results wait for {title}; the same command tells them")
    return SOME_FAILED if options.once and failed else OK


def _greet(options: argparse.Namespace, assistant: AnomalyGPT, seen: Prepared, before: int) -> None:
    known = f", {before} photos were inspected before" if before else ""
    say(
        f"{assistant.name} watches {shown(options.folder)} with {len(seen.bank)} references{known}"
        f"{'' if options.once else '; Ctrl-C ends'}"
    )


def _print(row: Row, *, as_json: bool) -> None:
    """A line on stdout, at once also in a pipe."""
    from anomalygpt.bulk.sinks import as_told

    if as_json:
        line = json.dumps(as_told(row))
    elif row["error"] is not None:
        line = f"{row['image']}: {row['error']}"
    else:
        probability = row["probability"]
        told = "" if probability is None else f"{row['verdict']}, P(anomaly) {probability:.2f}, "
        line = f"{row['image']}: {told}score {row['score']:.3f}"
    print(line if as_json else plain(line))
    sys.stdout.flush()


def _placing_of(options: argparse.Namespace) -> Placing | None:
    """
    Raises:
        ConfigError: both are asked for, verdicts are missing, or the folder is the watched one.
    """
    from anomalygpt.bulk.placing import Placing

    folder = options.move_to or options.copy_to
    if folder is None:
        return None
    if options.move_to and options.copy_to:
        raise ConfigError("--move-to and --copy-to exclude each other; leave one of them out")
    if options.map_only:
        raise ConfigError("photos go by their verdict, and --map-only has none; leave one out")
    if folder.resolve() == options.folder.resolve():
        raise ConfigError(f"{shown(folder)} is watched itself; name another folder")
    return Placing(folder, moves=options.move_to is not None)


@contextmanager
def _sinks_of(options: argparse.Namespace) -> Iterator[Sequence[Sink]]:
    """Those that options name, refused before a model is loaded; they are closed by `Delivery`."""
    from anomalygpt.bulk.sinks import CsvSink, MqttSink, WebhookSink

    sinks: list[Sink] = []
    if options.csv is not None:
        sinks.append(CsvSink(options.csv))
    if options.webhook is not None:
        sinks.append(WebhookSink(options.webhook))
    if options.mqtt is not None:
        sinks.append(MqttSink(options.mqtt))
    try:
        yield sinks
    finally:
        for sink in sinks:
            sink.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt watch`."""
    parser.description = (
        "Inspect each photo that arrives in a folder, once, also after a restart. One line per "
        "photo on stdout; Ctrl-C or SIGTERM ends."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where photos arrive")
    add_part_options(parser)
    parser.add_argument("--product", metavar="NAME", help="one that `anomalygpt product` keeps")
    add_place(parser)
    add_formulation(add_model_options(parser))
    parser.add_argument(
        "--map-only", action="store_true", help="draw maps and scores only; needs no language model"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per photo")
    parser.add_argument(
        "--batch-size", type=positive, default=8, metavar="N", help="photos at a time (default 8)"
    )
    group = parser.add_argument_group("stream", "docs/plant.md")
    group.add_argument(
        "--move-to", type=Path, metavar="DIR", help="move photos to DIR/good, DIR/damaged, "
        "DIR/unreadable"
    )  # fmt: skip
    group.add_argument("--copy-to", type=Path, metavar="DIR", help="copy them there")
    group.add_argument("--csv", type=Path, metavar="FILE", help="append results to a CSV file")
    group.add_argument(
        "--webhook", metavar="URL", help="send each result as JSON to this address; never the photo"
    )
    group.add_argument(
        "--mqtt", metavar="HOST[:PORT]/TOPIC", help="publish each result as JSON; never the photo"
    )
    group.add_argument(
        "--state", type=Path, metavar="FILE", help=f"what is done (default FOLDER/{STATE})"
    )
    group.add_argument(
        "--poll",
        action="store_true",
        help="look through the folder every second; for network disks, where the system does not "
        "tell what arrives",
    )
    group.add_argument("--once", action="store_true", help="inspect what lies there, and end")
