"""What the command line's commands do, once their arguments are read."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from anomalygpt.certainty import how_sure
from anomalygpt.cli import ERROR, OK, SOME_FAILED, parse_options
from anomalygpt.errors import ConfigError, ImageError, MissingPartError, OutputError
from anomalygpt.files import shown
from anomalygpt.image_io import common_bit_depth, load_image
from anomalygpt.images.listing import Listing, find_images, list_images
from anomalygpt.model import AnomalyGPT
from anomalygpt.progress import with_bar
from anomalygpt.references import turns_of_each
from anomalygpt.results import Inspection
from anomalygpt.visualization import overlay, save_image
from decoder import MemoryBank


def inspect(options: argparse.Namespace) -> int:
    """`anomalygpt inspect`: status 1 when a photo could not be read, 2 when none could."""
    paths = _listed(options.images)
    good = _listed(options.reference)
    outputs = _output_names(paths)
    _check_outputs(options, outputs, good)
    assistant = assistant_of(options, needs_words=not options.map_only)
    set_formulation(assistant, options)
    depth = options.bit_depth or common_bit_depth([*good, *paths])
    bank = remember(assistant, good, options, depth)
    found = assistant.inspect_batch(
        paths,
        bank,
        description=options.description,
        category=options.category,
        map_only=options.map_only,
        batch_size=options.batch_size,
        bit_depth=depth,
    )
    failed = 0
    for path, inspection in zip(paths, with_bar(found, len(paths), "photos"), strict=True):
        if isinstance(inspection, ImageError):
            failed += 1
            say(f"anomalygpt: skipped: {inspection}")
            continue
        if options.save_overlay:
            stretch = assistant.decoder.config.formulation == "published"
            picture = overlay(load_image(path, depth), inspection, stretch=stretch)
            save_image(picture, options.save_overlay / f"{outputs[path]}.png", is_result=True)
        if options.save_map:
            inspection.save_map(options.save_map / f"{outputs[path]}.png")
        tqdm.write(inspection.to_json() if options.json else sentence(inspection), sys.stdout)
    if failed and len(paths) > 1:
        say(f"anomalygpt: {failed} of {len(paths)} photos could not be inspected")
    if failed == len(paths):
        return ERROR
    return SOME_FAILED if failed else OK


def convert(options: argparse.Namespace) -> int:
    """`anomalygpt convert`: prints the report of what became of every tensor."""
    from anomalygpt.checkpoints import ConversionSources
    from anomalygpt.checkpoints import convert as convert_files

    heads = parse_options(options.imagebind_option)
    if not all(isinstance(value, int) for value in heads.values()):
        raise ConfigError(f"--imagebind-option takes whole numbers, got {options.imagebind_option}")
    sources = ConversionSources(
        imagebind=options.imagebind,
        vicuna=options.vicuna,
        llama=options.llama,
        vicuna_delta=options.vicuna_delta,
        pandagpt=options.pandagpt,
        anomalygpt=options.anomalygpt,
        imagebind_options=heads,  # type: ignore[arg-type]
        lora_alpha=options.lora_alpha,
    )
    report = convert_files(
        sources,
        options.output,
        dtype=options.dtype,
        merge_lora=options.merge_lora,
        allow_unknown=options.allow_unknown,
        max_shard_size=options.max_shard_size,
    )
    print(report.summary())
    print(f"written: {options.output}; use it with --model {options.output}")
    return OK


def assistant_of(options: argparse.Namespace, *, needs_words: bool) -> AnomalyGPT:
    """The assistant that --model or --encoder and their companions name.

    Raises:
        ConfigError, SourceError, CheckpointError: they do not go together, or are not there.
        MissingPartError: words are needed, and an encoder alone has none.
    """
    if options.encoder is None:
        if options.encoder_weights or options.encoder_option:
            raise ConfigError("--encoder-weights and --encoder-option need --encoder NAME")
        assistant = AnomalyGPT.from_pretrained(
            options.model or "embedded",
            device=options.device,
            dtype=options.dtype,
            quantization=options.quantization,
            map_only=not needs_words,
        )
    else:
        for name in ("model", "quantization"):
            if getattr(options, name) is not None:
                raise ConfigError(f"--{name} does not go with --encoder; leave one of them out")
        if needs_words:
            raise MissingPartError(
                "an encoder alone cannot answer in words; add --map-only, or give --model with a "
                "language model"
            )
        assistant = AnomalyGPT.from_encoder(
            options.encoder,
            options.encoder_weights,
            options=parse_options(options.encoder_option),
            device=options.device,
            dtype=options.dtype,
        )
    return assistant


def set_formulation(assistant: AnomalyGPT, options: argparse.Namespace) -> None:
    """Draw maps as --formulation says, if it was given."""
    if options.formulation is not None:
        assistant.set_formulation(options.formulation)


def remember(
    assistant: AnomalyGPT,
    paths: Sequence[Path],
    options: argparse.Namespace,
    bit_depth: int | None = None,
) -> MemoryBank:
    """Encode references one by one, with a bar where there are many of them.

    Args:
        assistant: the one that will compare with them.
        paths: photos of good parts; none gives an empty bank.
        options: its rotations, flips and fixed_pose say how they are turned.
        bit_depth: of the photos and these references together, see `common_bit_depth`.

    Raises:
        ImageError: a reference cannot be used; it is named.
        ConfigError: a fixed pose with turned or mirrored copies.
    """
    bank = MemoryBank(assistant.encoder_id, fixed_pose=options.fixed_pose)
    turns = options.rotations
    if turns is None and not options.fixed_pose:
        turns = turns_of_each(len(paths), assistant.config.decoder.formulation)
    for path in with_bar(paths, len(paths), "references"):
        assistant.remember(
            [path], rotations=turns, flips=options.flips, bank=bank, bit_depth=bit_depth
        )
    return bank


def reference_paths(options: argparse.Namespace) -> list[Path]:
    """The photos that --reference names.

    Raises:
        SourceError: none of them is there.
    """
    return list_images(options.reference) if options.reference else []


def _listed(sources: Sequence[str]) -> list[Path]:
    """The photos of files, folders and patterns; what is left out of them is told in one line."""
    listing = find_images(sources) if sources else Listing()
    if note := listing.note():
        say(f"anomalygpt: {note}")
    return listing.photos


def say(message: str) -> None:
    """A line on stderr, also while a bar is drawn."""
    tqdm.write(message, sys.stderr)


def sentence(inspection: Inspection) -> str:
    """The findings on a photo in one line for a person."""
    name = shown(inspection.image or "photo")
    if inspection.answer is not None and inspection.anomaly_probability is not None:
        sure = how_sure(inspection)
        number = f"(P(anomaly) {inspection.anomaly_probability:.2f}, {sure})" if sure else ""
        parts = [f"{name}: {inspection.answer}", number, *inspection.cautions]
        return " ".join(part for part in parts if part)
    places = Counter(region.location for region in inspection.regions)
    where = ", ".join(
        f"{place} ({count})" if count > 1 else place for place, count in places.items()
    )
    score = f"{name}: score {inspection.anomaly_score:.3f}, stands out: {where or 'nothing'}"
    return ". ".join([score, *inspection.cautions])


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
