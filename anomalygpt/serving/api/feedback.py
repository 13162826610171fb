"""Feedback: what somebody says of an inspection, what follows for the product, and undoing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from anomalygpt.errors import ConfigError
from anomalygpt.feedback.feedback import Feedback
from anomalygpt.feedback.said import Said
from anomalygpt.model import AnomalyGPT
from anomalygpt.records.keys import Key
from anomalygpt.serving.api.access import Inspector, Manager, Reader
from anomalygpt.serving.api.inspections import Identity, found
from anomalygpt.serving.api.photos import Given, check_size, checked, decoded, given_in, json_of
from anomalygpt.serving.api.problems import Problem
from anomalygpt.serving.api.products import Limit, find, product_told, read_ahead
from anomalygpt.serving.api.repeats import Reply, once
from anomalygpt.serving.api.schemas import ProductOut, Taken
from anomalygpt.serving.api.service import Service, in_thread, service_of

router = APIRouter(prefix="/v1", tags=["feedback"])
FeedbackId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="a feedback's id")]
Kind = Literal["reference", "ignore", "limit", "count", "remove"]
Value = TypeVar("Value")
# Inspections that a preview looks at again: everybody waits for them.
_MOST_SHOWN = 20


class SaidIn(Taken):
    """What somebody says of an inspection."""

    verdict: Literal["good", "damaged"]
    boxes: list[Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=4, max_length=4)]] = (
        Field(default_factory=list, max_length=50, description="where: x0, y0, x1, y1 in pixels")
    )
    mask: str | None = Field(
        None,
        min_length=4,
        description="where: a picture of the photo's size as base64, white there",
    )


class ApplyIn(Taken):
    """Which of the proposed consequences is to follow."""

    kind: Kind
    expected_version: int | None = Field(
        None, ge=1, description="of the product that was looked at; another one is refused"
    )


class ProposedOut(BaseModel):
    """Feedback that was taken down, and what may follow; nothing is changed yet."""

    id: str
    inspection: str
    product: str | None
    version: int | None
    consequences: list[dict[str, Any]]
    notes: list[str]


class FeedbackPage(BaseModel):
    """Feedback, the youngest first."""

    items: list[dict[str, Any]]


@router.post("/inspections/{identity}/feedback", response_model=ProposedOut, status_code=201)
async def say(request: Request, key: Inspector, identity: Identity) -> Response:
    """Say that a part was good or damaged; what may follow for its product is proposed."""
    service = service_of(request)
    given = await given_in(request, service, ())

    async def work() -> Reply:
        return await in_thread(service.slow, _say, service, key, identity, given)

    return await once(request, service, key, given, work)


def _say(service: Service, key: Key, identity: str, given: Given) -> Reply:
    wanted = checked(SaidIn, given.values)
    found(service, identity)
    mask = None if wanted.mask is None else decoded(wanted.mask)
    if mask is not None:
        check_size(service, "the mask", mask)
    boxes = tuple((box[0], box[1], box[2], box[3]) for box in wanted.boxes)
    said = Said(wanted.verdict, boxes, mask)
    proposed = _of(service, lambda kept: kept.propose(identity, said, who=key.name))
    return Reply(201, proposed.to_dict())


@router.get("/feedback", response_model=FeedbackPage)
async def list_feedback(
    request: Request,
    key: Reader,
    limit: Limit = 50,
    product: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
) -> Any:
    """What was said, the youngest first."""
    service = service_of(request)

    def read() -> dict[str, Any]:
        wanted = None if product is None else find(service, product).id
        items = Feedback(service.plant, _no_model).all(wanted, limit)
        return {"items": [each.to_dict() for each in items]}

    return await in_thread(service.quick, read)


@router.get("/feedback/{identity}/preview")
async def preview(
    request: Request, key: Reader, identity: FeedbackId, kind: Annotated[Kind, Query()]
) -> dict[str, Any]:
    """What a consequence would change in the last inspections of the product."""
    service = service_of(request)

    def look() -> dict[str, Any]:
        shown = _of(service, lambda kept: kept.preview(identity, kind, most=_MOST_SHOWN))
        return shown.to_dict()

    return await in_thread(service.slow, look)


@router.post("/feedback/{identity}/apply", response_model=ProductOut)
async def apply(request: Request, key: Manager, identity: FeedbackId) -> Response:
    """Let a consequence follow; the product gets a new version."""
    service = service_of(request)
    wanted = checked(ApplyIn, await json_of(request))

    def do() -> Response:
        try:
            product = _of(
                service,
                lambda kept: kept.apply(
                    identity, wanted.kind, who=key.name, expected_version=wanted.expected_version
                ),
            )
        except ConfigError as error:
            raise Problem(409, "not-applied", str(error)) from None
        read_ahead(service, key, product)
        return product_told(product)

    return await in_thread(service.slow, do)


@router.post("/feedback/{identity}/undo", response_model=ProductOut)
async def undo(request: Request, key: Manager, identity: FeedbackId) -> Response:
    """Take back what followed; what others changed since stays."""
    service = service_of(request)

    def do() -> Response:
        try:
            product = Feedback(service.plant, _no_model).undo(identity, who=key.name)
        except ConfigError as error:
            raise Problem(409, "not-undone", str(error)) from None
        read_ahead(service, key, product)
        return product_told(product)

    return await in_thread(service.slow, do)


def _of(service: Service, ask: Callable[[Feedback], Value]) -> Value:
    """Something that needs a model."""
    return service.engine.with_models(lambda opened: ask(Feedback(service.plant, opened)))


def _no_model(name: str) -> AnomalyGPT:
    raise ConfigError(f"{name} is not needed here")
