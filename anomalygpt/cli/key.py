"""`anomalygpt key`: who may use the service."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from anomalygpt.cli.plants import add_place
from anomalygpt.cli.status import OK, plain

if TYPE_CHECKING:
    from anomalygpt.records.keys import Keys

SUMMARY = "make, list and revoke keys to the service"


def run(options: argparse.Namespace) -> int:
    """`anomalygpt key add|list|revoke`."""
    from anomalygpt.records.database import Database
    from anomalygpt.records.keys import Keys
    from anomalygpt.records.places import Place

    database = Database(Place.of(options.data, options.database))
    try:
        commands = {"add": _add, "list": _list, "revoke": _revoke}
        commands[options.key_command](Keys(database), options)
    finally:
        database.close()
    return OK


def _add(keys: Keys, options: argparse.Namespace) -> None:
    secret = keys.add(options.name, options.scope)
    print(secret)
    print("This is shown once: only its hash is kept. Send it as `Authorization: Bearer KEY`.")


def _list(keys: Keys, options: argparse.Namespace) -> None:
    for key in keys.all():
        state = f"revoked {key.revoked}" if key.revoked else "holds"
        print(plain(f"{key.name}: {', '.join(key.scopes)}; made {key.created}, {state}"))


def _revoke(keys: Keys, options: argparse.Namespace) -> None:
    key = keys.revoke(options.name)
    print(plain(f"{key.name} opens nothing any more"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `anomalygpt key`."""
    parser.description = (
        "Keys to `anomalygpt serve`. Each has a name, which the log shows, and scopes: read looks "
        "at products and inspections, inspect adds inspections, jobs and chats, manage changes "
        "products. From the first key on nobody comes in without one, this machine neither."
    )
    parts = parser.add_subparsers(dest="key_command", required=True, metavar="SUBCOMMAND")
    added = parts.add_parser("add", help="make a key and print it once")
    added.add_argument("name", metavar="NAME", help="who or what uses it")
    added.add_argument(
        "--scope",
        nargs="+",
        choices=["read", "inspect", "manage"],
        default=["read", "inspect"],
        metavar="SCOPE",
        help="read, inspect, manage (default read inspect)",
    )
    listed = parts.add_parser("list", help="name all keys, revoked ones too")
    revoked = parts.add_parser("revoke", help="let a key open nothing any more")
    revoked.add_argument("name", metavar="NAME", help="as `list` names it")
    for part in (added, listed, revoked):
        add_place(part)
