"""Applying what follows of feedback, and taking it back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from anomalygpt.audit.chain import append
from anomalygpt.audit.past import product_from
from anomalygpt.errors import ConfigError, SourceError
from anomalygpt.files import shown
from anomalygpt.products.plant import Plant
from anomalygpt.products.product import GoodPhoto, Product
from anomalygpt.records.tables import FeedbackRow


def row_of(session: Session, identity: str) -> FeedbackRow:
    """
    Raises:
        SourceError: there is no such feedback.
    """
    row = session.get(FeedbackRow, identity)
    if row is None:
        raise SourceError(
            f"there is no feedback {shown(identity[:80])}; `anomalygpt feedback list` names them"
        )
    return row


def applied(
    plant: Plant, identity: str, kind: str, text: str, before: Product, after: Product, who: str
) -> Product:
    """Change a product as was proposed; the change, what is needed to undo it, and its lines in
    the log are written as a whole or not at all.

    Args:
        plant: that has it.
        identity: of the feedback.
        kind, text: of the consequence.
        before: the product that the proposal was made for.
        after: what it is to be.
        who: is named in the log.

    Raises:
        ConfigError: the product was changed meanwhile, or the feedback was applied already.
        SourceError: there is no such product or feedback any more.
    """

    def note(session: Session, product: Product) -> None:
        row = row_of(session, identity)
        if row.state == "applied":
            raise ConfigError(
                f"feedback {identity} was applied already; undo it first with `anomalygpt feedback "
                f"undo {identity}`"
            )
        row.state = "applied"
        row.change = {"kind": kind, "before": before.to_dict(), "after": product.to_dict()}
        told = {"feedback": identity, "kind": kind, "version": product.version}
        append(session, "feedback.applied", who, row.inspection, told)

    return plant.products.become(
        after,
        who=who,
        kind="feedback",
        why=f"{text} (feedback {identity})",
        expected_version=before.version,
        also=note,
    )


def undone(plant: Plant, identity: str, who: str) -> Product:
    """Take back what was applied. What others changed since stays; where they changed the same,
    nothing is done.

    Args:
        plant: that has it.
        identity: of the feedback.
        who: is named in the log.

    Raises:
        ConfigError: it was not applied, or the same was changed since.
        SourceError: there is no such feedback, or no such product any more.
        RecordsError: a photo or mask that it needs is not kept any more.
    """
    with plant.database.reading() as session:
        row = row_of(session, identity)
        if row.state != "applied" or row.change is None:
            raise ConfigError(f"feedback {identity} is {row.state}, so there is nothing to undo")
        change: dict[str, Any] = row.change
    before, after = (product_from(change[side], plant.blobs) for side in ("before", "after"))
    current = plant.products.find(before.id)

    def note(session: Session, product: Product) -> None:
        row = row_of(session, identity)
        if row.state != "applied":
            raise ConfigError(f"feedback {identity} was undone meanwhile")
        row.state = "undone"
        told = {"feedback": identity, "kind": change["kind"], "version": product.version}
        append(session, "feedback.undone", who, row.inspection, told)

    return plant.products.become(
        taken_back(current, before, after),
        who=who,
        kind="feedback",
        why=f"feedback {identity} undone",
        expected_version=current.version,
        also=note,
    )


def taken_back(current: Product, before: Product, after: Product) -> Product:
    """A product without one change.

    Args:
        current: as it is now.
        before, after: as it was before and after the change.

    Raises:
        ConfigError: what the change changed was changed again since.
    """
    references = _photos(current.references, before.references, after.references)
    good = _photos(current.good, before.good, after.good)
    parts: dict[str, Any] = {"references": references, "good": good}
    for name in ("description", "settings", "limit", "ignored"):
        former, made, now = (getattr(each, name) for each in (before, after, current))
        if former == made:
            continue
        if now != made:
            raise ConfigError(
                f"{current.name}: {_TITLES[name]} changed again since, in a version up to "
                f"{current.version}, so this cannot be undone by itself; undo the later change "
                "first, or change the product"
            )
        parts[name] = former
    product = replace(current, **parts)
    # A limit is worth nothing with other references than those it was measured with.
    as_before = (product.references, product.limit) == (before.references, before.limit)
    if as_before or product.references == current.references:
        return product
    return replace(product, limit=None)


_TITLES = {
    "description": "the description was",
    "settings": "the settings were",
    "limit": "the limit was",
    "ignored": "the places that do not count were",
}


def _photos(
    now: tuple[GoodPhoto, ...], before: tuple[GoodPhoto, ...], after: tuple[GoodPhoto, ...]
) -> tuple[GoodPhoto, ...]:
    """Photos without what was added between two versions, and with what was taken out."""
    if now == after:
        return before
    added = {each.photo for each in after} - {each.photo for each in before}
    gone = {each.photo for each in before} - {each.photo for each in after}
    kept = [each for each in now if each.photo not in added]
    there = {each.photo for each in kept}
    back = [each for each in before if each.photo in gone and each.photo not in there]
    return (*kept, *back)
