"""Feedback beside what others do: their changes stay, and what cannot be followed is told."""

from __future__ import annotations

import pytest

from anomalygpt import AnomalyGPT
from anomalygpt.audit.journal import Circumstances
from anomalygpt.audit.replay import Replays
from anomalygpt.audit.retention import delete_photos
from anomalygpt.errors import ConfigError, SourceError
from anomalygpt.feedback.feedback import Feedback
from anomalygpt.feedback.said import Said
from anomalygpt.products.plant import Plant
from anomalygpt.products.store import Change
from tests.corrections import DAMAGED, GOOD, LAX, STRICT, content_of, kinds, with_limit
from tests.kept import discs, found, inspected, new, part


def test_what_others_changed_since_stays(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = discs(plant, 1, 2)
    product = plant.products.change(product.id, Change(limit=STRICT), who="ann")
    entry = inspected(plant, assistant, product, part(5))
    proposed = feedback.propose(entry.id, GOOD, who="bob")
    feedback.apply(proposed.id, "reference", who="bob")
    change = Change(references=[new(6)], description="a disc", new_name="Disc 2")
    others = plant.products.change(product.id, change, who="ann")
    undone = feedback.undo(proposed.id, who="bob")
    names = [each.name for each in undone.references]
    assert names == ["part_1.png", "part_2.png", "part_6.png"]
    assert (undone.name, undone.description) == ("Disc 2", "a disc")
    assert undone.limit is None  # it was measured with others
    assert undone.version == others.version + 1


def test_the_same_that_was_changed_again_is_not_undone(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = with_limit(plant, STRICT)
    entry = inspected(plant, assistant, product, part(5, True))
    proposed = feedback.propose(entry.id, GOOD, who="bob")
    feedback.apply(proposed.id, "limit", who="bob")
    others = plant.products.change(product.id, Change(limit=LAX), who="ann")
    with pytest.raises(ConfigError, match="the limit was changed again since"):
        feedback.undo(proposed.id, who="bob")
    assert plant.products.find("disc") == others
    assert feedback.all()[0].state == "applied"


def test_a_product_that_was_changed_meanwhile_is_looked_at_again(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = with_limit(plant, STRICT)
    entry = inspected(plant, assistant, product, part(5))
    proposed = feedback.propose(entry.id, GOOD, who="bob")
    plant.products.change(product.id, Change(description="other"), who="ann")
    with pytest.raises(ConfigError, match="was changed meanwhile"):
        feedback.apply(proposed.id, "limit", who="bob", expected_version=proposed.version)


def test_what_cannot_be_followed_is_taken_down_and_told(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    loose = plant.journal.write(found(1), part(1), Circumstances("ann", "tiny", "0" * 64))
    proposed = feedback.propose(loose.id, GOOD, who="bob")
    assert (proposed.product, kinds(proposed)) == (None, [])
    assert "of no product" in proposed.notes[0]
    product = with_limit(plant, STRICT)
    entry = inspected(plant, assistant, product, part(5))
    delete_photos(plant.database, plant.blobs, 0, who="ann")
    assert "its photo is not kept" in feedback.propose(entry.id, GOOD, who="bob").notes[0]
    plant.products.remove("disc", who="ann")
    assert "there is no product" in feedback.propose(entry.id, GOOD, who="bob").notes[0]
    assert [item.said["verdict"] for item in feedback.all()] == ["good"] * 3
    for call in (feedback.undo, lambda name, who: feedback.propose(name, GOOD, who=who)):
        with pytest.raises(SourceError, match="there is no"):
            call("0" * 32, who="bob")


def test_a_box_outside_of_the_photo_is_not_taken_down(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    entry = inspected(plant, assistant, with_limit(plant, STRICT, fixed_pose=True), part(5))
    with pytest.raises(ConfigError, match="outside of the photo"):
        feedback.propose(entry.id, Said("good", ((500, 500, 600, 600),)), who="bob")
    assert feedback.all() == []


def test_photos_that_undoing_needs_are_not_deleted(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = discs(plant, 1, 2)
    entry = inspected(plant, assistant, product, part(2))
    proposed = feedback.propose(entry.id, DAMAGED, who="bob")
    feedback.apply(proposed.id, "remove", who="bob")
    delete_photos(plant.database, plant.blobs, 0, who="ann")
    undone = feedback.undo(proposed.id, who="bob")
    assert content_of(undone) == content_of(product)
    assert plant.blobs.get(entry.photo) == part(2)


def test_former_inspections_are_the_same_whatever_was_applied(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = with_limit(plant, STRICT, fixed_pose=True)
    entries = [inspected(plant, assistant, product, part(5, True))]
    proposed = feedback.propose(entries[0].id, Said("good", ((50, 14, 78, 42),)), who="bob")
    for kind in ("reference", "ignore"):
        changed = feedback.apply(proposed.id, kind, who="bob")
        entries.append(inspected(plant, assistant, changed, part(7, True)))
        feedback.undo(proposed.id, who="bob")
    replays = Replays(plant, lambda name: assistant)
    assert [replays.replay(entry).state for entry in entries] == ["same"] * 3


def test_an_accepted_part_leaves_the_scale_as_it_was(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    """Else one odd part would make everything look good."""
    product = discs(plant, 1)
    product = plant.products.change(product.id, Change(limit=STRICT), who="ann")
    entry = inspected(plant, assistant, product, part(5, True))
    proposed = feedback.propose(entry.id, GOOD, who="bob")
    changed = feedback.apply(proposed.id, "reference", who="bob")
    assert [each.accepted for each in changed.references] == [False, True]
    fresh = type(plant.shelf)(plant.database.place.folder / "banks", plant.blobs)
    before, after, loaded = (
        shelf.bank(each, assistant)
        for shelf, each in ((plant.shelf, product), (plant.shelf, changed), (fresh, changed))
    )
    for bank in (after, loaded):
        assert len(bank) == 2
        assert bank.self_distances().tolist() == before.self_distances().tolist()
    firm = plant.products.change(product.id, Change(references=[new(2)]), who="ann")
    bank = plant.shelf.bank(firm, assistant)
    assert bank.names == ("part_1.png", "part_2.png", "photo.png")
    assert bank.self_distances().tolist() != before.self_distances().tolist()
