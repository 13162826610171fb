"""/v1/jobs: whole folders of the server, in the background."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from anomalygpt.records.keys import Key
from anomalygpt.serving.api.access import Inspector, Reader
from anomalygpt.serving.api.folders import job_told
from anomalygpt.serving.api.inspections import check_asked
from anomalygpt.serving.api.photos import Given, checked, given_in
from anomalygpt.serving.api.products import Limit, find
from anomalygpt.serving.api.repeats import Reply, once
from anomalygpt.serving.api.schemas import JobIn, JobOut, JobPage
from anomalygpt.serving.api.service import Service, in_thread, service_of

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
_PATTERN = "^[0-9a-f]{32}$"
Identity = Annotated[str, Path(pattern=_PATTERN, description="a job's id")]


@router.post("", response_model=JobOut, status_code=202)
async def create_job(request: Request, key: Inspector) -> Response:
    """Inspect all photos of a folder that lies below the server's --jobs-root."""
    service = service_of(request)
    given = await given_in(request, service, ())

    async def work() -> Reply:
        return await in_thread(service.quick, _create, service, key, given)

    return await once(request, service, key, given, work)


def _create(service: Service, key: Key, given: Given) -> Reply:
    wanted = checked(JobIn, given.values)
    service.folders.folder(wanted.folder)
    product = find(service, wanted.product)
    check_asked(service, product, 0, None)
    job = service.jobs.add(key.name, {"folder": wanted.folder, "product": product.name})
    service.folders.wake()
    location = f"{service.settings.root_path}/v1/jobs/{job.id}"
    return Reply(202, job_told(job), {"Location": location})


@router.get("", response_model=JobPage)
async def list_jobs(
    request: Request,
    key: Reader,
    limit: Limit = 50,
    before: Annotated[str | None, Query(pattern=_PATTERN)] = None,
) -> Any:
    """Jobs, the youngest first."""
    service = service_of(request)

    def read() -> list[Any]:
        return service.jobs.all(before=before, most=limit + 1)

    found = await in_thread(service.quick, read)
    items = [job_told(each) for each in found[:limit]]
    following = None
    if len(found) > limit:
        asked = urlencode({"limit": limit, "before": items[-1]["id"]})
        following = f"{service.settings.root_path}/v1/jobs?{asked}"
    headers = {"Link": f'<{following}>; rel="next"'} if following else None
    return JSONResponse({"items": items, "next": following}, headers=headers)


@router.get("/{identity}", response_model=JobOut)
async def get_job(request: Request, key: Reader, identity: Identity) -> Any:
    """How far a job is. What it found: `/v1/inspections?job=ID`."""
    service = service_of(request)
    return job_told(await in_thread(service.quick, service.jobs.find, identity))


@router.delete("/{identity}", response_model=JobOut)
async def stop_job(request: Request, key: Inspector, identity: Identity) -> Any:
    """Let a job end after its current photo."""
    service = service_of(request)
    return job_told(await in_thread(service.quick, service.jobs.stop, identity))
