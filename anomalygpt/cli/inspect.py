"""`anomalygpt inspect`: whether photos show something wrong, and where."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomalygpt.cli.bulk import add_bulk_options, check_bulk, run_bulk
from anomalygpt.cli.plants import Stored, stored
from anomalygpt.cli.shared import add_formulation, add_model_options, add_part_options, positive
from anomalygpt.cli.status import ERROR, OK, SOME_FAILED, say
from anomalygpt.cli.voices import add_talk_options, consultants_of, dismiss
from anomalygpt.errors import AnomalyGPTError, ConfigError, OutputError
from anomalygpt.files import shown

if TYPE_CHECKING:
    from anomalygpt.experts.consulting import Consultants
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.results.inspection import Inspection
    from decoder import MemoryBank

SUMMARY = "say whether photos show something wrong, and where"


def run(options: argparse.Namespace) -> int:
    """`anomalygpt inspect`: status 1 when a photo could not be read, 2 when none could."""
    check_bulk(options)
    if options.output is not None:
        return run_bulk(options)
    from tqdm import tqdm

    from anomalygpt.cli.assistant import assistant_of
    from anomalygpt.images.reading import load_image
    from anomalygpt.progress import with_bar
    from anomalygpt.results.pictures import overlay, save_image
    from anomalygpt.results.sentences import sentence

    kept = stored(options)
    paths = _listed(options.images)
    good = _listed(options.reference)
    outputs = _output_names(paths)
    _check_outputs(options, outputs, good)
    _check_expert(options)
    _check_mutual(options)
    _check_alarm(options)
    consultants = consultants_of(options)
    assistant = assistant_of(options, needs_words=not options.map_only)
    bank, depth = _bank(options, assistant, kept, paths, good)
    first = kept.first if kept else next(iter(good), None)
    found = _found(options, assistant, consultants, paths, bank, first, depth)
    if options.alarm:
        found = _watched(options, assistant, zip(paths, found, strict=True), bank, depth)
    failed = 0
    for path, inspection in zip(paths, with_bar(found, len(paths), "photos"), strict=True):
        if isinstance(inspection, AnomalyGPTError):
            failed += 1
            say(f"skipped: {inspection}")
            continue
        if kept is not None:
            kept.record(inspection, path, assistant)
        if options.save_overlay:
            picture = overlay(load_image(path, depth), inspection)
            save_image(picture, options.save_overlay / f"{outputs[path]}.png", is_result=True)
        if options.save_map:
            inspection.save_map(options.save_map / f"{outputs[path]}.png")
        tqdm.write(inspection.to_json() if options.json else sentence(inspection), sys.stdout)
    if failed and len(paths) > 1:
        say(f"{failed} of {len(paths)} photos could not be inspected")
    if failed == len(paths):
        return ERROR
    return SOME_FAILED if failed else OK


def _bank(
    options: argparse.Namespace,
    assistant: AnomalyGPT,
    kept: Stored | None,
    paths: Sequence[Path],
    good: Sequence[Path],
) -> tuple[MemoryBank, int | None]:
    """What photos are compared with, and how many bits they are read with."""
    from anomalygpt.cli.assistant import remember
    from anomalygpt.images.reading import common_bit_depth
    from anomalygpt.progress import with_bar
    from anomalygpt.references.mutual import compare_among
    from anomalygpt.references.runs import learn_run

    if kept is not None:
        bank = kept.bank(assistant)
        return bank, options.bit_depth or bank.bit_depth or common_bit_depth(paths)
    depth = options.bit_depth or common_bit_depth([*good, *paths])
    if options.mutual:
        return compare_among(
            assistant, paths, bit_depth=depth, formulation=options.formulation, watch=with_bar
        ), depth
    bank = remember(assistant, good, options, depth)
    if options.most_are_good:
        count = learn_run(
            assistant,
            paths,
            bank,
            category=options.category,
            bit_depth=depth,
            formulation=options.formulation,
            watch=with_bar,
        )
        say(f"{count} photos show how good parts vary: distances count {bank.factor:.2f}-fold")
    return bank, depth


def _found(
    options: argparse.Namespace,
    assistant: AnomalyGPT,
    consultants: Consultants | None,
    paths: Sequence[Path],
    bank: MemoryBank,
    first: Path | None,
    depth: int | None,
) -> Iterator[Inspection | AnomalyGPTError]:
    """The findings on each photo, or the error that stands for it."""
    how: dict[str, Any] = {
        "description": options.description,
        "category": options.category,
        "bit_depth": depth,
        "formulation": options.formulation,
    }
    if consultants is None:
        yield from assistant.inspect_batch(
            paths, bank, map_only=options.map_only, batch_size=options.batch_size, **how
        )
        return
    try:
        yield from consultants.inspect(assistant, paths, bank, first, **how)
    finally:
        dismiss(consultants.voice, options)


def _watched(
    options: argparse.Namespace,
    assistant: AnomalyGPT,
    found: Iterable[tuple[Path, Inspection | AnomalyGPTError]],
    bank: MemoryBank,
    depth: int | None,
) -> Iterator[Inspection | AnomalyGPTError]:
    """The findings, each with what harmless changes of its photo do to the verdict."""
    from anomalygpt.alarm.alarm import with_steadiness

    for path, inspection in found:
        if isinstance(inspection, AnomalyGPTError):
            yield inspection
            continue
        yield with_steadiness(
            assistant,
            path,
            inspection,
            bank,
            category=options.category,
            bit_depth=depth,
            formulation=options.formulation,
        )


def _check_alarm(options: argparse.Namespace) -> None:
    """Refuse an alarm where there is no verdict of ours that it could watch."""
    names = {"map_only": "--map-only", "mutual": "--mutual", "expert": "--expert"}
    for name, option in names.items():
        if options.alarm and getattr(options, name):
            raise ConfigError(
                f"--alarm watches the model's own verdict against references; leave it or "
                f"{option} out"
            )


def _check_expert(options: argparse.Namespace) -> None:
    """Refuse what would be without any effect."""
    if options.expert is not None and options.map_only:
        raise ConfigError("--map-only asks nobody; leave it or --expert out")
    if options.knowledge is not None and options.expert is None:
        raise ConfigError(
            "--knowledge is for the expert here, name one with --expert; without one "
            "`anomalygpt chat` quotes it"
        )


def _check_mutual(options: argparse.Namespace) -> None:
    """Refuse what does not go with photos that are compared with each other."""
    if not options.mutual:
        return
    if options.reference:
        raise ConfigError(
            "--mutual is for runs without a good part; leave it or --reference out, with a "
            "reference --most-are-good learns from the run"
        )
    if options.most_are_good:
        raise ConfigError("--mutual learns from the run by itself; leave --most-are-good out")
    how = ("rotations", "flips", "fixed_pose", "detail")
    if given := [f"--{name.replace('_', '-')}" for name in how if getattr(options, name)]:
        raise ConfigError(
            f"{', '.join(given)}: this is how references are read, and --mutual has none; leave "
            "it out"
        )


def _listed(sources: Sequence[str]) -> list[Path]:
    """The photos of files, folders and patterns; what is left out of them is told in one line."""
    from anomalygpt.images.listing import Listing, find_images

    listing = find_images(sources) if sources else Listing()
    if note := listing.note():
        say(f"{note}")
    return listing.photos


def _output_names(paths: Iterable[Path]) -> dict[Path, str]:
    """File names for results, without suffix: the photo's own, with its folders where needed."""
    paths = list(paths)
    names = {path: path.stem for path in paths}
    if len(set(names.values())) < len(paths):
        # abspath, because ".." left in a name would lead out of the folder for results.
        whole = {path: Path(os.path.abspath(path)) for path in paths}  # noqa: PTH100 (keeps links)
        parent = Path(os.path.commonpath([path.parent for path in whole.values()]))
        names = {path: str(whole[path].relative_to(parent).with_suffix("")) for path in paths}
    if len(set(names.values())) < len(paths):  # part.jpg beside part.png
        names = {path: f"{name}{path.suffix}" for path, name in names.items()}
    return names


def _check_outputs(
    options: argparse.Namespace, outputs: Mapping[Path, str], references: Sequence[Path]
) -> None:
    """Refuse, before any work is done, to write a result over a photo or over another result."""
    folders = [folder for folder in (options.save_overlay, options.save_map) if folder]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise OutputError(
            f"--save-overlay and --save-map both name {folders[0]}; give two different folders"
        )
    photos = {path.resolve() for path in [*outputs, *references]}
    # Whoever names folders will name them again; beside a single photo its result may lie.
    given = [Path(name).resolve() for name in (*options.images, *options.reference)]
    places = {path.parent for path in photos if any(each in path.parents for each in given)}
    for folder in folders:
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder}: a file stands where a folder is needed; name another")
        for name in outputs.values():
            target = folder / f"{name}.png"
            if target.resolve() in photos:
                raise OutputError(
                    f"{target} is one of the photos and would be overwritten; choose another "
                    "folder for the results"
                )
            if target.resolve().parent in places:
                raise OutputError(
                    f"{shown(target.parent)} holds photos, and results among them would be taken "
                    "for photos; choose another folder for the results"
                )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt inspect`."""
    parser.description = (
        "Inspect photos. Status 0: all were inspected; 1: some could not be read "
        "(they are named, the rest is done); 2: nothing could be done."
    )
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="photos, folders of photos, or patterns; with --output also an address of a store, "
        "such as s3://bucket/night",
    )
    add_part_options(parser)
    add_formulation(add_model_options(parser))
    add_talk_options(parser)
    parser.add_argument(
        "--map-only", action="store_true", help="draw the map only; needs no language model"
    )
    parser.add_argument(
        "--most-are-good",
        action="store_true",
        help="take most of these photos for good parts, at least 20 of them, and judge by what "
        "they usually score; for one or two references",
    )
    parser.add_argument(
        "--mutual",
        action="store_true",
        help="without any reference: compare these photos, at least 8, with each other; what most "
        "of them do not show stands out",
    )
    parser.add_argument(
        "--alarm",
        action="store_true",
        help="also inspect six copies of each photo with changes that nobody sees, which takes "
        "seven times as long, and warn where they turn the verdict or move it far",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per photo")
    parser.add_argument(
        "--save-overlay", metavar="DIR", type=Path, help="write each photo with its map over it"
    )
    parser.add_argument(
        "--save-map", metavar="DIR", type=Path, help="write each map as a 16-bit PNG"
    )
    parser.add_argument(
        "--batch-size", type=positive, default=8, metavar="N", help="photos at a time (default 8)"
    )
    add_bulk_options(parser)
