"""Putting what was found on record, with everything that is needed to find it again."""

from __future__ import annotations

import hashlib
import io

from PIL import Image

from anomalygpt.audit.journal import Circumstances, Entry
from anomalygpt.chat import Talk
from anomalygpt.products.plant import Plant
from anomalygpt.products.product import Product
from anomalygpt.serving.requests import Request
from anomalygpt.serving.settings import ServerSettings


def record(
    plant: Plant,
    settings: ServerSettings,
    talk: Talk,
    request: Request,
    product: Product | None,
    weights: str,
) -> Entry:
    """Write a judged talk down; when this returns it is on the disk.

    Args:
        plant: where.
        settings: of the server.
        talk: that has begun with the verdict.
        request: what was asked for.
        product: as it was when the photo was inspected.
        weights: hash of the model's weights.

    Raises:
        OutputError, RecordsError, BusyError: it cannot be kept.
    """
    keeps = settings.keeps_photos
    good = [png_of(each) for each in request.references]
    circumstances = Circumstances(
        who=request.who,
        model=request.model,
        weights=weights,
        product=product,
        references=tuple(
            plant.blobs.put(each) if keeps else hashlib.sha256(each).hexdigest() for each in good
        ),
        settings={
            "detail": settings.detail,
            "description": request.description,
            "device": settings.device,
            "dtype": settings.dtype,
        },
    )
    photo = request.content or png_of(request.photo)
    return plant.journal.write(talk.inspection, photo, circumstances, keeps_photo=keeps)


def png_of(photo: Image.Image) -> bytes:
    """A photo's pixels as a file, without loss."""
    buffer = io.BytesIO()
    photo.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
