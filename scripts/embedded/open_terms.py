"""Words for damage, what they mean, and other words of an inspection."""

from __future__ import annotations

DAMAGES = (
    "scratches", "dents", "cracks", "stains", "chipped edges", "missing pieces", "holes", "burrs",
    "bubbles", "discolouration", "corrosion", "dirt", "bent parts", "tears", "foreign bodies",
    "wrong or missing parts",
)  # fmt: skip
KINDS = ("scratch", "crack", "dent", "stain", "hole", "burr", "chip", "bubble")
# What a term means, after "is".
TERMS = {
    "scratch": "a thin line where something sharp has cut into the surface",
    "crack": "a break in the material that may go deep, often thin and branched",
    "dent": "a hollow where something has pressed the surface in without breaking it",
    "burr": "a thin raised edge that cutting or drilling makes",
    "chip": "a place where a small piece has broken off, mostly at an edge",
    "stain": "a spot of another colour that lies on the surface or has soaked in",
    "blowhole": "a hollow that gas has made in a casting",
    "blister": "a place where a coating has risen from what lies under it",
    "scuff": "a rubbed place where the surface has become dull",
    "foreign body": "something that does not belong to the part",
    "weld spatter": "a small drop of metal that has stuck to the surface beside a weld",
    "pinhole": "a very small hole in a coating or a casting",
    "wrinkle": "a fold in a film, a label or a fabric",
    "smear": "a thin film of dirt, grease or adhesive that was wiped over the surface",
    "flash": "a thin skin of material that was pressed out between the halves of a mould",
    "delamination": "a place where layers have come apart",
    "false alarm": "a good part that is taken for a bad one",
    "reference": "a photo of a good part that others are compared with",
    "heat map": "a picture that shows in colours where a photo differs from good parts",
    "tolerance": "how far a measure may be from what was planned",
}
