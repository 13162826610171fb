"""What a plant keeps, as options of a command name it."""

from __future__ import annotations

import argparse
import getpass
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from anomalygpt.errors import ConfigError, SourceError
from anomalygpt.files import shown

if TYPE_CHECKING:
    from anomalygpt.audit.journal import Entry
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.products.plant import Plant
    from anomalygpt.products.product import Product
    from anomalygpt.results.inspection import Inspection
    from decoder import MemoryBank

# How references are read: a product has its own settings for it.
_OF_REFERENCES = ("reference", "rotations", "flips", "fixed_pose", "detail", "formulation")


def add_place(parser: argparse._ActionsContainer) -> None:
    """Where products, photos and the log are."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="where products, photos and the log are kept (default: ANOMALYGPT_DATA, else "
        "anomalygpt in the user's folder for data)",
    )
    parser.add_argument(
        "--database",
        metavar="URL",
        help="postgresql://USER@HOST/NAME instead of a file there (better set "
        "ANOMALYGPT_DATABASE: other users of a machine can see arguments)",
    )


def plant_of(options: argparse.Namespace) -> Plant:
    """The plant that options name; it is made where it is not there.

    Raises:
        RecordsError, OutputError: it cannot be opened.
    """
    from anomalygpt.products.plant import Plant
    from anomalygpt.records.places import Place

    return Plant.open(Place.of(options.data, options.database))


@dataclass(frozen=True)
class Stored:
    """A product that is inspected.

    Attributes:
        plant: that keeps it.
        product: as it is now.
        weights: the hash of the model's weights, once it was needed.
    """

    plant: Plant
    product: Product
    weights: list[str] = field(default_factory=list)

    def bank(self, assistant: AnomalyGPT) -> MemoryBank:
        """Its memory bank, with a bar where references have to be read.

        Raises:
            MissingPartError: it has no reference.
        """
        from anomalygpt.progress import with_bar

        return self.plant.shelf.bank(self.product, assistant, with_bar)

    @property
    def first(self) -> Path | None:
        """A photo of a good part, as a file."""
        good = next(iter(self.product.references), None)
        return None if good is None else self.plant.blobs.path(good.photo)

    def record(self, inspection: Inspection, photo: str | Path, assistant: AnomalyGPT) -> Entry:
        """Put a finding on record.

        Args:
            inspection: with its map.
            photo: its file, or its place in a store.
            assistant: that made it.

        Raises:
            OutputError, RecordsError: it cannot be kept.
        """
        from anomalygpt.audit.journal import Circumstances
        from anomalygpt.evaluation.provenance import model_hash

        if not self.weights:
            self.weights.append(model_hash(assistant))
        circumstances = Circumstances(
            who=who(),
            model=self.product.settings.model,
            weights=self.weights[0],
            product=self.product,
            settings={"device": str(assistant.device), "description": inspection.description},
        )
        return self.plant.journal.write(inspection, _content(photo), circumstances)


def stored(options: argparse.Namespace) -> Stored | None:
    """The product that --product names, if it is one that is kept; its settings become options.

    With --knowledge it may also be one that only the knowledge tells of: None then, as without
    --product.

    Raises:
        SourceError: there is no such product.
        ConfigError: an option that the product itself decides.
    """
    if options.product is None:
        return None
    from anomalygpt.records.places import Place

    place = Place.of(options.data, options.database)
    knowledge = getattr(options, "knowledge", None)
    is_known_only = knowledge is not None
    if place.is_sqlite and not place.folder.exists():
        if is_known_only:
            return None
        raise SourceError(
            f"there is no product {shown(options.product)}: none is kept in {place.folder}; make "
            "it with `anomalygpt product add NAME --reference PHOTO`, or name the folder with "
            "--data"
        )
    plant = plant_of(options)
    try:
        product = plant.products.find(options.product)
    except SourceError:
        if is_known_only:
            return None
        raise
    _take_settings(options, product)
    return Stored(plant, product)


def _take_settings(options: argparse.Namespace, product: Product) -> None:
    """
    Raises:
        ConfigError: an option that the product itself decides.
    """
    given = [f"--{name.replace('_', '-')}" for name in _OF_REFERENCES if getattr(options, name)]
    for name in ("encoder", "mutual", "most_are_good"):
        given += [f"--{name.replace('_', '-')}"] if getattr(options, name, None) else []
    if options.model not in (None, product.settings.model):
        given.append("--model")
    if given:
        raise ConfigError(
            f"{', '.join(given)}: a product has its own references and settings; leave it out, or "
            "change the product with `anomalygpt product add`"
        )
    options.model = product.settings.model
    options.bit_depth = options.bit_depth or product.settings.bit_depth
    options.category = options.category or product.settings.category
    options.description = options.description or product.description
    options.product = product.settings.knowledge or product.name
    knowledge = getattr(options, "knowledge", None)
    if knowledge is None or not _is_in(knowledge, options.product):
        options.product = None  # all of the knowledge is searched


def _is_in(knowledge: Path, product: str) -> bool:
    from anomalygpt.knowledge.store import Knowledge, product_like

    return product_like(product, Knowledge.open(knowledge).products) is not None


def plant_there(options: argparse.Namespace) -> Plant:
    """The plant that options name; for commands that only look, or change what is there.

    Raises:
        SourceError: nothing is kept in that place.
        RecordsError, OutputError: it cannot be opened.
    """
    from anomalygpt.records.places import Place

    place = Place.of(options.data, options.database)
    if place.is_sqlite and not Path(place.url.partition(":///")[2]).exists():
        raise SourceError(
            f"nothing is on record in {place.folder}; name another folder with --data or "
            "ANOMALYGPT_DATA"
        )
    return plant_of(options)


def who() -> str:
    """Whoever types, as the log names them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        return "terminal"


def _content(photo: str | Path) -> bytes:
    """A photo's file; of a page of several, and of a photo in a store, its pixels."""
    from anomalygpt.bulk.sources import is_remote, read_photo
    from anomalygpt.images.pages import split_page
    from anomalygpt.serving.recording import png_of

    if is_remote(str(photo)):
        return png_of(read_photo(str(photo), None))
    file, page = split_page(Path(photo))
    return png_of(read_photo(str(photo), None)) if page else file.read_bytes()
