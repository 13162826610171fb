"""A product in one file, to carry it to another plant."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from anomalygpt.errors import DataError, OutputError
from anomalygpt.files import reason_of, shown, write_atomically
from anomalygpt.products.product import Product
from anomalygpt.products.store import NewPhoto, Products
from anomalygpt.records.blobs import Blobs

_FORMAT, _VERSION = "anomalygpt product", 1
_CARD, _MASK = "product.json", "ignored.png"
# Larger ones are none of ours.
_MOST_BYTES, _MOST_FILES = 4 * 1024**3, 5000


def export(product: Product, blobs: Blobs, path: Path) -> Path:
    """Write a product with all its photos.

    Args:
        product: what is written.
        blobs: where its photos are.
        path: a file that is not there yet.

    Raises:
        OutputError: it is there, or cannot be written.
        RecordsError: a photo is not there any more.
    """
    if path.exists():
        raise OutputError(f"{shown(path)} is there already; name another file")
    card = {"format": _FORMAT, "version": _VERSION, "product": product.to_dict()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_CARD, json.dumps(card, indent=2))
        if product.ignored is not None:
            archive.writestr(_MASK, product.ignored)
        for each in (*product.references, *product.good):
            archive.writestr(f"photos/{each.photo}", blobs.get(each.photo))
    return write_atomically(path, lambda file: file.write(buffer.getvalue()))


def take_in(path: Path, products: Products, *, name: str | None = None, who: str) -> Product:
    """Make a product of what `export` wrote.

    Args:
        path: the file.
        products: where it goes.
        name: what it is to be called; None for its own name.
        who: is named in the log.

    Raises:
        DataError: it is no such file, or damaged.
        ConfigError: the name is taken.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_size(archive, path)
            card = json.loads(archive.read(_CARD))
            if card["format"] != _FORMAT or card["version"] != _VERSION:
                raise DataError(
                    f"{shown(path)} is of version {card['version']}, this program reads {_VERSION}"
                )
            values: Mapping[str, Any] = card["product"]
            photos = {
                role: [
                    NewPhoto(str(each["name"]), archive.read(f"photos/{each['photo']}"))
                    for each in values[role]
                ]
                for role in ("references", "good")
            }
            mask = archive.read(_MASK) if values["ignores_places"] else None
            wanted = Product.from_dict(values, mask)
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{shown(path)} is no product that `anomalygpt product export` wrote: "
            f"{reason_of(error)}"
        ) from error
    for role, known in (("references", wanted.references), ("good", wanted.good)):
        for each, photo in zip(photos[role], known, strict=True):
            if products.blobs.put(each.content) != photo.photo:
                raise DataError(f"{shown(path)}: the photo {shown(each.name)} is damaged")
    made = products.add(
        name or wanted.name, references=photos["references"], settings=wanted.settings, who=who
    )
    return products.become(
        replace(wanted, id=made.id),
        who=who,
        kind="imported",
        why="as it was exported",
        expected_version=made.version,
    )


def _check_size(archive: zipfile.ZipFile, path: Path) -> None:
    """
    Raises:
        DataError: it would fill the disk.
    """
    infos = archive.infolist()
    if len(infos) > _MOST_FILES or sum(info.file_size for info in infos) > _MOST_BYTES:
        raise DataError(f"{shown(path)} is larger than any product; it is not read")
