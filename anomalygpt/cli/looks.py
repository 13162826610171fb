"""`anomalygpt data clean`, `outliers`, `view` and `augment`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anomalygpt.cli.shared import add_model_options
from anomalygpt.cli.status import OK, SOME_FAILED, say
from anomalygpt.cli.tooling import Parts, add_layout, told, tool

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from anomalygpt.data.tools.looking import Seen

_SPLITS = ("train", "validation", "test")
_MOST_PRINTED = 5


def add_tools(parts: Parts) -> None:
    """These tools, as subcommands of `anomalygpt data`."""
    _add_clean(parts)
    _add_outliers(parts)
    _add_view(parts)
    _add_augment(parts)


# --- clean ---------------------------------------------------------------------------------------


def _add_clean(parts: Parts) -> None:
    parser = tool(
        parts,
        "clean",
        "propose blurred, dark, over-exposed, cropped and duplicate photos to look at",
        "Look for blurred, dark, over-exposed and cropped photos, for those that are there twice "
        "or nearly, and for those that cannot be read. They are ranked and written with pictures; "
        "nothing is moved or deleted. Status 1: some cannot be read.",
        _clean,
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="photos, folders or patterns")
    _add_output(parser, "clean.html, clean.csv and clean.json")


def _add_output(parser: argparse.ArgumentParser, files: str) -> None:
    parser.add_argument("--output", metavar="DIR", required=True, help=f"the folder for {files}")


def _clean(options: argparse.Namespace) -> int:
    from anomalygpt.data.tools.cleaning import FAULTS, clean, write_proposals
    from anomalygpt.files import shown
    from anomalygpt.progress import with_bar

    measured, proposals = clean(options.photos, progress=with_bar)
    files = write_proposals(Path(options.output), measured, proposals)
    print(f"{len(measured)} photos, {len({each.path for each in proposals})} to look at")
    for fault in FAULTS:
        mine = [each for each in proposals if each.fault == fault]
        if mine:
            print(f"\n{fault} ({len(mine)})")
        for each in mine[:_MOST_PRINTED]:
            twin = f", copy of {shown(each.twin)}" if each.twin else ""
            print(f"    {shown(each.path)}: {each.detail}{twin}")
        if len(mine) > _MOST_PRINTED:
            print(f"    ... and {len(mine) - _MOST_PRINTED} more")
    say(f"{files[-1]} written")
    return SOME_FAILED if any(each.size is None for each in measured) else OK


# --- outliers and view ---------------------------------------------------------------------------


def _add_outliers(parts: Parts) -> None:
    parser = tool(
        parts,
        "outliers",
        "propose photos unlike the others, by an Isolation Forest on the model's features",
        "Rank photos by how unlike the others they are, by an Isolation Forest on the features of "
        "the model's image encoder. They are written with pictures; nothing is moved or deleted. "
        "Status 1: some cannot be read.",
        _outliers,
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="photos, folders or patterns")
    _add_output(parser, "outliers.html, outliers.csv and outliers.json")
    parser.add_argument(
        "--share", type=float, default=0.05, help="so many are proposed (default 0.05)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the forest (default 0)")
    add_model_options(parser)


def _add_view(parts: Parts) -> None:
    parser = tool(
        parts,
        "view",
        "a page that shows all photos on a plane, those that are alike together",
        "Draw all photos on the plane that shows most of their differences (PCA of the model's "
        "features), with pictures on hover. Status 1: some cannot be read.",
        _view,
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="photos, folders or patterns")
    _add_output(parser, "view.html and view.csv")
    parser.add_argument(
        "--colour",
        choices=["label", "version", "folder"],
        default="label",
        help="by good or bad as folders say it, by folders such as 20240910_V0_raw, or by the "
        "folder (default label)",
    )
    add_model_options(parser)


def _see(options: argparse.Namespace) -> Seen:
    from anomalygpt.data.tools.collecting import collect
    from anomalygpt.data.tools.looking import see
    from anomalygpt.progress import with_bar

    paths = collect(options.photos)
    return see(paths, _encoding(options), with_bar)


def _encoding(options: argparse.Namespace) -> Callable[[Sequence[Image.Image]], np.ndarray]:
    from anomalygpt.cli.assistant import assistant_of

    assistant = assistant_of(options, needs_words=False)

    def encode(pictures: Sequence[Image.Image]) -> np.ndarray:
        found: np.ndarray = (
            assistant.encode(list(pictures)).features.embedding.float().cpu().numpy()
        )
        return found

    return encode


def _outliers(options: argparse.Namespace) -> int:
    from anomalygpt.data.tools.looking import outliers, write_outliers
    from anomalygpt.files import shown

    seen = _see(options)
    found = outliers(seen, options.share, options.seed)
    files = write_outliers(Path(options.output), found)
    proposed = [each for each in found if each.is_proposed]
    print(f"{len(found)} photos, {len(proposed)} to look at")
    for each in proposed[:_MOST_PRINTED]:
        print(f"    {each.score:.3f}  {shown(each.path)}")
    say(f"{files[-1]} written")
    return _unreadable(seen)


def _view(options: argparse.Namespace) -> int:
    from anomalygpt.data.tools.looking import plane, write_view

    seen = _see(options)
    places, explained = plane(seen)
    files = write_view(Path(options.output), seen, places, explained, options.colour)
    shares = " and ".join(f"{100 * share:.1f} %" for share in explained)
    print(f"{len(seen.paths)} photos; the axes explain {shares} of the variance")
    say(f"{files[0]} written")
    return _unreadable(seen)


def _unreadable(seen: Seen) -> int:
    from anomalygpt.files import shown

    for path in seen.unreadable:
        say(f"{shown(path)} cannot be read, left out")
    return SOME_FAILED if seen.unreadable else OK


# --- augment -------------------------------------------------------------------------------------


def _add_augment(parts: Parts) -> None:
    parser = tool(
        parts,
        "augment",
        "changed copies of photos with their masks, each with its parent written down",
        "Make a data set of photos and changed copies, in MVTec AD's layout with meta.json. A copy "
        "stays in the split of its parent, which parents.json names: none of a test photo comes "
        "into training. Each value is a copy of its own. Status 1: some photos or masks could not "
        "be used.",
        _augment,
    )
    parser.add_argument("root", metavar="ROOT", help="the data set")
    parser.add_argument("output", metavar="OUTPUT", help="the new folder")
    add_layout(parser)
    for option, what in (
        ("--turn", "degrees anticlockwise, such as 45 90 135"),
        ("--brightness", "factors, such as 0.8 1.2"),
        ("--contrast", "factors around the mean"),
        ("--noise", "standard deviations of Gaussian noise, in levels of 255"),
        ("--salt-pepper", "shares of pixels that become black or white"),
        ("--resize", "factors of both sides"),
    ):
        parser.add_argument(option, nargs="+", type=float, default=[], metavar="N", help=what)
    parser.add_argument(
        "--fill",
        choices=["reflect", "edge", "black"],
        default="reflect",
        help="what lies around a turned photo (default reflect: the photo, mirrored)",
    )
    parser.add_argument(
        "--splits",
        nargs="+",
        choices=_SPLITS,
        default=["train"],
        help="of which photos there are copies (default train)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the noise (default 0)")


def _augment(options: argparse.Namespace) -> int:
    from anomalygpt.data.tools.augmenting import Changes, augment
    from anomalygpt.progress import with_bar

    changes = Changes(
        turns=tuple(options.turn),
        brightness=tuple(options.brightness),
        contrast=tuple(options.contrast),
        gaussian=tuple(options.noise),
        salt_pepper=tuple(options.salt_pepper),
        resize=tuple(options.resize),
        fill=options.fill,
        seed=options.seed,
    )
    made = augment(
        options.root,
        options.output,
        changes,
        layout=options.dataset,
        splits=options.splits,
        progress=with_bar,
    )
    print(f"{made.output}: {made.originals} photos and {made.copies} copies")
    return told(Path(options.root), made.findings)
