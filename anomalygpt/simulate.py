"""`anomalygpt simulate`: simulated anomalies on a sheet for a person to look at, and as files.

What training draws by the thousand is shown here before anything is trained: each photo before
and after, the label, and what is said about it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from anomalygpt.cli import OK, SOME_FAILED
from anomalygpt.errors import ConfigError, ImageError, OutputError, SourceError
from anomalygpt.image_io import MIN_SIDE, common_bit_depth, load_image, write_atomically
from anomalygpt.progress import with_bar
from anomalygpt.visualization import picture_format, save_image
from simulation import SimulatedAnomaly, profile_for, simulate
from simulation.dialogues import Facts, facts_of, inspection_dialogue, published_dialogue

MOST_EXAMPLES = 200
LARGEST_SIZE = 4096

# Questions per conversation; more do not fit on a sheet.
_TURNS = (1, 3)

# The sheet, in pixels.
_COLUMNS = 4
_PANEL = 140
_GAP = 6
_MARGIN = 16
_LETTERS = 13
_LINE = 16
_PAPER, _INK, _FAINT, _QUESTION = (255, 255, 255), (20, 20, 20), (120, 120, 120), (20, 70, 150)
_LABEL_COLOUR = (255, 90, 0)


Dialogue = list[tuple[str, str]]


@dataclass(frozen=True)
class Example:
    """One simulated anomaly with everything that is known about it.

    Attributes:
        index: from 0.
        photo: the good photo.
        source: the photo that patches were cut from; None where there is only one.
        image: (H, W, 3) uint8, the good photo as it was simulated on.
        anomaly: the simulated one, its label and its defects.
        facts: what the masks say.
        published: the published question and answer.
        dialogue: a conversation about it.
    """

    index: int
    photo: Path
    source: Path | None
    image: np.ndarray
    anomaly: SimulatedAnomaly
    facts: Facts
    published: Dialogue
    dialogue: Dialogue


def run(options: argparse.Namespace) -> int:
    """`anomalygpt simulate`: status 1 when a photo could not be read.

    Raises:
        ConfigError: a number is outside its range, or nothing is to be written.
        DataError: the folder has no photos of good parts.
        SourceError: none of the photos can be read.
        OutputError: a result cannot be written, or would replace a photo.
    """
    from anomalygpt.data import normal_images

    _check_options(options)
    paths = normal_images(options.root, options.category)
    _check_outputs(options, paths)
    depth = options.bit_depth or common_bit_depth(paths)
    photos = _Photos(paths, options.size, depth)
    panels, lines = [], []
    for example in with_bar(_examples(photos, options), options.count):
        if options.preview:
            panels.append(_cell(example))
        if options.output:
            lines.append(_write_example(example, options))
    if options.output:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_atomically(options.output / "examples.jsonl", lambda file: file.write(text.encode()))
    if options.preview:
        save_image(_sheet(panels), options.preview)
    for place in (options.preview, options.output):
        if place:
            print(f"written: {place}")
    return SOME_FAILED if photos.unreadable else OK


def _check_options(options: argparse.Namespace) -> None:
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


# --- simulating ---------------------------------------------------------------------------------


class _Photos:
    """Photos of good parts, read when they are needed.

    Attributes:
        unreadable: those that could not be read, each named once on stderr.
    """

    def __init__(self, paths: Sequence[Path], size: int, bit_depth: int | None) -> None:
        self._paths = list(paths)
        self._size = size
        self._bit_depth = bit_depth
        self.unreadable: set[Path] = set()

    def read(self, path: Path) -> np.ndarray | None:
        """(H, W, 3) uint8, the longer side at most `size`; None, with a message, if unreadable."""
        if path in self.unreadable:
            return None
        try:
            photo = load_image(path, self._bit_depth)
        except ImageError as error:
            self.unreadable.add(path)
            tqdm.write(f"anomalygpt: skipped: {error}", sys.stderr)
            return None
        scale = min(1.0, self._size / max(photo.size))
        width, height = (max(1, round(side * scale)) for side in photo.size)
        return np.asarray(photo.resize((width, height), Image.Resampling.LANCZOS))

    def shuffled(self, generator: np.random.Generator) -> Iterator[tuple[Path, np.ndarray]]:
        """Every readable photo once in random order, then again; ends when none can be read."""
        while len(self.unreadable) < len(self._paths):
            for index in generator.permutation(len(self._paths)):
                pixels = self.read(self._paths[index])
                if pixels is not None:
                    yield self._paths[index], pixels

    def another(
        self, path: Path, generator: np.random.Generator
    ) -> tuple[Path, np.ndarray] | tuple[None, None]:
        """A photo of the same part beside this one, if there is one."""
        # Photos of one product lie in one folder, in every layout.
        others = [other for other in self._paths if other.parent == path.parent and other != path]
        for index in generator.permutation(len(others)):
            pixels = self.read(others[index])
            if pixels is not None:
                return others[index], pixels
        return None, None


def _examples(photos: _Photos, options: argparse.Namespace) -> Iterator[Example]:
    """As many examples as asked for; the same seed gives the same ones."""
    profile = profile_for(options.category)
    drawn = photos.shuffled(np.random.default_rng(options.seed))
    for index in range(options.count):
        path, image = next(drawn, (None, None))
        if path is None or image is None:
            raise SourceError(
                f"none of the {len(photos.unreadable)} photos of good parts in {options.root} "
                "can be read; see the lines above"
            )
        generator = np.random.default_rng([options.seed, index])
        source_path, source = photos.another(path, generator)
        anomaly = simulate(image, generator, source=source, profile=profile, kinds=options.kinds)
        facts = facts_of(anomaly.defects, anomaly.mask.shape)
        yield Example(
            index=index,
            photo=path,
            source=source_path,
            image=image,
            anomaly=anomaly,
            facts=facts,
            published=published_dialogue(facts, options.category),
            dialogue=inspection_dialogue(facts, generator, category=options.category, turns=_TURNS),
        )


# --- files --------------------------------------------------------------------------------------


def _write_example(example: Example, options: argparse.Namespace) -> dict[str, object]:
    """Write the pictures of an example, and say what belongs into its line."""
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


# --- the sheet ----------------------------------------------------------------------------------


def _cell(example: Example) -> Image.Image:
    """One example: three pictures in a row, and the text below."""
    font = ImageFont.load_default(_LETTERS)
    width = 3 * _PANEL + 2 * _GAP
    kinds = ", ".join(defect.kind or "unknown" for defect in example.anomaly.defects)
    text = [(line, _FAINT) for line in _wrapped(f"{example.index}: {kinds}", font, width)]
    for question, answer in example.dialogue:
        text += [(line, _QUESTION) for line in _wrapped(question, font, width)]
        text += [(line, _INK) for line in _wrapped(answer, font, width)]
    pictures = [_thumbnail(pixels) for pixels in _panels(example)]
    top = max(picture.height for picture in pictures)
    cell = Image.new("RGB", (width, top + _GAP + _LINE * len(text)), _PAPER)
    for column, picture in enumerate(pictures):
        left = column * (_PANEL + _GAP) + (_PANEL - picture.width) // 2
        cell.paste(picture, (left, (top - picture.height) // 2))
    draw = ImageDraw.Draw(cell)
    for row, (line, colour) in enumerate(text):
        draw.text((0, top + _GAP + row * _LINE), line, fill=colour, font=font)
    return cell


def _panels(example: Example) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The good photo, the simulated one, and its label over a faint photo."""
    grey = example.anomaly.image.mean(axis=2, keepdims=True) * 0.45 + 20
    strength = example.anomaly.label[..., None] * np.where(example.anomaly.mask[..., None], 1, 0.3)
    marked = grey + strength * (np.array(_LABEL_COLOUR) - grey)
    return example.image, example.anomaly.image, np.rint(marked).astype(np.uint8)


def _thumbnail(pixels: np.ndarray) -> Image.Image:
    picture = Image.fromarray(pixels)
    scale = _PANEL / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _wrapped(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[str]:
    """Lines that fit into a width in pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _sheet(cells: Sequence[Image.Image]) -> Image.Image:
    """Cells in rows of four, each row as high as its highest cell."""
    columns = min(_COLUMNS, len(cells))
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) + _MARGIN for row in rows]
    width = _MARGIN + columns * (cells[0].width + _MARGIN)
    sheet = Image.new("RGB", (width, _MARGIN + sum(heights)), _PAPER)
    top = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            sheet.paste(cell, (_MARGIN + column * (cell.width + _MARGIN), top))
        top += height
    return sheet
