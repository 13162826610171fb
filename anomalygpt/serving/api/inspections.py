"""/v1/inspections: photos in, findings out, each on record before it is told."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from PIL import Image
from starlette.responses import Response

from anomalygpt.audit.journal import Entry
from anomalygpt.audit.looking import entries_of
from anomalygpt.chat import Talk
from anomalygpt.errors import AnomalyGPTError, RecordsError, SourceError
from anomalygpt.products.product import Product
from anomalygpt.records.keys import Key
from anomalygpt.serving.api.access import Inspector, Reader
from anomalygpt.serving.api.depths import depth_among, depth_of
from anomalygpt.serving.api.folders import asker_of
from anomalygpt.serving.api.photos import (
    Given,
    checked,
    decoded,
    file_name,
    given_in,
    read_photo,
)
from anomalygpt.serving.api.pictures import as_text, drawn_again, picture
from anomalygpt.serving.api.problems import Problem, problem_of
from anomalygpt.serving.api.products import Limit, find
from anomalygpt.serving.api.repeats import Reply, once
from anomalygpt.serving.api.schemas import (
    InspectionIn,
    InspectionOut,
    InspectionPage,
    InspectionsOut,
    Picture,
)
from anomalygpt.serving.api.service import Service, in_thread, service_of
from anomalygpt.serving.engine import MOST_AT_ONCE
from anomalygpt.serving.requests import Progress, Recorded
from anomalygpt.serving.requests import Request as Asked

router = APIRouter(prefix="/v1/inspections", tags=["inspections"])
Identity = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="an inspection's id")]
_MOST_REFERENCES = 8


@dataclass(frozen=True)
class Wanted:
    """What is to be inspected.

    Attributes:
        photos, references: (name, bytes) of each.
        product: the part; None for references of the request's own.
        model, description: of the request; None for the usual one, and for none.
        include: pictures of the answer.
    """

    photos: Sequence[tuple[str, bytes]]
    references: Sequence[tuple[str, bytes]]
    product: Product | None
    model: str
    description: str | None
    include: Sequence[Picture]


@router.post("", response_model=InspectionsOut, status_code=201)
async def inspect(request: Request, key: Inspector) -> Response:
    """Inspect one or many photos, by a product or with references of the request's own.

    Each finding is on record before it is told. Of several photos some may fail; they are named.
    """
    service = service_of(request)
    given = await given_in(request, service, ("photo", "reference"))

    async def work() -> Reply:
        return await in_thread(service.slow, _inspect, service, key, given)

    return await once(request, service, key, given, work)


def _inspect(service: Service, key: Key, given: Given) -> Reply:
    rows = list(inspected(service, key.name, wanted_of(service, given)))
    problems = [each for each in rows if isinstance(each, Problem)]
    if problems and len(problems) == len(rows):
        raise problems[0]
    told: list[dict[str, Any]] = []
    for name, row in zip(_names(given), rows, strict=True):
        if isinstance(row, Problem):
            told.append({"photo_name": name, "problem": row.to_dict()})
        else:
            told.append(row)
    return Reply(201, {"inspections": told})


def _names(given: Given) -> list[str]:
    """What the photos are called."""
    if given.files:
        return [name for name, _ in given.of("photo")]
    return [file_name(each.get("name")) for each in given.values["photos"]]


def wanted_of(service: Service, given: Given) -> Wanted:
    """What a form or JSON asks for.

    Raises:
        Problem: it does not fit.
        SourceError: there is no such product.
    """
    photos, references = given.of("photo"), given.of("reference")
    values = dict(given.values)
    if given.files:
        if isinstance(values.get("include"), str):
            values["include"] = [each.strip() for each in values["include"].split(",") if each]
        stand_in = [{"data": "none"}]  # the form's files are the photos
        wanted = checked(InspectionIn, {**values, "photos": stand_in if photos else []})
    else:
        wanted = checked(InspectionIn, values)
        photos = [(file_name(each.name), decoded(each.data)) for each in wanted.photos]
        references = [(file_name(each.name), decoded(each.data)) for each in wanted.references]
    if len(photos) > service.options.most_photos or len(references) > _MOST_REFERENCES:
        raise Problem(
            413,
            "too-many",
            f"at most {service.options.most_photos} photos and {_MOST_REFERENCES} references in a "
            "request; send more of them",
        )
    product = None if wanted.product is None else find(service, wanted.product)
    check_asked(service, product, len(references), wanted.model)
    model = wanted.model or service.settings.models[0]
    return Wanted(photos, references, product, model, wanted.description, wanted.include)


def check_asked(
    service: Service, product: Product | None, references: int, model: str | None
) -> None:
    """
    Raises:
        Problem: product, references and model do not go together.
    """
    if product is not None and references:
        raise Problem(
            422, "invalid-request", "a product has its own references; send it or them, not both"
        )
    if product is not None and not product.references:
        raise Problem(
            409,
            "no-references",
            f"{product.name} has no photo of a good part yet; POST one to "
            "/v1/products/NAME/references",
        )
    wanted = model if product is None else product.settings.model
    if wanted is not None and wanted not in service.settings.models:
        there = ", ".join(service.settings.models)
        raise Problem(422, "no-model", f"there is no model {wanted!r} here; there is {there}")


def inspected(service: Service, who: str, wanted: Wanted) -> Iterator[dict[str, Any] | Problem]:
    """The finding of each photo, or what was wrong with it, in their order.

    Raises:
        AnomalyGPTError: a reference cannot be used.
    """
    if wanted.product is None:
        sent = [*wanted.references, *wanted.photos]
        depth = depth_among(content for _, content in sent)
    else:
        depth = depth_of(service.plant, wanted.product)
    references = tuple(read_photo(service, *each, depth) for each in wanted.references)
    for start in range(0, len(wanted.photos), MOST_AT_ONCE):
        some = wanted.photos[start : start + MOST_AT_ONCE]
        begun = [_begun(service, who, wanted, references, photo, depth) for photo in some]
        for each in begun:
            yield each if isinstance(each, Problem) else _finished(*each, wanted.include)


def _begun(
    service: Service,
    who: str,
    wanted: Wanted,
    references: tuple[Image.Image, ...],
    given: tuple[str, bytes],
    depth: int | None,
) -> tuple[Image.Image, Iterator[Any]] | Problem:
    """A photo in the queue, or what is wrong with it."""
    name, content = given
    try:
        photo = read_photo(service, name, content, depth)
        asked = Asked(
            photo,
            name,
            references,
            wanted.description,
            wanted.model,
            tuple(name for name, _ in wanted.references),
            product=None if wanted.product is None else wanted.product.id,
            content=content,
            who=who,
        )
        return photo, service.engine.inspect(asked)
    except (Problem, AnomalyGPTError) as error:
        return problem_of(error)


def _finished(
    photo: Image.Image, steps: Iterator[Progress | Recorded | Talk], include: Sequence[Picture]
) -> dict[str, Any] | Problem:
    entry, talk = None, None
    try:
        for step in steps:
            if isinstance(step, Recorded):
                entry = step.entry
            elif not isinstance(step, Progress):
                talk = step
        assert entry is not None
        assert talk is not None
        drawn = {kind: as_text(picture(kind, talk.inspection, photo)) for kind in include}
    except AnomalyGPTError as error:
        return problem_of(error)
    return {**told(entry), "pictures": drawn}


def told(entry: Entry) -> dict[str, Any]:
    """An inspection as the service tells it."""
    values = entry.to_dict()
    result = values.pop("result")
    kept = {name: value for name, value in values.items() if name != "map"}
    names = ("is_anomalous", "anomaly_probability", "anomaly_score", "answer")
    return {**kept, **{name: result[name] for name in names}, "result": result, "pictures": {}}


@router.get("", response_model=InspectionPage)
async def list_inspections(
    request: Request,
    key: Reader,
    limit: Limit = 50,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    product: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    job: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")] = None,
) -> Any:
    """What was found, the youngest first; of one product or one job where that is named."""
    service = service_of(request)
    found = await in_thread(service.quick, _listed, service, limit + 1, before, product, job)
    items = [told(entry) for entry in found[:limit]]
    following = None
    if len(found) > limit:
        asked = {"limit": limit, "before": items[-1]["number"], "product": product, "job": job}
        asked = {name: value for name, value in asked.items() if value is not None}
        following = f"{service.settings.root_path}/v1/inspections?{urlencode(asked)}"
    headers = {"Link": f'<{following}>; rel="next"'} if following else None
    return JSONResponse({"items": items, "next": following}, headers=headers)


def _listed(
    service: Service, most: int, before: int | None, product: str | None, job: str | None
) -> list[Entry]:
    plant = service.plant
    if job is not None:
        first = int(service.jobs.find(job).progress.get("first", 0))
        return entries_of(plant.database, asker_of(job), first=first, before=before, most=most)
    identity = None if product is None else find(service, product).id
    return plant.journal.all(product=identity, before=before, most=most)


@router.get("/{identity}", response_model=InspectionOut)
async def get_inspection(request: Request, key: Reader, identity: Identity) -> Any:
    """One finding."""
    service = service_of(request)
    return told(await in_thread(service.quick, found, service, identity))


def found(service: Service, identity: str) -> Entry:
    """An inspection on record.

    Raises:
        SourceError: there is none.
    """
    try:
        return service.plant.journal.find(identity)
    except SourceError:
        raise SourceError(
            f"there is no inspection {identity}; GET /v1/inspections lists them"
        ) from None


_PHOTO: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("/{identity}/photo", response_class=Response, responses=_PHOTO)
async def get_photo(request: Request, key: Reader, identity: Identity) -> Response:
    """The photo as it came, where it is kept."""
    service = service_of(request)

    def read() -> tuple[bytes, str]:
        entry = found(service, identity)
        try:
            content = service.plant.blobs.get(entry.photo)
        except RecordsError as error:
            raise Problem(410, "gone", str(error)) from None
        with Image.open(io.BytesIO(content)) as opened:
            return content, Image.MIME.get(opened.format or "", "application/octet-stream")

    content, kind = await in_thread(service.quick, read)
    headers = {"Content-Disposition": "attachment"}
    return Response(content, media_type=kind, headers=headers)


_PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
}


def _serve_picture(kind: Picture) -> None:
    """An address for one kind of picture: no other word is one."""

    async def get_picture(request: Request, key: Reader, identity: Identity) -> Response:
        service = service_of(request)

        def draw() -> bytes:
            return drawn_again(service.plant, found(service, identity), kind)

        return Response(await in_thread(service.slow, draw), media_type="image/png")

    bits = " (16 bits)" if kind == "map" else ""
    router.add_api_route(
        f"/{{identity}}/{kind}",
        get_picture,
        name=f"get_{kind}",
        description=f"The {kind}{bits} of a finding as PNG, drawn from what is on record.",
        response_class=Response,
        responses=_PNG,
    )


for _kind in get_args(Picture):
    _serve_picture(_kind)
