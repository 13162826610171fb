"""Rows of large photos, which are looked at closely."""

from __future__ import annotations

import torch
from PIL import Image

from anomalygpt.config import EncoderConfig
from anomalygpt.training.rows import InspectionRows, model_pixels
from anomalygpt.training.start import training_data

ENCODER = EncoderConfig("timm", "none", input_size=64)


def test_large_photos_come_along_to_be_looked_at_closely(
    training_arguments, make_discs_in, tmp_path
):
    """Only where references need it, as the inspection does; pixels are those of the same photo."""
    data = make_discs_in(tmp_path / "data", good=3, size=(120, 150))
    for detail, expected in (("auto", (112, 140)), (3, (160, 200)), ("whole", None)):
        arguments = training_arguments(data=str(data), validation_share=0, detail=detail)
        found = training_data(arguments)
        rows = InspectionRows(arguments, ENCODER, 224, found.samples, found.normal_photos)
        for number in range(4):
            assert rows.row(number, with_references=False).photo is None
            row = rows.row(number, with_references=True)
            if expected is None:
                assert row.photo is None
                continue
            assert row.photo.shape == (*expected, 3)
            pixels = model_pixels(Image.fromarray(row.photo), ENCODER)
            assert torch.equal(pixels, row.pixels)
