"""What may follow of feedback: which change of the product would put it right.

"Good after all" may make the photo a reference, leave out a place, or move the limit up. "Damaged,
here" may move the limit down, count a place again, or take a photo out of the good ones.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from anomalygpt.audit.journal import Entry
from anomalygpt.encoders.photos import EncodedPhotos
from anomalygpt.errors import AnomalyGPTError
from anomalygpt.feedback.looking import encoded, measured, scores_of_good, seen
from anomalygpt.feedback.said import Said, as_png, at_size, grown
from anomalygpt.products.product import GoodPhoto, Product
from anomalygpt.products.shelf import read_mask
from anomalygpt.records.database import now
from anomalygpt.results.inspection import Inspection
from anomalygpt.results.maps import read_png16
from decoder.limits import Limit, photos_needed

if TYPE_CHECKING:
    from anomalygpt.model import AnomalyGPT
    from anomalygpt.products.plant import Plant

Kind = Literal["reference", "ignore", "limit", "count", "remove"]

# So many references show enough of how good parts vary that a place which keeps standing out is
# better left out than learned.
ENOUGH_REFERENCES = 20
# More of the square of the map is never left out: damage would go unseen.
MOST_IGNORED = 0.2
# How far beside a score its limit is put: rounding moves scores by less.
BESIDE = 1e-3


@dataclass(frozen=True)
class Consequence:
    """A change of the product that would follow.

    Attributes:
        kind: "reference", "ignore", "limit", "count" (a place counts again) or "remove".
        text: what would be done.
        why: what speaks for it, or must be known.
        after: the product as it would be; not saved.
    """

    kind: Kind
    text: str
    why: str
    after: Product

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        after = self.after.to_dict()
        return {"kind": self.kind, "text": self.text, "why": self.why, "after": after}


@dataclass(frozen=True)
class Case:
    """An inspection, what was said of it, and the product as it is now.

    Attributes:
        plant, assistant: that look.
        entry, said, product: see there.
        photo: encoded.
        found: what the product finds in it now.
    """

    plant: Plant
    assistant: AnomalyGPT
    entry: Entry
    said: Said
    product: Product
    photo: EncodedPhotos
    found: Inspection

    @classmethod
    def of(
        cls, plant: Plant, assistant: AnomalyGPT, entry: Entry, said: Said, product: Product
    ) -> Case:
        """Look at the photo once more, with the product as it is now.

        Raises:
            RecordsError: the photo is not kept any more.
        """
        photo = encoded(plant, assistant, product, entry.photo)
        found = seen(plant, assistant, product, photo)
        return cls(plant, assistant, entry, said, product, photo, found)


def consequences(case: Case) -> tuple[list[Consequence], list[str]]:
    """What may follow, the best first, and why other things may not.

    Raises:
        ConfigError: a box lies outside of the photo, or the mask is of another size.
        AnomalyGPTError: a photo of the product is not kept any more.
    """
    notes: list[str] = []
    if case.said.verdict == "good":
        found = list(_of_good(case, notes))
        if found and _ignoring_is_better(case, found):
            found.sort(key=lambda each: each.kind != "ignore")
    else:
        found = list(_of_damaged(case, notes))
    return found, notes


# --- good after all ------------------------------------------------------------------------------


def _of_good(case: Case, notes: list[str]) -> Iterator[Consequence]:
    if case.found.is_anomalous is False:
        notes.append("the product calls this photo good as it is, so nothing has to change")
        return
    for propose in (_reference, _ignore, _limit_up):
        made = propose(case, notes)
        if made is not None:
            yield made


def _reference(case: Case, notes: list[str]) -> Consequence | None:
    product, entry = case.product, case.entry
    if _among(case, product.references):
        notes.append("the photo is a reference already")
        return None
    good = tuple(each for each in product.good if each.photo != entry.photo)
    photo = GoodPhoto(entry.photo, entry.photo_name, now(), accepted=True)
    after = replace(product, references=(*product.references, photo), good=good, limit=None)
    why = f"photos are then compared with {len(after.references)} good parts"
    if product.limit is not None or product.settings.false_alarms is not None:
        limit = measured(case.plant, case.assistant, after, _today())
        after = replace(after, limit=limit)
        why += (
            "; the limit falls away, for it was measured with the former references, and the "
            "language model decides until it is measured again"
            if limit is None
            else f"; the limit, measured again with them, is {limit.score:.3f}"
        )
    return Consequence("reference", "the photo becomes a reference", why, after)


def _ignore(case: Case, notes: list[str]) -> Consequence | None:
    bank = case.plant.shelf.bank(case.product, case.assistant)
    if not (bank.fixed_pose or bank.lie_alike):
        notes.append("no place can be left out: nothing shows that parts of this product lie alike")
        return None
    places = grown(_place_of_good(case))
    ignored = _with_ignored(case.product, places)
    share = float(ignored.mean())
    if share > MOST_IGNORED:
        notes.append(
            f"no place can be left out: {100 * share:.0f} % of the photo would go unseen, and at "
            f"most {100 * MOST_IGNORED:.0f} % may"
        )
        return None
    return Consequence(
        "ignore",
        "what stands out there does not count any more for this product",
        f"{100 * share:.1f} % of the photo is then left out, and damage there goes unseen",
        replace(case.product, ignored=as_png(ignored)),
    )


def _limit_up(case: Case, notes: list[str]) -> Consequence | None:
    product, score = case.product, case.found.anomaly_score
    settings = product.settings
    if settings.false_alarms is None:
        moved = Limit(min(1.0, score + BESIDE), None, None, 0, _today())
        instead = "" if product.limit else ", instead of the language model's yes or no"
        return Consequence(
            "limit",
            f"the limit is put just above its score, at {moved.score:.3f}{instead}",
            "it promises nothing about false alarms: for a promise set a share of them and add "
            f"{photos_needed(0.05, settings.confidence)} good photos or more",
            replace(product, limit=moved),
        )
    if _among(case, (*product.good, *product.references)):
        notes.append("the photo is among the good ones already, so the limit knows it")
        return None
    photo = GoodPhoto(case.entry.photo, case.entry.photo_name, now())
    after = replace(product, good=(*product.good, photo))
    limit = measured(case.plant, case.assistant, after, _today())
    if limit is None:
        needed = photos_needed(settings.false_alarms, settings.confidence) - len(after.good)
        notes.append(f"the limit cannot be measured: {needed} more good photos are needed for it")
        return None
    before = "none" if product.limit is None else f"{product.limit.score:.3f}"
    why = "the promise still holds: a good photo above the limit can only raise it"
    if score > limit.score:
        why += "; this photo itself stays above it, as a share of good ones may"
    return Consequence(
        "limit",
        f"the photo joins the good ones, and the limit is measured again: {limit.score:.3f}, "
        f"before {before}",
        why,
        replace(after, limit=limit),
    )


def _ignoring_is_better(case: Case, found: list[Consequence]) -> bool:
    """Whether there are references enough and the same place stood out in another photo that
    somebody called good."""
    if len(case.product.references) < ENOUGH_REFERENCES:
        return False
    places = _place_of_good(case)
    for entry in case.plant.journal.all(product=case.product.id, most=50):
        is_other = entry.photo != case.entry.photo and entry.feedback == "good"
        if not is_other or entry.map is None or not case.plant.blobs.has(entry.map):
            continue
        cells = read_png16(case.plant.blobs.get(entry.map))
        shown = at_size(cells > entry.result["level"], (places.shape[0], places.shape[1]))
        if (shown & places).sum() >= places.sum() / 2 > 0:
            return True
    return False


def _place_of_good(case: Case) -> np.ndarray:
    """(h, w) bool: what was marked as good after all, else all that stands out."""
    cells = case.found.small_map
    assert cells is not None  # it was just drawn
    marked = case.said.place(case.found.geometry, (cells.shape[0], cells.shape[1]))
    return cells > case.found.level if marked is None else marked


# --- damaged, here -------------------------------------------------------------------------------


def _of_damaged(case: Case, notes: list[str]) -> Iterator[Consequence]:
    for propose in (_remove, _count_again, _limit_down):
        made = propose(case, notes)
        if made is not None:
            yield made


def _remove(case: Case, notes: list[str]) -> Consequence | None:
    product = case.product
    wrong = {each.photo for each in _among(case, (*product.references, *product.good))}
    if not wrong:
        return None
    references, good = (
        tuple(each for each in photos if each.photo not in wrong)
        for photos in (product.references, product.good)
    )
    if all(each.accepted for each in references):
        notes.append("the photo is the only reference; add a photo of a good part first")
        return None
    after = replace(product, references=references, good=good, limit=None)
    limit = measured(case.plant, case.assistant, after, _today())
    why = "damage in a photo that counts as good passes as good elsewhere, too"
    if product.limit is not None and limit is None:
        why += "; the limit falls away, and the language model decides until it is measured again"
    text = "the photo is taken out of the photos of good parts"
    return Consequence("remove", text, why, replace(after, limit=limit))


def _count_again(case: Case, notes: list[str]) -> Consequence | None:
    """Take back connected places that are left out and that the damage touches."""
    if case.product.ignored is None:
        return None
    import cv2

    ignored = read_mask(case.product.ignored).numpy()
    place = case.said.place(case.found.geometry, (ignored.shape[0], ignored.shape[1]))
    if place is None:
        notes.append(
            "places of this product are left out; mark where the damage is, to see whether one of "
            "them hides it"
        )
        return None
    _, labels = cv2.connectedComponents(ignored.astype(np.uint8))
    touched = sorted(set(np.unique(labels[place & ignored]).tolist()) - {0})
    if not touched:
        return None
    left = ignored & ~np.isin(labels, touched)
    return Consequence(
        "count",
        "the place that was left out there counts again",
        f"{len(touched)} of {labels.max()} places that are left out touch the damage",
        replace(case.product, ignored=as_png(left) if left.any() else None),
    )


def _limit_down(case: Case, notes: list[str]) -> Consequence | None:
    product, found = case.product, case.found
    if found.is_anomalous:
        notes.append("the product calls this photo anomalous as it is, so the limit may stay")
        return None
    score = max(0.0, found.anomaly_score - BESIDE)
    if found.anomaly_score <= BESIDE:
        notes.append("the score is 0: no limit would find this damage")
        return None
    limit = Limit(score, None, None, len(product.good), _today())
    why = "it promises nothing about false alarms"
    if product.good:
        scores = scores_of_good(case.plant, case.assistant, product)
        above = sum(each > score for each in scores)
        told = f"{above} of {len(scores)} good photos would be called anomalous"
        stated = product.settings.false_alarms
        if stated is not None and above > stated * len(scores):
            notes.append(
                f"the limit cannot be moved below this score: {told}, and at most "
                f"{100 * stated:g} % are stated"
            )
            return None
        why = f"{told}; {why}"
    instead = "" if product.limit else ", instead of the language model's yes or no"
    return Consequence(
        "limit",
        f"the limit is put just below its score, at {score:.3f}{instead}",
        why,
        replace(product, limit=limit),
    )


# --- both ----------------------------------------------------------------------------------------


def _among(case: Case, photos: tuple[GoodPhoto, ...]) -> list[GoodPhoto]:
    """Those of the photos that are this one: the same file, or the same pixels."""
    bank = case.plant.shelf.bank(case.product, case.assistant)
    names = set(bank.with_mark(case.photo.marks))
    references = {each.photo for each in case.product.references if each.name in names}
    same = {case.entry.photo} | references
    return [each for each in photos if each.photo in same]


def _with_ignored(product: Product, places: np.ndarray) -> np.ndarray:
    if product.ignored is None:
        return places
    former: torch.Tensor = read_mask(product.ignored)
    return np.asarray(places | at_size(former.numpy(), (places.shape[0], places.shape[1])))


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def unavailable(error: AnomalyGPTError) -> str:
    """Why nothing can be proposed."""
    return f"nothing can be proposed: {error}"
