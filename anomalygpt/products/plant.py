"""Everything that a plant keeps, opened together."""

from __future__ import annotations

from dataclasses import dataclass

from anomalygpt.audit.journal import Journal
from anomalygpt.products.shelf import Shelf
from anomalygpt.products.store import Products
from anomalygpt.records.blobs import Blobs
from anomalygpt.records.database import Database
from anomalygpt.records.places import Place


@dataclass(frozen=True)
class Plant:
    """What is kept in one place.

    Attributes:
        database, blobs: where it is.
        products: what is inspected.
        shelf: their memory banks.
        journal: what was found.
    """

    database: Database
    blobs: Blobs
    products: Products
    shelf: Shelf
    journal: Journal

    @classmethod
    def open(cls, place: Place) -> Plant:
        """Open a place; it is made where it is not there.

        Raises:
            RecordsError, OutputError: see `Database`.
        """
        database = Database(place)
        blobs = Blobs(place.folder / "photos")
        shelf = Shelf(place.folder / "banks", blobs)
        return cls(database, blobs, Products(database, blobs), shelf, Journal(database, blobs))

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()
