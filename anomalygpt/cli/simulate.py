"""`anomalygpt simulate`: simulated anomalies on a sheet for a person to look at, and as files.

What training draws by the thousand is shown here before anything is trained: each photo before
and after, the label, and what is said about it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anomalygpt.cli.shared import add_bit_depth
from anomalygpt.cli.status import OK, SOME_FAILED
from anomalygpt.errors import ConfigError, OutputError
from anomalygpt.files import write_atomically

if TYPE_CHECKING:
    from anomalygpt.cli.simulation_examples import Dialogue, Example

SUMMARY = "show what simulated anomalies look like"

MOST_EXAMPLES = 200
LARGEST_SIZE = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt simulate`."""
    parser.description = (
        "Simulate anomalies on photos of good parts and draw them on a sheet. "
        "Status 0: done; 1: some photos could not be read (they are named, others took their "
        "place); 2: nothing could be done."
    )
    parser.add_argument(
        "root", metavar="ROOT", type=Path, help="a data set, or a folder of photos of good parts"
    )
    parser.add_argument(
        "--count", type=int, default=20, metavar="N", help="examples, 1 to 200 (default 20)"
    )
    parser.add_argument("--preview", metavar="FILE", type=Path, help="the sheet, such as sheet.png")
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        help="write each image, simulated image and mask, and examples.jsonl with what is said",
    )
    parser.add_argument("--category", help="only this product, with its published settings")
    parser.add_argument(
        "--kinds",
        nargs="+",
        type=lambda text: text.replace("-", " "),
        choices=["patch", "scratch", "stain", "hole", "missing part"],
        metavar="KIND",
        help="patch, scratch, stain, hole, missing-part (default: all)",
    )
    parser.add_argument(
        "--size", type=int, default=224, metavar="PIXELS", help="longer side (default 224)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same gives the same (default 0)")
    add_bit_depth(parser)


def run(options: argparse.Namespace) -> int:
    """`anomalygpt simulate`: status 1 when a photo could not be read.

    Raises:
        ConfigError: a number is outside its range, or nothing is to be written.
        DataError: the folder has no photos of good parts.
        SourceError: none of the photos can be read.
        OutputError: a result cannot be written, or would replace a photo.
    """
    from anomalygpt.cli.simulation_examples import Photos, examples
    from anomalygpt.cli.simulation_sheet import cell, sheet
    from anomalygpt.data import normal_images
    from anomalygpt.images.reading import common_bit_depth
    from anomalygpt.progress import with_bar
    from anomalygpt.results.pictures import save_image

    _check_options(options)
    paths = normal_images(options.root, options.category)
    _check_outputs(options, paths)
    depth = options.bit_depth or common_bit_depth(paths)
    photos = Photos(paths, options.size, depth)
    panels, lines = [], []
    for example in with_bar(examples(photos, options), options.count):
        if options.preview:
            panels.append(cell(example))
        if options.output:
            lines.append(_write_example(example, options))
    if options.output:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_atomically(options.output / "examples.jsonl", lambda file: file.write(text.encode()))
    if options.preview:
        save_image(sheet(panels), options.preview)
    for place in (options.preview, options.output):
        if place:
            print(f"written: {place}")
    return SOME_FAILED if photos.unreadable else OK


def _check_options(options: argparse.Namespace) -> None:
    from anomalygpt.images.reading import MIN_SIDE

    for name, low, high in (
        ("count", 1, MOST_EXAMPLES),
        ("size", MIN_SIDE, LARGEST_SIZE),
        ("seed", 0, 2**63 - 1),
    ):
        value = getattr(options, name)
        if not low <= value <= high:
            raise ConfigError(f"--{name} is a whole number from {low} to {high}, got {value}")
    if not options.preview and not options.output:
        raise ConfigError("nothing to write: give --preview SHEET.png, --output DIR, or both")


def _check_outputs(options: argparse.Namespace, paths: Sequence[Path]) -> None:
    """Refuse, before any work is done, what cannot be written or would replace a photo."""
    from anomalygpt.results.pictures import picture_format

    if options.preview:
        if options.preview.is_dir():
            raise OutputError(f"{options.preview} is a folder; give --preview the name of a file")
        picture_format(options.preview)
        if options.preview.resolve() in {path.resolve() for path in paths}:
            raise OutputError(
                f"{options.preview} is one of the photos and would be overwritten; choose another"
            )
    if options.output:
        if options.output.exists() and not options.output.is_dir():
            raise OutputError(f"{options.output} is a file; give --output the name of a folder")
        if options.output.resolve() in {path.parent.resolve() for path in paths}:
            raise OutputError(
                f"{options.output} holds the photos, and results among them would be taken for "
                "photos; choose another folder"
            )


def _write_example(example: Example, options: argparse.Namespace) -> dict[str, object]:
    """Write the pictures of an example, and say what belongs into its line."""
    import numpy as np
    from PIL import Image

    from anomalygpt.results.pictures import save_image

    pictures = {
        "image": example.image,
        "simulated": example.anomaly.image,
        "mask": example.anomaly.mask.astype(np.uint8) * np.uint8(255),
    }
    names = {name: f"{example.index:03d}_{name}.png" for name in pictures}
    for name, pixels in pictures.items():
        save_image(Image.fromarray(pixels), options.output / names[name])
    return {
        "index": example.index,
        "seed": options.seed,
        "category": options.category,
        "photo": str(example.photo),
        "source": None if example.source is None else str(example.source),
        **names,
        "facts": dataclasses.asdict(example.facts),
        "published": _turns(example.published),
        "dialogue": _turns(example.dialogue),
    }


def _turns(dialogue: Dialogue) -> list[dict[str, str]]:
    return [{"question": question, "answer": answer} for question, answer in dialogue]
