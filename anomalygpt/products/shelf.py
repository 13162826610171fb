"""Memory banks of products: kept on the disk and in memory, read again where one is damaged."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import logging
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from anomalygpt.errors import MissingPartError, OutputError
from anomalygpt.files import write_atomically
from anomalygpt.images.reading import common_bit_depth
from anomalygpt.products.product import Product
from anomalygpt.records.blobs import Blobs
from anomalygpt.references.filling import Named, add_to, detail_of, fill
from anomalygpt.references.library import Watch, unwatched
from anomalygpt.references.pictures import PICTURES_VERSION
from decoder import DecoderError, MemoryBank

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT

_SUFFIX = ".safetensors"
_LOG = logging.getLogger(__name__)


class Shelf:
    """Banks by what they were made of. Threads and processes may share a folder."""

    def __init__(self, folder: Path, blobs: Blobs, most: int = 24) -> None:
        """
        Args:
            folder: of bank files; made when it is needed.
            blobs: where photos are.
            most: banks that are kept in memory, the last used.
        """
        self._folder, self._blobs, self._most = folder, blobs, most
        self._banks: OrderedDict[str, MemoryBank] = OrderedDict()
        self._lock = threading.Lock()

    def bank(self, product: Product, assistant: AnomalyGPT, watch: Watch = unwatched) -> MemoryBank:
        """The product's bank, with its limit and the places that do not count.

        Args:
            product: one with a reference.
            assistant: that will compare with it.
            watch: is handed the references where they have to be read.

        Raises:
            MissingPartError: the product has no reference.
            RecordsError, ImageError: a reference was deleted or is damaged.
        """
        if all(each.accepted for each in product.references):
            raise MissingPartError(
                f"{product.name} has no photo of a good part yet; add one with `anomalygpt product "
                f"add {product.name!r} --reference PHOTO`"
            )
        key = bank_key(product, assistant)
        with self._lock:
            whole = self._banks.get(key)
        if whole is None:
            whole = self._from_disk(key, assistant) or self._made(product, assistant, key, watch)
            with self._lock:
                self._banks[key] = whole
                while len(self._banks) > self._most:
                    self._banks.popitem(last=False)
        found = copy.copy(whole)
        found.limit = product.limit
        found.ignored = None if product.ignored is None else read_mask(product.ignored)
        return found

    def _from_disk(self, key: str, assistant: AnomalyGPT) -> MemoryBank | None:
        """A bank that was kept; a file that is not whole is thrown away."""
        for path in sorted(self._folder.glob(f"{key}-*{_SUFFIX}")):
            try:
                if hashlib.sha256(path.read_bytes()).hexdigest() == path.stem.partition("-")[2]:
                    return MemoryBank.load(path, assistant.device)
                _LOG.warning("%s is damaged; the references are read again", path)
            except (DecoderError, OSError) as error:
                _LOG.warning("%s is not used: %s", path, error)
            path.unlink(missing_ok=True)
        return None

    def _made(self, product: Product, assistant: AnomalyGPT, key: str, watch: Watch) -> MemoryBank:
        library, settings = assistant.library, product.settings
        kind = assistant.config.decoder.formulation
        detail = settings.detail if kind == "normalised" else "whole"
        bank = library.new_bank(fixed_pose=settings.fixed_pose, detail=detail)
        firm = [each for each in product.references if not each.accepted]
        paths = [self._blobs.path(each.photo) for each in firm]
        bank.bit_depth = settings.bit_depth or common_bit_depth(paths)
        names = {str(self._blobs.path(each.photo)): each.name for each in product.references}
        for each in product.references:
            self._blobs.get(each.photo)  # a damaged photo must not become what good parts are

        def one(path: Path, turns: int, number: int) -> Named:
            look = detail_of(detail, number)
            pose = (turns, settings.flips, settings.fixed_pose)
            return names[str(path)], *library.encoded(path, *pose, bank.bit_depth, look)

        def read(turns: int) -> list[Named]:
            seen = watch(list(paths), len(paths), "references")
            return [one(Path(str(path)), turns, number) for number, path in enumerate(seen)]

        fill(bank, read, len(paths), kind, settings.rotations)
        with bank.scale_kept():
            for number, each in enumerate(product.references):
                if each.accepted:
                    # As it is: turned copies of an odd part would hide damage of others.
                    name, mark, reference = one(self._blobs.path(each.photo), 1, number)
                    add_to(bank, reference, name, mark)
        _work_out(bank, assistant, paths[0])
        self._keep(bank, key)
        return bank

    def _keep(self, bank: MemoryBank, key: str) -> None:
        """On the disk, where that is possible: without it the references are read again."""
        partial = self._folder / f".{key}.{threading.get_ident()}.partial"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            bank.save(partial)
            content = partial.read_bytes()
            name = f"{key}-{hashlib.sha256(content).hexdigest()}{_SUFFIX}"
            write_atomically(self._folder / name, lambda file: file.write(content))
        except (DecoderError, OutputError, OSError) as error:
            _LOG.warning("the bank is not kept: %s", error)
        finally:
            partial.unlink(missing_ok=True)


def bank_key(product: Product, assistant: AnomalyGPT) -> str:
    """32 hexadecimal digits, the same for the same references, looked at in the same way by the
    same encoder."""
    settings = product.settings
    parts = [
        assistant.encoder_id,
        str(assistant.photos.dtype),
        assistant.config.decoder.formulation,
        PICTURES_VERSION,
        [each.photo for each in product.references],
        [each.name for each in product.references],
        [each.accepted for each in product.references],
        [settings.rotations, settings.flips, settings.fixed_pose, settings.detail],
        settings.bit_depth,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def read_mask(content: bytes) -> torch.Tensor:
    """(h, w) bool: a mask over the square of the map, from PNG."""
    with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
        return torch.from_numpy(np.asarray(picture.convert("L")) > 127)


def _work_out(bank: MemoryBank, assistant: AnomalyGPT, photo: Path) -> None:
    """Let the bank find out how far good parts lie apart, which takes seconds, and is then kept
    with it."""
    assistant.examine(assistant.encode([photo], bit_depth=bank.bit_depth), bank)
