"""Feedback on a small plant: what is said, and what comes of it."""

from __future__ import annotations

from dataclasses import replace

from anomalygpt import AnomalyGPT, Inspection
from anomalygpt.feedback.feedback import Proposed
from anomalygpt.feedback.looking import encoded, seen
from anomalygpt.feedback.said import Said
from anomalygpt.products.plant import Plant
from anomalygpt.products.product import Product
from anomalygpt.products.store import Change
from decoder.limits import Limit
from tests.kept import discs

STRICT, LAX = (Limit(score, 0.05, 0.95, 59, "2026-11-30") for score in (0.0, 1.0))
GOOD, DAMAGED = Said("good"), Said("damaged", ((50, 14, 78, 42),))


def with_limit(plant: Plant, limit: Limit, **settings: object) -> Product:
    product = discs(plant, 1, 2, **settings)
    return plant.products.change(product.id, Change(limit=limit), who="ann")


def looked(plant: Plant, assistant: AnomalyGPT, content: bytes) -> Inspection:
    product = plant.products.find("disc")
    photo = encoded(plant, assistant, product, plant.blobs.put(content))
    return seen(plant, assistant, product, photo)


def content_of(product: Product) -> Product:
    """All but what says when, and which version it is."""
    return replace(product, version=0, changed="")


def kinds(proposed: Proposed) -> list[str]:
    return [each.kind for each in proposed.consequences]
