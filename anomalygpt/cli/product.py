"""`anomalygpt product`: what is inspected, set up once."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomalygpt.cli.plants import add_place, plant_of, who
from anomalygpt.cli.shared import add_part_options
from anomalygpt.cli.status import OK, plain, say
from anomalygpt.errors import AnomalyGPTError
from anomalygpt.files import shown

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.products.plant import Plant
    from anomalygpt.products.product import Product, Settings
    from anomalygpt.products.store import NewPhoto

SUMMARY = "keep products: references, settings, and a promised false-alarm rate"

_SETTINGS = ("model", "rotations", "detail", "bit_depth", "category", "false_alarms", "confidence")


def run(options: argparse.Namespace) -> int:
    """`anomalygpt product add|list|show|remove|export|import`."""
    does = {
        "add": _add,
        "list": _list,
        "show": _show,
        "remove": _remove,
        "export": _export,
        "import": _import,
    }
    return does[options.product_command](options)


def _add(options: argparse.Namespace) -> int:
    """Make a product, or add to one that is there."""
    from anomalygpt.products.product import Settings, checked_name
    from anomalygpt.products.store import Change

    plant = plant_of(options)
    name = checked_name(options.name)
    references, good = (_photos(sources) for sources in (options.reference, options.good))
    there = {each.casefold() for each in plant.products.names()}
    if name.casefold() in there:
        before = plant.products.find(name)
        change = Change(
            description=options.description,
            settings=_settings(options, before.settings),
            references=references,
            good=good,
        )
        product = plant.products.change(before.id, change, who=who())
        print(plain(f"changed: {product.name}, version {product.version}"))
    else:
        product = plant.products.add(
            name,
            references=references,
            description=options.description,
            settings=_settings(options, Settings()),
            who=who(),
        )
        print(plain(f"added: {product.name}"))
        if good:
            product = plant.products.change(product.id, Change(good=good), who=who())
    _prepare(plant, product)
    return OK


def _prepare(plant: Plant, product: Product) -> None:
    """Read new references, and measure the limit, so that inspections find both done."""
    from anomalygpt.products.calibration import calibrated
    from anomalygpt.progress import with_bar

    if not product.references:
        say(f"{shown(product.name)} has no photo of a good part yet; add one with --reference")
        return
    assistant = _assistant(product)
    plant.shelf.bank(product, assistant, with_bar)
    if product.settings.false_alarms is None or product.limit is not None:
        return
    try:
        product = calibrated(
            plant.products, plant.shelf, assistant, product, who=who(), watch=with_bar
        )
    except AnomalyGPTError as error:
        say(f"no limit yet, the language model decides: {error}")
    else:
        print(_promise(product))


def _list(options: argparse.Namespace) -> int:
    for product in plant_of(options).products.all():
        if options.json:
            print(json.dumps(product.to_dict()))
        else:
            count = len(product.references)
            limit = "no promise" if product.limit is None else _promise(product)
            print(plain(f"{product.name}: {count} reference{'s' * (count != 1)}, {limit}"))
    return OK


def _show(options: argparse.Namespace) -> int:
    product = plant_of(options).products.find(options.name)
    if options.json:
        print(json.dumps(product.to_dict(), indent=2))
        return OK
    settings = {
        name: value
        for name, value in product.settings.to_dict().items()
        if value not in (None, False)
    }
    lines = [
        f"{product.name}, version {product.version}, changed {product.changed[:19]}Z",
        f"description: {product.description or 'none'}",
        "settings: " + ", ".join(f"{name} {value}" for name, value in settings.items()),
        *(f"reference: {each.name} ({each.photo[:12]})" for each in product.references),
        f"further good parts: {len(product.good)}",
        "promise: none, the language model decides"
        if product.limit is None
        else f"promise: {_promise(product)}",
        *(["places that do not count: some"] if product.ignored is not None else []),
    ]
    print(plain("\n".join(lines), keep_lines=True))
    return OK


def _promise(product: Product) -> str:
    from anomalygpt.results.sentences import promise

    limit = product.limit
    assert limit is not None
    return f"{promise(limit)}, score limit {limit.score:.3f}"


def _remove(options: argparse.Namespace) -> int:
    from anomalygpt.products.store import Change

    plant = plant_of(options)
    if not options.photo:
        product = plant.products.remove(options.name, who=who())
        print(plain(f"removed: {product.name}; what was inspected by it stays in the log"))
        return OK
    product = plant.products.change(options.name, Change(removed=options.photo), who=who())
    print(plain(f"changed: {product.name}, version {product.version}"))
    _prepare(plant, product)
    return OK


def _export(options: argparse.Namespace) -> int:
    from anomalygpt.products.archive import export

    plant = plant_of(options)
    product = plant.products.find(options.name)
    path = export(product, plant.blobs, options.file)
    print(plain(f"written: {path}"))
    return OK


def _import(options: argparse.Namespace) -> int:
    from anomalygpt.products.archive import take_in

    plant = plant_of(options)
    product = take_in(options.file, plant.products, name=options.name, who=who())
    print(plain(f"added: {product.name}"))
    _prepare(plant, product)
    return OK


def _photos(sources: list[str]) -> list[NewPhoto]:
    from anomalygpt.images.listing import find_images
    from anomalygpt.products.store import NewPhoto

    if not sources:
        return []
    listing = find_images(sources)
    if note := listing.note():
        say(note)
    return [NewPhoto.of(path) for path in listing.photos]


def _settings(options: argparse.Namespace, before: Settings) -> Settings:
    """The settings that were typed, the others as they were."""
    given: dict[str, Any] = {
        name: getattr(options, name) for name in _SETTINGS if getattr(options, name) is not None
    }
    given |= {name: True for name in ("flips", "fixed_pose") if getattr(options, name)}
    return replace(before, **given)


def _assistant(product: Product) -> AnomalyGPT:
    from anomalygpt.model import AnomalyGPT

    return AnomalyGPT.from_pretrained(product.settings.model, map_only=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt product`."""
    parser.description = (
        "Products are set up once: photos of good parts, how they are looked at and, where wanted, "
        "how many false alarms there may be. `inspect --product NAME` uses them, so does the page."
    )
    parts = parser.add_subparsers(dest="product_command", required=True, metavar="SUBCOMMAND")
    added = _part(
        parts,
        "add",
        "make a product, or add photos and settings to one",
        "Make a product, or add photos and settings to one that is there. References are read now, "
        "and the limit is measured where one is wanted.",
    )
    added.add_argument("name", metavar="NAME", help="letters, digits, spaces and -_.")
    add_part_options(added)
    added.add_argument("--model", help="which model inspects it (default embedded)")
    added.add_argument(
        "--good",
        nargs="+",
        action="extend",
        default=[],
        metavar="PHOTO",
        help="further photos of good parts, no references, which the limit is measured on",
    )
    added.add_argument(
        "--false-alarms",
        type=float,
        metavar="SHARE",
        help="of good parts that may be called anomalous, such as 0.05; needs photos for --good, "
        "59 of them for 0.05 at 0.95",
    )
    added.add_argument(
        "--confidence", type=float, metavar="SHARE", help="of that promise (default 0.95)"
    )
    listed = _part(parts, "list", "name all products", "Name all products, one in each line.")
    listed.add_argument("--json", action="store_true", help="one JSON object in each line")
    shows = _part(parts, "show", "everything about one product", "Everything about one product.")
    shows.add_argument("name", metavar="NAME")
    shows.add_argument("--json", action="store_true", help="print one JSON object")
    removed = _part(
        parts,
        "remove",
        "forget a product, or photos of it",
        "Forget a product, or take photos out of it. What was inspected stays in the log.",
    )
    removed.add_argument("name", metavar="NAME")
    removed.add_argument(
        "--photo", nargs="+", metavar="PHOTO", help="only these photos, by name or SHA-256"
    )
    exported = _part(
        parts, "export", "write a product into one file", "Write a product with its photos, as ZIP."
    )
    exported.add_argument("name", metavar="NAME")
    exported.add_argument("file", type=Path, metavar="FILE")
    imported = _part(
        parts, "import", "read a product from such a file", "Read what `export` wrote."
    )
    imported.add_argument("file", type=Path, metavar="FILE")
    imported.add_argument("--name", metavar="NAME", help="what it is to be called here")


def _part(
    parts: argparse._SubParsersAction[argparse.ArgumentParser], name: str, short: str, whole: str
) -> argparse.ArgumentParser:
    part = parts.add_parser(name, help=short, description=whole)
    add_place(part)
    return part
