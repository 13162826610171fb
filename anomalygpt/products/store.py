"""Products in the database: made, found, changed and removed, each with a line in the log."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from anomalygpt.audit.chain import append
from anomalygpt.errors import ConfigError, ImageError, SourceError
from anomalygpt.files import shown
from anomalygpt.images.reading import load_image
from anomalygpt.products.product import GoodPhoto, Product, Settings, checked_name
from anomalygpt.records.blobs import Blobs
from anomalygpt.records.database import Database, now
from anomalygpt.records.tables import ProductPhotoRow, ProductRow
from decoder.limits import Limit

Role = Literal["reference", "good"]
# The role of a reference that does not tell the scale, see `GoodPhoto`.
_ACCEPTED = "accepted"


@dataclass(frozen=True)
class NewPhoto:
    """A photo on its way in.

    Attributes:
        name: what it is called.
        content: the file's bytes.
    """

    name: str
    content: bytes

    @classmethod
    def of(cls, path: Path) -> NewPhoto:
        """A file.

        Raises:
            ImageError: it cannot be read.
        """
        try:
            return cls(str(path), path.read_bytes())
        except OSError as error:
            raise ImageError(f"{shown(path)} cannot be read: {error.strerror}") from error


class Products:
    """All products of a database. Several threads and processes may use it.

    Attributes:
        database, blobs: where they are kept.
    """

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self.database, self.blobs = database, blobs

    def names(self) -> list[str]:
        """All names in their order."""
        with self.database.reading() as session:
            return list(session.scalars(select(ProductRow.name).order_by(ProductRow.key)))

    def all(self, after: str = "", most: int | None = None) -> list[Product]:
        """Products by name, some at a time.

        Args:
            after: name of the last one that is known; "" begins.
            most: so many at most.
        """
        wanted = select(ProductRow).where(ProductRow.key > after.casefold())
        with self.database.reading() as session:
            rows = session.scalars(wanted.order_by(ProductRow.key).limit(most))
            return [_product(row) for row in rows]

    def find(self, name: str) -> Product:
        """The product of a name, whatever its capitals, or of an identity.

        Raises:
            SourceError: there is none; names like it are told.
        """
        with self.database.reading() as session:
            return _product(self._row(session, name))

    def add(
        self,
        name: str,
        *,
        references: Sequence[NewPhoto] = (),
        description: str | None = None,
        settings: Settings | None = None,
        who: str,
    ) -> Product:
        """Make a product.

        Raises:
            ConfigError: the name is taken or none, or the same photo comes twice.
            ImageError: a photo cannot be used; it is named.
            OutputError, RecordsError: it cannot be kept.
        """
        name, settings = checked_name(name), settings or Settings()
        photos = self._kept(references, settings)
        at = now()
        with self.database.writing() as session:
            self._still_kept(references)
            if session.scalars(select(ProductRow).filter_by(key=name.casefold())).first():
                raise ConfigError(
                    f"there is a product {name!r} already; change it, or name another"
                )
            row = ProductRow(
                id=uuid4().hex,
                name=name,
                key=name.casefold(),
                description=description,
                settings=settings.to_dict(),
                version=1,
                limit=None,
                ignored=None,
                created=at,
                changed=at,
            )
            session.add(row)
            _add_photos(row, photos, "reference", at)
            session.flush()
            product = _product(row)
            append(session, "product.created", who, product.id, {"product": product.to_dict()})
        return product

    def change(self, name: str, change: Change, *, who: str, kind: str = "changed") -> Product:
        """Change a product; its version grows by one.

        New or fewer references, and other settings of how photos are looked at, take the limit
        away, which was measured with the former ones, unless the change brings a new one.

        Raises:
            SourceError: there is no such product, or no such photo in it.
            ConfigError: a photo is there already, or a name is taken.
            ImageError: a photo cannot be used; it is named.
        """
        settings = change.settings or self.find(name).settings
        references, good = (self._kept(new, settings) for new in (change.references, change.good))
        with self.database.writing() as session:
            self._still_kept((*change.references, *change.good))
            row = self._row(session, name)
            before = _product(row).to_dict()
            _expect(row, change.expected_version)
            if change.new_name is not None:
                self._rename(session, row, checked_name(change.new_name))
            for photo in change.removed:
                _remove_photo(row, photo)
            at = now()
            _add_photos(row, references, "reference", at)
            _add_photos(row, good, "good", at)
            if change.description is not None:
                row.description = change.description or None
            looks = _looks(row)
            row.settings = settings.to_dict()
            if change.limit is not None:
                row.limit = change.limit.to_dict()
            elif change.drops_limit or change.references or change.removed or looks != _looks(row):
                row.limit = None
            if change.ignored is not None:
                row.ignored = change.ignored or None
            product = self._changed(session, row, at)
            payload = {"before": before, "product": product.to_dict(), "why": change.why}
            append(session, f"product.{kind}", who, product.id, payload)
        return product

    def become(
        self,
        target: Product,
        *,
        who: str,
        kind: str,
        why: str,
        expected_version: int,
        also: Callable[[Session, Product], None] = lambda session, product: None,
    ) -> Product:
        """Make a product what it is in `target`, photo by photo and bit by bit, as a new version;
        only its name stays. Its photos must have been kept before.

        Args:
            target: whose description, settings, references, good photos, limit and ignored places
                are taken over.
            who, kind, why: what the log says.
            expected_version: the version that the target was made for.
            also: is called in the same transaction, with the product as it is then.

        Raises:
            SourceError: there is no such product any more.
            ConfigError: it was changed meanwhile.
            RecordsError: a photo of the target is not kept any more.
        """
        with self.database.writing() as session:
            row = self._row(session, target.id)
            before = _product(row).to_dict()
            _expect(row, expected_version)
            for each in (*target.references, *target.good):
                self.blobs.get(each.photo)
            row.description, row.settings = target.description, target.settings.to_dict()
            row.limit = None if target.limit is None else target.limit.to_dict()
            row.ignored = target.ignored
            row.photos.clear()
            session.flush()  # or a photo would be there twice for a moment
            _put_photos(row, "reference", target.references)
            _put_photos(row, "good", target.good)
            product = self._changed(session, row, now())
            payload = {"before": before, "product": product.to_dict(), "why": why}
            append(session, f"product.{kind}", who, product.id, payload)
            also(session, product)
        return product

    def remove(self, name: str, *, who: str) -> Product:
        """Forget a product; what was inspected by it stays in the log.

        Raises:
            SourceError: there is no such product.
        """
        with self.database.writing() as session:
            row = self._row(session, name)
            product = _product(row)
            session.delete(row)
            append(session, "product.removed", who, product.id, {"product": product.to_dict()})
        return product

    def _kept(self, photos: Sequence[NewPhoto], settings: Settings) -> list[tuple[str, str]]:
        """Names and SHA-256 of photos, which are put on the disk first: a killed process leaves a
        file that nobody knows, and no product without its photos."""
        found = [(each.name, self.blobs.put(each.content)) for each in photos]
        for name, photo in found:
            _check_photo(self.blobs.path(photo), name, settings)
        return found

    def _still_kept(self, photos: Sequence[NewPhoto]) -> None:
        """Within the transaction: whoever deletes old photos does so in one, too."""
        for each in photos:
            self.blobs.put(each.content)

    def _changed(self, session: Session, row: ProductRow, at: str) -> Product:
        """The product as its next version."""
        row.version += 1
        row.changed = at
        session.flush()
        if row.ignored is not None:  # the log names it; a version can be made again from it
            self.blobs.put(row.ignored)
        return _product(row)

    def _row(self, session: Session, name: str) -> ProductRow:
        wanted = (ProductRow.key == name.strip().casefold()) | (ProductRow.id == name)
        row = session.scalars(select(ProductRow).where(wanted)).first()
        if row is None:
            names = list(session.scalars(select(ProductRow.name)))
            near = difflib.get_close_matches(name, names, 3, 0.5) or sorted(names)[:6]
            there = f"there is {', '.join(near)}" if near else "there is none yet"
            raise SourceError(f"there is no product {shown(name[:80])}; {there}")
        return row

    def _rename(self, session: Session, row: ProductRow, name: str) -> None:
        other = session.scalars(select(ProductRow).filter_by(key=name.casefold())).first()
        if other is not None and other.id != row.id:
            raise ConfigError(f"there is a product {name!r} already; name another")
        row.name, row.key = name, name.casefold()


@dataclass(frozen=True)
class Change:
    """What is to be another in a product; what is left out stays.

    Attributes:
        new_name: another name.
        description: another description; "" for none.
        settings: other settings.
        references, good: photos to add, see `Product`.
        removed: SHA-256, or names, of photos to take out.
        limit: a limit that was measured with the references as they are then.
        drops_limit: True for none any more.
        ignored: a mask as PNG; b"" for none any more.
        why: what the log says about the reason.
        expected_version: the version that the change was made for; None for any.
    """

    new_name: str | None = None
    description: str | None = None
    settings: Settings | None = None
    references: Sequence[NewPhoto] = ()
    good: Sequence[NewPhoto] = ()
    removed: Sequence[str] = ()
    limit: Limit | None = None
    drops_limit: bool = False
    ignored: bytes | None = None
    why: str | None = None
    expected_version: int | None = None


def _expect(row: ProductRow, version: int | None) -> None:
    """
    Raises:
        ConfigError: the product has another version.
    """
    if version not in (None, row.version):
        raise ConfigError(
            f"{row.name} was changed meanwhile (version {row.version}, not {version}); look at it "
            "again"
        )


def _check_photo(path: Path, name: str, settings: Settings) -> None:
    """
    Raises:
        ImageError: it cannot be inspected; it is called by its name, not by its place here.
    """
    try:
        load_image(path, settings.bit_depth)
    except ImageError as error:
        raise ImageError(str(error).replace(str(path), shown(name))) from error


def _looks(row: ProductRow) -> dict[str, Any]:
    """Settings that other maps come of."""
    return {name: value for name, value in row.settings.items() if name not in _NO_LOOKS}


_NO_LOOKS = ("knowledge", "false_alarms", "confidence")


def _add_photos(row: ProductRow, photos: Sequence[tuple[str, str]], role: Role, at: str) -> None:
    """
    Raises:
        ConfigError: a photo is there already.
    """
    there = {each.photo: each for each in row.photos}
    for name, photo in photos:
        if photo in there:
            what = "good part for the limit" if there[photo].role == "good" else "reference"
            raise ConfigError(
                f"{shown(name)} is there already, as {shown(there[photo].name)} ({what}); each "
                "photo counts once"
            )
        there[photo] = ProductPhotoRow(role=role, photo=photo, name=name, added=at)
        row.photos.append(there[photo])


def _put_photos(row: ProductRow, role: Role, photos: Sequence[GoodPhoto]) -> None:
    row.photos += [
        ProductPhotoRow(
            role=_ACCEPTED if each.accepted else role,
            photo=each.photo,
            name=each.name,
            added=each.added,
        )
        for each in photos
    ]


def _remove_photo(row: ProductRow, wanted: str) -> None:
    """
    Raises:
        SourceError: there is none.
    """
    for each in row.photos:
        if wanted in (each.photo, each.name, Path(each.name).name):
            row.photos.remove(each)
            return
    names = ", ".join(shown(each.name) for each in row.photos[:6]) or "none"
    raise SourceError(f"{row.name} has no photo {shown(wanted)}; it has {names}")


def _product(row: ProductRow) -> Product:
    of = {
        roles[0]: tuple(
            GoodPhoto(each.photo, each.name, each.added, each.role == _ACCEPTED)
            for each in row.photos
            if each.role in roles
        )
        for roles in (("reference", _ACCEPTED), ("good",))
    }
    return Product(
        id=row.id,
        name=row.name,
        description=row.description,
        settings=Settings.from_dict(row.settings),
        version=row.version,
        references=of["reference"],
        good=of["good"],
        limit=Limit.from_dict(row.limit),
        ignored=row.ignored,
        created=row.created,
        changed=row.changed,
    )
