"""On how many good and damaged photos evidence for experts marks something: ours, and published.

    python scripts/measure_highlights.py DATA --category NAME... --shots 1 4 --seeds 0 --limit 40
    python scripts/measure_highlights.py --picture FILE.jpg

Each test photo is inspected with references drawn as by `anomalygpt evaluate`. Counted is whether
a picture differs from the photo: ours with contours around the regions, and the same map drawn by
the published rules for PatchCore (GrabCut, divided by its maximum) and AnomalyCLIP (min-max), with
boxes. Their highlight and heatmap colour every photo and are not counted.

`--picture` draws both over a damaged and a good photo of examples/ instead.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from anomalygpt import AnomalyGPT, AnomalyGPTError, Inspection
from anomalygpt.data import open_data
from anomalygpt.errors import ConfigError
from anomalygpt.evaluation.protocol import CategoryPlan, plan
from anomalygpt.evaluation.settings import EvaluationSettings
from anomalygpt.files import write_atomically
from anomalygpt.images.reading import load_image
from anomalygpt.progress import with_bar
from anomalygpt.results.highlights import PICTURES, highlighted, in_words
from anomalygpt.results.pictures import picture_format
from anomalygpt.results.published_highlights import (
    MAP_NOTATIONS,
    Normalisation,
    foreground_of,
    from_map,
    from_mask,
)
from decoder import MemoryBank

RULES: dict[str, Normalisation] = {"PatchCore": "max", "AnomalyCLIP": "min-max"}
COLUMNS = ("ours", *RULES)

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SHOWN = (("damaged", "scratched"), ("good", "good_2"))
PANEL, LINE, MARGIN = (280, 210), 26, 8


@dataclass
class Counts:
    """Photos on which something is marked, by who marks and whether the part is good."""

    photos: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})
    marked: dict[tuple[str, bool], int] = field(
        default_factory=lambda: {(who, bad): 0 for who in COLUMNS for bad in (False, True)}
    )

    def add(self, marks: dict[str, bool], bad: bool) -> None:
        self.photos[bad] += 1
        for who, is_marked in marks.items():
            self.marked[who, bad] += is_marked

    def cells(self) -> list[str]:
        """Numbers of photos, and shares in percent."""
        shares = [
            f"{100 * self.marked[who, bad] / self.photos[bad]:.0f}" if self.photos[bad] else "–"
            for who in COLUMNS
            for bad in (False, True)
        ]
        return [str(self.photos[False]), str(self.photos[True]), *shares]

    @classmethod
    def together(cls, counts: Iterable[Counts]) -> Counts:
        """All photos of several, each weighing the same."""
        total = cls()
        for each in counts:
            for bad, number in each.photos.items():
                total.photos[bad] += number
            for key, number in each.marked.items():
                total.marked[key] += number
        return total


def marks(
    photo: Image.Image, inspection: Inspection, foreground: np.ndarray | None = None
) -> dict[str, bool]:
    """Who marks something on a photo, whose `foreground_of` may be known."""
    ours = highlighted(photo, inspection, "contour", max_side=max(photo.size))
    found = {"ours": _differ(ours, photo)}
    plain = from_mask(photo, None, "bbox")
    anomaly_map = inspection.map_at((plain.height, plain.width))
    for name, rule in RULES.items():
        drawn = from_map(photo, anomaly_map, "bbox", normalisation=rule, foreground=foreground)
        found[name] = _differ(drawn.convert("RGB"), plain)
    return found


def _differ(first: Image.Image, second: Image.Image) -> bool:
    return not np.array_equal(np.asarray(first), np.asarray(second))


def measured(assistant: AnomalyGPT, product: CategoryPlan) -> dict[int, Counts]:
    """By number of references, over all draws."""
    banks = [
        (trial.shots, assistant.remember(trial.order[: trial.shots])) for trial in product.trials
    ]
    found = {shots: Counts() for shots, _ in banks}
    samples = product.samples
    for sample in with_bar(samples, len(samples), f"photos of {product.category}"):
        photo = load_image(sample.image)
        encoded, foreground = assistant.encode([sample.image]), foreground_of(photo)
        for shots, bank in banks:
            (inspection,) = assistant.judge(assistant.examine(encoded, bank))
            found[shots].add(marks(photo, inspection, foreground), sample.is_anomalous)
    return found


def table(found: dict[str, dict[int, Counts]], shots: Sequence[int]) -> str:
    """Markdown, a row for every product and number of references, and one over all photos."""
    heads = [f"{who}, {kind}" for who in COLUMNS for kind in ("good", "damaged")]
    lines = [
        "| product | references | good photos | damaged photos | " + " | ".join(heads) + " |",
        "|---" + "|---:" * (len(heads) + 3) + "|",
    ]
    rows = list(found.items())
    rows.append(("all", {n: Counts.together(each[n] for each in found.values()) for n in shots}))
    for name, counts in rows:
        cells = [[name, str(number), *counts[number].cells()] for number in shots]
        lines += [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join(lines) + "\n"


def measure(options: argparse.Namespace) -> str:
    """The table, as markdown.

    Raises:
        AnomalyGPTError: the data, the model or an option cannot be used.
    """
    if options.data is None or not options.category:
        raise ConfigError("give DATA and --category NAME... to measure, or --picture FILE to draw")
    settings = EvaluationSettings(
        options.data,
        dataset="mvtec",
        shots=tuple(options.shots),
        seeds=tuple(options.seeds),
        limit=options.limit,
    )
    if 0 in options.shots:
        raise ConfigError("--shots counts references, from 1 on: maps are compared with good parts")
    assistant = AnomalyGPT.from_pretrained(options.model, device="cpu")
    found = {}
    for product in plan(open_data(options.data, "mvtec", options.category), settings):
        found[product.category] = measured(assistant, product)
    return table(found, options.shots)


def sheet(assistant: AnomalyGPT, part: str = "plate") -> Image.Image:
    """Ours and the published pictures of a damaged and a good photo of an example, side by side."""
    bank = assistant.remember([EXAMPLES / part / "good_1.jpg"])
    return _stacked(
        [_block(kind, EXAMPLES / part / f"{name}.jpg", assistant, bank) for kind, name in SHOWN]
    )


def _block(kind: str, photo: Path, assistant: AnomalyGPT, bank: MemoryBank) -> Image.Image:
    inspection = assistant.inspect(photo, bank)
    ours = {name: highlighted(photo, inspection, name) for name in PICTURES}
    kept = foreground_of(photo)
    published = {
        name: from_map(photo, inspection.anomaly_map, name, foreground=kept)
        for name in MAP_NOTATIONS
    }
    words = _written(in_words(inspection), len(PICTURES) * (PANEL[0] + MARGIN) - MARGIN)
    parts = [
        _titled(f"{kind} part: ours", _row(ours)),
        _titled("the published rule of PatchCore, same map", _row(published)),
        _titled("ours: words", words),
    ]
    return _stacked(parts)


def _row(pictures: Mapping[str, Image.Image]) -> Image.Image:
    """Pictures beside each other, each under the name of its notation."""
    made = Image.new(
        "RGB", (len(PICTURES) * (PANEL[0] + MARGIN) - MARGIN, LINE + PANEL[1]), "white"
    )
    draw = ImageDraw.Draw(made)
    for column, name in enumerate(PICTURES):
        left = column * (PANEL[0] + MARGIN)
        title = name if name in pictures else f"{name}: none from maps"
        draw.text((left, 0), title, fill="black", font=_font())
        if name in pictures:
            made.paste(pictures[name].convert("RGB").resize(PANEL), (left, LINE))
    return made


def _titled(title: str, below: Image.Image) -> Image.Image:
    made = Image.new("RGB", (below.width, LINE), "white")
    ImageDraw.Draw(made).text((0, 0), title, fill=(0, 70, 160), font=_font())
    return _stacked([made, below])


def _stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    height = sum(each.height for each in pictures) + MARGIN
    made = Image.new("RGB", (pictures[0].width, height), "white")
    top = 0
    for each in pictures:
        made.paste(each, (0, top))
        top += each.height
    return made


def _written(text: str, width: int) -> Image.Image:
    """Lines of text on a light ground."""
    letters = int((width - 2 * MARGIN) * len(text) / _font().getlength(text.replace("\n", " ")))
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, letters)]
    made = Image.new("RGB", (width, LINE * len(lines) + MARGIN), (240, 240, 240))
    draw = ImageDraw.Draw(made)
    for number, line in enumerate(lines):
        draw.text((MARGIN, LINE * number + 4), line, fill="black", font=_font())
    return made


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(18)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("data", type=Path, nargs="?", help="folder with products, laid out as MVTec")
    made.add_argument("--category", nargs="+", metavar="NAME")
    made.add_argument("--model", default="embedded", metavar="MODEL", help="embedded, or a folder")
    made.add_argument("--shots", nargs="+", type=int, default=[1, 4], help="references")
    made.add_argument("--seeds", nargs="+", type=int, default=[0], help="a draw of references each")
    made.add_argument(
        "--limit", type=int, help="test photos of each product, half of them good (default all)"
    )
    made.add_argument("--output", type=Path, metavar="FILE.md")
    made.add_argument("--picture", type=Path, metavar="FILE", help="draw the examples instead")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        if options.picture is not None:
            kind, _ = picture_format(options.picture)
            made = sheet(AnomalyGPT.from_pretrained(options.model, device="cpu"))
            made.save(options.picture, kind, quality=80)
            print(f"written: {options.picture}")
            return 0
        text = measure(options)
    except (AnomalyGPTError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text, end="")
    if options.output:
        write_atomically(options.output, lambda file: file.write(text.encode()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
