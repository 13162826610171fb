"""What follows of feedback, that it is applied as a whole, and that undo gives back every bit."""

from __future__ import annotations

import numpy as np
import pytest

from anomalygpt import AnomalyGPT
from anomalygpt.audit.agreement import check
from anomalygpt.audit.past import lines
from anomalygpt.errors import ConfigError
from anomalygpt.feedback.feedback import Feedback
from anomalygpt.feedback.proposal import BESIDE
from anomalygpt.feedback.said import Said, as_png
from anomalygpt.products.calibration import calibrated
from anomalygpt.products.plant import Plant
from anomalygpt.products.shelf import read_mask
from anomalygpt.products.store import Change
from decoder.limits import Limit
from tests.corrections import DAMAGED, GOOD, LAX, STRICT, content_of, kinds, looked, with_limit
from tests.kept import discs, inspected, new, part

# --- good after all ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reference", "ignore", "limit"])
def test_what_is_applied_can_be_undone_to_the_last_bit(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback, kind: str
) -> None:
    product = with_limit(plant, STRICT, fixed_pose=True)
    before = looked(plant, assistant, part(7, True))
    entry = inspected(plant, assistant, product, part(5, True))
    said = Said("good", ((50, 14, 78, 42),))
    proposed = feedback.propose(entry.id, said, who="bob")
    assert kinds(proposed) == ["reference", "ignore", "limit"]
    assert plant.products.find("disc") == product  # nothing was changed yet
    changed = feedback.apply(proposed.id, kind, who="bob", expected_version=proposed.version)
    assert changed.version == product.version + 1
    assert content_of(changed) != content_of(product)
    assert looked(plant, assistant, part(7, True)).to_dict() != before.to_dict()
    undone = feedback.undo(proposed.id, who="ann")
    assert undone.version == product.version + 2
    assert content_of(undone) == content_of(product)
    again = looked(plant, assistant, part(7, True))
    assert np.array_equal(again.small_map, before.small_map)  # type: ignore[arg-type]
    assert again.to_dict() == before.to_dict()
    told = [event.kind for event in lines(plant.database, most=5)]
    assert told == [
        "feedback.undone",
        "product.feedback",
        "feedback.applied",
        "product.feedback",
        "feedback.said",
    ]
    assert check(plant.database).is_whole
    assert [item.state for item in feedback.all("disc")] == ["undone"]


def test_a_bank_that_nobody_kept_is_the_same_after_undoing(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = with_limit(plant, STRICT)
    entry = inspected(plant, assistant, product, part(5))
    before = looked(plant, assistant, part(7, True))
    proposed = feedback.propose(entry.id, GOOD, who="bob")
    feedback.apply(proposed.id, "reference", who="bob")
    feedback.undo(proposed.id, who="bob")
    for path in (plant.database.place.folder / "banks").iterdir():
        path.unlink()
    fresh = type(plant.shelf)(plant.database.place.folder / "banks", plant.blobs)
    object.__setattr__(plant, "shelf", fresh)
    again = looked(plant, assistant, part(7, True))
    assert np.array_equal(again.small_map, before.small_map)  # type: ignore[arg-type]


def test_a_photo_becomes_a_reference_and_is_good(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = with_limit(plant, Limit(0.1, None, None, 0, "2026-11-30"))
    entry = inspected(plant, assistant, product, part(5, True))
    proposed = feedback.propose(entry.id, GOOD, who="bob")
    assert plant.journal.find(entry.id).feedback == "good"
    changed = feedback.apply(proposed.id, "reference", who="bob")
    assert [each.photo for each in changed.references][2:] == [entry.photo]
    assert changed.limit is None  # it was measured with others
    assert "the limit falls away" in proposed.consequences[0].why
    assert looked(plant, assistant, part(5, True)).anomaly_score < entry.result["anomaly_score"]
    with pytest.raises(ConfigError, match="applied already"):
        feedback.apply(proposed.id, "reference", who="bob")
    feedback.undo(proposed.id, who="bob")
    with pytest.raises(ConfigError, match="nothing to undo"):
        feedback.undo(proposed.id, who="bob")


def test_a_promise_is_measured_again(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = discs(plant, 1, 2, false_alarms=0.5, confidence=0.5)
    plant.products.change(product.id, Change(good=[new(3), new(4)]), who="ann")
    product = calibrated(
        plant.products, plant.shelf, assistant, plant.products.find("disc"), who="ann"
    )
    assert product.limit is not None
    entry = inspected(plant, assistant, product, part(5, True))
    assert entry.result["is_anomalous"]
    proposed = feedback.propose(entry.id, GOOD, who="bob")
    assert "limit" in kinds(proposed)
    changed = feedback.apply(proposed.id, "limit", who="bob")
    assert changed.limit is not None
    assert changed.limit.photos == 3
    assert changed.limit.score >= product.limit.score
    assert entry.photo in {each.photo for each in changed.good}
    feedback.undo(proposed.id, who="bob")
    reference = feedback.apply(proposed.id, "reference", who="bob")
    assert reference.limit is not None  # measured again with the new reference
    assert reference.limit.photos == 2


def test_a_limit_without_a_promise_says_so(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = with_limit(plant, STRICT)
    entry = inspected(plant, assistant, product, part(5, True))
    proposed = feedback.propose(entry.id, GOOD, who="bob")
    [limit] = [each for each in proposed.consequences if each.kind == "limit"]
    assert "promises nothing" in limit.why
    changed = feedback.apply(proposed.id, "limit", who="bob")
    assert changed.limit is not None
    assert changed.limit.score == pytest.approx(entry.result["anomaly_score"] + BESIDE, abs=1e-5)
    assert changed.limit.false_alarms is None
    assert not looked(plant, assistant, part(5, True)).is_anomalous


def test_no_place_is_left_out_where_nothing_shows_that_parts_lie_alike(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = discs(plant, 1)
    product = plant.products.change(product.id, Change(limit=STRICT), who="ann")
    entry = inspected(plant, assistant, product, part(5, True))
    proposed = feedback.propose(entry.id, GOOD, who="bob")
    assert "ignore" not in kinds(proposed)
    assert any("lie alike" in note for note in proposed.notes)


def test_not_too_much_is_left_out(plant: Plant, assistant: AnomalyGPT, feedback: Feedback) -> None:
    product = with_limit(plant, STRICT, fixed_pose=True)
    entry = inspected(plant, assistant, product, part(5, True))
    proposed = feedback.propose(entry.id, Said("good", ((0, 0, 96, 60),)), who="bob")
    assert "ignore" not in kinds(proposed)
    assert any("would go unseen" in note for note in proposed.notes)


def test_places_add_up(plant: Plant, assistant: AnomalyGPT, feedback: Feedback) -> None:
    product = with_limit(plant, STRICT, fixed_pose=True)
    entry = inspected(plant, assistant, product, part(5, True))
    for box in ((0, 0, 12, 10), (80, 70, 96, 80)):
        proposed = feedback.propose(entry.id, Said("good", (box,)), who="bob")
        product = feedback.apply(proposed.id, "ignore", who="bob")
    assert product.ignored is not None
    ignored = read_mask(product.ignored).numpy()
    assert ignored[0, 0]
    assert ignored[-1, -1]
    assert not ignored[len(ignored) // 2, len(ignored) // 2]


def test_a_right_verdict_changes_nothing(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = with_limit(plant, LAX)
    entry = inspected(plant, assistant, product, part(5))
    proposed = feedback.propose(entry.id, GOOD, who="bob")
    assert kinds(proposed) == []
    assert "good as it is" in proposed.notes[0]
    with pytest.raises(ConfigError, match="does not follow here"):
        feedback.apply(proposed.id, "reference", who="bob")


# --- damaged, here -------------------------------------------------------------------------------


def test_the_limit_moves_below_damage_that_was_missed(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = with_limit(plant, LAX)
    entry = inspected(plant, assistant, product, part(5, True))
    proposed = feedback.propose(entry.id, DAMAGED, who="bob")
    assert kinds(proposed) == ["limit"]
    feedback.apply(proposed.id, "limit", who="bob")
    assert looked(plant, assistant, part(5, True)).is_anomalous
    assert content_of(feedback.undo(proposed.id, who="bob")) == content_of(product)


def test_the_limit_stays_where_too_many_good_parts_would_pay(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = discs(plant, 1, 2, false_alarms=0.2)
    change = Change(good=[new(3), new(4)], limit=LAX)
    product = plant.products.change(product.id, change, who="ann")
    score = min(looked(plant, assistant, part(seed)).anomaly_score for seed in (3, 4))
    entry = inspected(plant, assistant, product, part(1))  # a reference: nothing stands out less
    assert entry.result["anomaly_score"] < score
    proposed = feedback.propose(entry.id, DAMAGED, who="bob")
    assert "limit" not in kinds(proposed)
    assert any("2 of 2 good photos would be called anomalous" in note for note in proposed.notes)


def test_a_place_that_hides_damage_counts_again(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    ignored = np.zeros((64, 64), bool)
    ignored[12:36, 32:52] = ignored[60:, :4] = True
    product = discs(plant, 1, 2, fixed_pose=True)
    change = Change(ignored=as_png(ignored), limit=LAX)
    product = plant.products.change(product.id, change, who="ann")
    entry = inspected(plant, assistant, product, part(5, True))
    assert "count" not in kinds(feedback.propose(entry.id, Said("damaged"), who="bob"))
    elsewhere = Said("damaged", ((60, 60, 90, 75),))
    assert "count" not in kinds(feedback.propose(entry.id, elsewhere, who="bob"))
    proposed = feedback.propose(entry.id, DAMAGED, who="bob")
    assert kinds(proposed)[0] == "count"
    changed = feedback.apply(proposed.id, "count", who="bob")
    assert changed.ignored is not None
    left = read_mask(changed.ignored).numpy()
    assert left[60:, :4].all()
    assert left.sum() == 16
    assert feedback.undo(proposed.id, who="bob").ignored == product.ignored


def test_damage_among_the_good_photos_is_taken_out(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = discs(plant, 1, 2)
    product = plant.products.change(product.id, Change(good=[new(5, True)]), who="ann")
    as_reference = inspected(plant, assistant, product, part(2))
    as_good = inspected(plant, assistant, product, part(5, True))
    for entry, role in ((as_reference, "references"), (as_good, "good")):
        proposed = feedback.propose(entry.id, DAMAGED, who="bob")
        assert kinds(proposed)[0] == "remove"
        changed = feedback.apply(proposed.id, "remove", who="bob")
        assert entry.photo not in {each.photo for each in getattr(changed, role)}
        assert content_of(feedback.undo(proposed.id, who="bob")) == content_of(product)


def test_the_only_reference_stays(plant: Plant, assistant: AnomalyGPT, feedback: Feedback) -> None:
    entry = inspected(plant, assistant, discs(plant, 1), part(1))
    proposed = feedback.propose(entry.id, DAMAGED, who="bob")
    assert "remove" not in kinds(proposed)
    assert any("only reference" in note for note in proposed.notes)


# --- before and after ----------------------------------------------------------------------------


def test_a_preview_shows_verdicts_and_saves_nothing(
    plant: Plant, assistant: AnomalyGPT, feedback: Feedback
) -> None:
    product = with_limit(plant, STRICT)
    entries = [inspected(plant, assistant, product, part(seed, seed == 5)) for seed in (3, 4, 5)]
    inspected(plant, assistant, product, part(3))  # the same photo counts once
    proposed = feedback.propose(entries[0].id, GOOD, who="bob")
    events = check(plant.database).log.lines
    preview = feedback.preview(proposed.id, "limit")
    assert len(preview.rows) == 3
    assert entries[0].photo_name in {row.photo_name for row in preview.changed}
    assert plant.products.find("disc") == product
    assert check(plant.database).log.lines == events
    feedback.apply(proposed.id, "limit", who="bob")
    for row in preview.rows:
        seed = next(s for s, e in zip((3, 4, 5), entries, strict=True)
                    if plant.journal.find(row.id).photo == e.photo)  # fmt: skip
        assert (
            looked(plant, assistant, part(seed, seed == 5)).is_anomalous == row.after.is_anomalous
        )
    plant.blobs.delete(entries[1].photo)
    other = feedback.propose(entries[0].id, Said("damaged"), who="bob")
    assert feedback.preview(other.id, "limit").left_out == 1
