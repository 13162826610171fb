"""What a plant keeps, as options of a command name it."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from anomalygpt.errors import SourceError

if TYPE_CHECKING:
    from anomalygpt.products.plant import Plant


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
