"""/health and /metrics, for whoever keeps the server running."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from anomalygpt.serving.api.access import Reader
from anomalygpt.serving.api.service import in_thread, service_of

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/health/ready", responses={503: {"description": "not now; the body says why"}})
async def ready(request: Request) -> Response:
    """Whether it takes work: database there, queue not full, and not stopping."""
    service = service_of(request)
    if service.is_stopping:
        return _not_ready("the server is stopping")
    if service.engine.pending >= service.settings.queue_size:
        return _not_ready("the queue is full")
    if not await in_thread(service.quick, service.plant.database.is_alive):
        return _not_ready("the database does not answer")
    return JSONResponse({"status": "ready"})


def _not_ready(reason: str) -> Response:
    return JSONResponse({"status": "not ready", "reason": reason}, 503)


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, key: Reader) -> Response:
    """Figures for Prometheus."""
    service = service_of(request)
    content = await in_thread(service.quick, generate_latest, service.metrics.registry)
    return Response(content, media_type=CONTENT_TYPE_LATEST)
