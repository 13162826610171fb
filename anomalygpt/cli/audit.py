"""`anomalygpt audit`: what was inspected and changed, by whom, and whether that record is whole."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomalygpt.cli.plants import add_place, plant_there, who
from anomalygpt.cli.shared import positive
from anomalygpt.cli.status import ERROR, OK, SOME_FAILED, plain, say

if TYPE_CHECKING:
    from anomalygpt.audit.chain import Event, Verified
    from anomalygpt.audit.journal import Entry
    from anomalygpt.products.plant import Plant
    from anomalygpt.results.inspection import Inspection

SUMMARY = "look at, verify and replay what was inspected and changed"


def run(options: argparse.Namespace) -> int:
    """One of the subcommands."""
    run_part: Any = options.audit_part
    return int(run_part(options))


# --- looking -------------------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> int:
    from anomalygpt.audit.past import lines

    plant = plant_there(options)
    if options.changes:
        for event in reversed(lines(plant.database, most=options.limit)):
            print(json.dumps(_event(event)) if options.json else plain(_event_line(event)))
        return OK
    product = None if options.product is None else plant.products.find(options.product).id
    verdicts = {"good": False, "anomalous": True, None: None}
    found = plant.journal.all(
        product=product,
        since=options.since,
        is_anomalous=verdicts[options.verdict],
        most=options.limit,
    )
    for entry in reversed(found):
        print(json.dumps(entry.to_dict()) if options.json else plain(_entry_line(entry)))
    if not found and not options.json:
        say("no such inspection is on record")
    return OK


def _show(options: argparse.Namespace) -> int:
    from anomalygpt.audit.past import line
    from anomalygpt.results.pictures import overlay, save_image
    from anomalygpt.results.sentences import regions, sentence

    plant = plant_there(options)
    if re.fullmatch(r"\d{1,18}", options.id):
        print(json.dumps(_event(line(plant.database, int(options.id))), indent=2))
        return OK
    entry = plant.journal.find(options.id)
    event = line(plant.database, entry.number)
    inspection = _inspection(plant, entry)
    if options.save_photo is not None:
        from anomalygpt.files import write_atomically

        content = plant.blobs.get(entry.photo)
        write_atomically(options.save_photo, lambda file: file.write(content))
    if options.save_overlay is not None:
        plant.blobs.get(entry.photo)
        picture = overlay(plant.blobs.path(entry.photo), inspection)
        save_image(picture, options.save_overlay, is_result=True)
    if options.json:
        print(json.dumps({**entry.to_dict(), "record": event.payload}, indent=2))
        return OK
    print(plain(_entry_line(entry)))
    print(plain(sentence(inspection)))
    print(plain(regions(inspection, in_one_line=True)))
    told = event.payload
    kept = "kept" if entry.photo_kept else "not kept"
    print(plain(f"photo: {entry.photo_name}, SHA-256 {entry.photo}, {kept}"))
    print(plain(f"model: {told['model']}, weights {told['weights']}"))
    print(plain(f"made with: {json.dumps(told.get('made_with'))}"))
    print(plain(f"settings: {json.dumps(told['settings'])}"))
    print(f"line {entry.number} of the log, hash {event.hash}")
    return OK


def _inspection(plant: Plant, entry: Entry) -> Inspection:
    """The finding on record, with its map where that is kept."""
    from dataclasses import replace

    from anomalygpt.results.inspection import Inspection
    from anomalygpt.results.maps import read_png16

    found = Inspection.from_json(json.dumps(entry.result))
    if entry.map is None or not plant.blobs.has(entry.map):
        return found
    return replace(found, small_map=read_png16(plant.blobs.get(entry.map)))


def _entry_line(entry: Entry) -> str:
    verdict = {True: "anomalous", False: "good", None: "no verdict"}
    product = "no product" if entry.product is None else f"{entry.product} v{entry.product_version}"
    said = f", said: {entry.feedback}" if entry.feedback else ""
    score = entry.result["anomaly_score"]
    return (
        f"{entry.id}  {entry.at[:19]}Z  {entry.who}  {product}  {entry.photo_name}: "
        f"{verdict[entry.result['is_anomalous']]}, score {score:.3f}{said}"
    )


def _event_line(event: Event) -> str:
    why = event.payload.get("why") or ""
    return f"{event.number}  {event.at[:19]}Z  {event.who}  {event.kind}  {event.subject}  {why}"


def _event(event: Event) -> dict[str, Any]:
    return {**event.__dict__, "payload": dict(event.payload)}


# --- verifying -----------------------------------------------------------------------------------


def _verify(options: argparse.Namespace) -> int:
    """Status 1 where something is wrong."""
    from anomalygpt.audit.agreement import check
    from anomalygpt.audit.export import read_export

    known = None
    if options.file is not None or options.against is not None:
        named = options.file or options.against
        found = read_export(named)
        if found.broken is not None:
            return _told(found, str(named))
        if options.file is not None:
            print(f"whole: {found.lines} lines, last hash {found.last}")
            return OK
        known = (found.lines, found.last) if found.lines else None
    plant = plant_there(options)
    checked = check(plant.database, known)
    if checked.log.broken is not None:
        return _told(checked.log, "the log")
    if checked.differing is not None:
        print(f"inspection {checked.differing} is wrong: {checked.reason}")
        return SOME_FAILED
    print(f"whole: {checked.log.lines} lines, last hash {checked.log.last}")
    return OK


def _told(found: Verified, what: str) -> int:
    print(
        plain(
            f"{what} is broken from line {found.broken} on: {found.reason}; {found.lines} lines "
            f"before are whole, the last has hash {found.last}"
        )
    )
    return SOME_FAILED


def _replay(options: argparse.Namespace) -> int:
    """Status 1 where one is another or cannot be computed, 2 where none can be computed."""
    from anomalygpt.audit.replay import Replays
    from anomalygpt.errors import ConfigError
    from anomalygpt.model import AnomalyGPT

    if (options.id is None) == (options.last is None):
        raise ConfigError("name one inspection, or a number of them with --last N")
    plant = plant_there(options)
    if options.id is not None:
        entries = [plant.journal.find(options.id)]
    else:
        entries = plant.journal.all(most=options.last)
    replays = Replays(plant, lambda name: AnomalyGPT.from_pretrained(name, device=options.device))
    states = []
    for entry in entries:
        found = replays.replay(entry)
        states.append(found.state)
        if options.json:
            print(json.dumps(found.to_dict()), flush=True)
            continue
        said = "; ".join((*found.differences, *found.reasons))
        print(plain(f"{entry.id}  {entry.photo_name}: {_STATES[found.state]}{said}"), flush=True)
    if states and all(state == "impossible" for state in states):
        return ERROR
    return OK if set(states) <= {"same", "rounding"} else SOME_FAILED


_STATES = {
    "same": "the same",
    "rounding": "the same within rounding: ",
    "differs": "differs: ",
    "impossible": "cannot be computed once more: ",
}


# --- files ---------------------------------------------------------------------------------------


def _export(options: argparse.Namespace) -> int:
    from anomalygpt.audit.export import export

    count = export(plant_there(options).database, options.file)
    what = "inspections" if options.file.suffix.lower() == ".csv" else "lines of the log"
    print(plain(f"{options.file}: {count} {what}"))
    return OK


def _delete_photos(options: argparse.Namespace) -> int:
    from anomalygpt.audit.retention import delete_photos

    plant = plant_there(options)
    found = delete_photos(
        plant.database, plant.blobs, options.older_than, who=who(), dry_run=options.dry_run
    )
    done = "would be deleted" if options.dry_run else "deleted"
    print(
        f"photos and maps of {len(found.inspections)} inspections {done}, {len(found.files)} files"
    )
    if found.in_use:
        print(
            f"{found.in_use} older photos stay: products, changes that can be undone or younger "
            "inspections need them"
        )
    return OK


def _days(text: str) -> float:
    """An age such as 90d, 12h or 2w, in days, for `type=`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([hdw])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected an age such as 90d, 12h or 2w, got {text!r}")
    return float(found[1]) * {"h": 1 / 24, "d": 1.0, "w": 7.0}[found[2]]


def _since(text: str) -> str:
    """The beginning of a time, for `type=`."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?)?", text):
        raise argparse.ArgumentTypeError(f"expected a day or time in UTC, 2026-11-30, got {text!r}")
    return text


# --- options -------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt audit`."""
    parser.description = (
        "Every inspection of a product or of the web app, and every change of a product, is "
        "written into a log in which each line holds the hash of the one before."
    )
    parts = parser.add_subparsers(dest="audit_command", required=True, metavar="SUBCOMMAND")
    listed = _part(parts, "list", _list, "list inspections, the youngest last", "")
    listed.add_argument("--product", metavar="NAME", help="of this product alone")
    listed.add_argument("--since", type=_since, metavar="DAY", help="from this day on, in UTC")
    listed.add_argument("--verdict", choices=["good", "anomalous"], help="with this verdict alone")
    listed.add_argument(
        "--limit", type=positive, default=50, metavar="N", help="the last N (default 50)"
    )
    listed.add_argument(
        "--changes", action="store_true", help="all lines of the log instead, also of products"
    )
    listed.add_argument("--json", action="store_true", help="print a JSON object for each")
    shown = _part(
        parts, "show", _show, "show an inspection, or a line of the log",
        "Show all that is on record of an inspection.",
    )  # fmt: skip
    shown.add_argument("id", metavar="ID", help="an inspection, as `list` names it, or a line")
    shown.add_argument("--save-photo", type=Path, metavar="FILE", help="write its photo")
    shown.add_argument("--save-overlay", type=Path, metavar="FILE", help="draw its map over it")
    shown.add_argument("--json", action="store_true", help="print one JSON object")
    _add_verify_and_replay(parts)
    _add_files(parts)


def _add_verify_and_replay(parts: Any) -> None:
    verified = _part(
        parts, "verify", _verify, "say whether the log is whole",
        "Compute all hashes of the log again, and compare the list of inspections with it. "
        "Status 1: something was changed or is missing, and the first wrong line is named.",
    )  # fmt: skip
    which = verified.add_mutually_exclusive_group()
    which.add_argument(
        "--against", type=Path, metavar="FILE",
        help="that the log begins as this file says, which `export` wrote before",
    )  # fmt: skip
    which.add_argument(
        "--file", type=Path, metavar="FILE", help="this file alone, without any database"
    )
    replayed = _part(
        parts, "replay", _replay, "compute inspections once more, and compare",
        "Compute inspections once more, with the photo, product and settings of then. Status 1: "
        "one came out otherwise or cannot be computed; 2: none can be.",
    )  # fmt: skip
    replayed.add_argument("id", metavar="ID", nargs="?", help="an inspection")
    replayed.add_argument("--last", type=positive, metavar="N", help="the last N inspections")
    replayed.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1 …")
    replayed.add_argument("--json", action="store_true", help="print a JSON object for each")


def _add_files(parts: Any) -> None:
    exported = _part(
        parts, "export", _export, "write the log, or a table of inspections, to a file",
        "Write the whole log with all hashes (.jsonl), or a table of inspections (.csv).",
    )  # fmt: skip
    exported.add_argument("file", type=Path, metavar="FILE")
    deleted = _part(
        parts, "delete-photos", _delete_photos, "delete photos by their age",
        "Delete photos and maps of old inspections; what was found stays, and the log stays "
        "whole. Photos that a product uses stay too.",
    )  # fmt: skip
    deleted.add_argument(
        "--older-than", type=_days, required=True, metavar="AGE", help="such as 90d, 12h or 2w"
    )
    deleted.add_argument("--dry-run", action="store_true", help="only say what would be deleted")


def _part(parts: Any, name: str, does: Any, short: str, whole: str) -> argparse.ArgumentParser:
    part: argparse.ArgumentParser = parts.add_parser(
        name, help=short, description=whole or f"{short[0].upper()}{short[1:]}."
    )
    part.set_defaults(audit_part=does)
    add_place(part)
    return part
