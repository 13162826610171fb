"""Reasons to doubt a verdict: sentences that it is read with."""

from __future__ import annotations

AMONG_REFERENCES = "This photo is also one of the references, so it cannot differ from them."
OTHER_PRODUCT = (
    "Is this a photo of the same product? Most of it differs from the photos of good parts."
)

UNSTEADY = (
    "The verdict is unsteady: changes of the photo that nobody sees turn it or move it far. Take "
    "another photo, or look for yourself."
)

NO_REFERENCE = "There was no photo of a good part to compare with: this is a guess."
AMONG_PEERS = (
    "There was no photo of a good part, so it was compared with the other photos of the run: what "
    "most of them show counts as good."
)
DESCRIPTION_UNREAD = (
    "The description was not used for the verdict: this small model judges by the photo alone."
)
