"""/v1/inspections/ID/feedback and /v1/feedback: wrong verdicts are said, and a product learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from anomalygpt.feedback.feedback import Feedback
from anomalygpt.feedback.preview import MOST
from anomalygpt.feedback.said import Said
from anomalygpt.model import AnomalyGPT
from anomalygpt.records.keys import Key
from anomalygpt.serving.api.access import Inspector, Manager, Reader
from anomalygpt.serving.api.inspections import Identity, found
from anomalygpt.serving.api.photos import Given, checked, decoded, given_in
from anomalygpt.serving.api.products import Limit, tag_of
from anomalygpt.serving.api.repeats import Reply, once
from anomalygpt.serving.api.schemas import (
    ApplyIn,
    FeedbackIn,
    FeedbackPage,
    Kind,
    PreviewOut,
    ProductOut,
    ProposedOut,
)
from anomalygpt.serving.api.service import Service, in_thread, service_of

router = APIRouter(tags=["feedback"])
Mark = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="a feedback's id")]
Value = TypeVar("Value")
_MOST_PREVIEWED = 50


def _with(service: Service, work: Callable[[Feedback], Value]) -> Value:
    """Feedback computes with a model, so it takes its turn in the engine's queue."""

    def step(model_of: Callable[[str], AnomalyGPT]) -> Value:
        return work(Feedback(service.plant, model_of))

    return service.engine.compute(step)


@router.post("/v1/inspections/{identity}/feedback", response_model=ProposedOut, status_code=201)
async def give_feedback(request: Request, key: Inspector, identity: Identity) -> Response:
    """Say that a part was good after all, or damaged, and where. Nothing changes yet: the answer
    proposes what may follow for the product."""
    service = service_of(request)
    given = await given_in(request, service, ())

    async def work() -> Reply:
        return await in_thread(service.slow, _propose, service, key, identity, given)

    return await once(request, service, key, given, work)


def _propose(service: Service, key: Key, identity: str, given: Given) -> Reply:
    found(service, identity)
    wanted = checked(FeedbackIn, given.values)
    boxes = tuple((box[0], box[1], box[2], box[3]) for box in wanted.boxes)
    mask = None if wanted.mask is None else decoded(wanted.mask)
    said = Said(wanted.verdict, boxes, mask)
    proposed = _with(service, lambda feedback: feedback.propose(identity, said, who=key.name))
    return Reply(201, proposed.to_dict())


@router.get("/v1/feedback", response_model=FeedbackPage)
async def list_feedback(
    request: Request,
    key: Reader,
    limit: Limit = 50,
    product: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
) -> Any:
    """What was said, the youngest first."""
    service = service_of(request)

    def read() -> list[dict[str, Any]]:
        feedback = Feedback(service.plant, _no_model)
        return [each.to_dict() for each in feedback.all(product, limit)]

    return {"items": await in_thread(service.quick, read)}


@router.get("/v1/feedback/{feedback}/preview", response_model=PreviewOut)
async def preview_feedback(
    request: Request,
    key: Inspector,
    feedback: Mark,
    kind: Kind,
    most: Annotated[int, Query(ge=1, le=_MOST_PREVIEWED)] = MOST,
) -> Any:
    """What one of the proposals would do to the last inspections of the product."""
    service = service_of(request)

    def look() -> dict[str, Any]:
        return _with(service, lambda each: each.preview(feedback, kind, most=most)).to_dict()

    return await in_thread(service.slow, look)


@router.post("/v1/feedback/{feedback}/apply", response_model=ProductOut)
async def apply_feedback(request: Request, key: Manager, feedback: Mark) -> Response:
    """Change the product as was proposed; it can be undone at any time."""
    service = service_of(request)
    given = await given_in(request, service, ())

    async def work() -> Reply:
        return await in_thread(service.slow, _apply, service, key, feedback, given)

    return await once(request, service, key, given, work)


def _apply(service: Service, key: Key, identity: str, given: Given) -> Reply:
    wanted = checked(ApplyIn, given.values)

    def change(feedback: Feedback) -> Any:
        version = wanted.expected_version
        return feedback.apply(identity, wanted.kind, who=key.name, expected_version=version)

    product = _with(service, change)
    return Reply(200, product.to_dict(), tag_of(product))


@router.post("/v1/feedback/{feedback}/undo", response_model=ProductOut)
async def undo_feedback(request: Request, key: Manager, feedback: Mark) -> Response:
    """Take back what was applied; what others changed since stays."""
    service = service_of(request)

    def undo() -> Response:
        product = Feedback(service.plant, _no_model).undo(feedback, who=key.name)
        return JSONResponse(product.to_dict(), headers=tag_of(product))

    return await in_thread(service.slow, undo)


def _no_model(name: str) -> AnomalyGPT:
    raise AssertionError(f"nothing here computes with {name}")
