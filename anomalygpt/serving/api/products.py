"""/v1/products: what is inspected, and photos of good ones."""

from __future__ import annotations

import json
import unicodedata
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from anomalygpt.errors import BusyError, ConfigError, SourceError
from anomalygpt.products.product import Product, Settings
from anomalygpt.products.store import Change, NewPhoto
from anomalygpt.records.keys import Key
from anomalygpt.serving.api.access import Manager, Reader
from anomalygpt.serving.api.photos import (
    Given,
    check_size,
    checked,
    decoded,
    file_name,
    given_in,
    json_of,
)
from anomalygpt.serving.api.problems import Problem
from anomalygpt.serving.api.repeats import Reply, once
from anomalygpt.serving.api.schemas import (
    PhotoIn,
    PhotoPage,
    ProductChange,
    ProductIn,
    ProductOut,
    ProductPage,
    ReferencesIn,
)
from anomalygpt.serving.api.service import Service, in_thread, service_of

router = APIRouter(prefix="/v1/products", tags=["products"])
Name = Annotated[str, Path(min_length=1, max_length=64, description="a product's name or id")]
Limit = Annotated[int, Query(ge=1, le=200, description="so many at most")]
Photo = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the file")]


def find(service: Service, name: str) -> Product:
    """The product of a name as it stands in an address or a body.

    Raises:
        SourceError: there is none.
    """
    wanted = unicodedata.normalize("NFC", name)
    if not wanted.isprintable():
        raise SourceError("there is no product of this name: it has signs that no name has")
    return service.plant.products.find(wanted)


@router.get("", response_model=ProductPage)
async def list_products(
    request: Request, key: Reader, limit: Limit = 50, after: Annotated[str, Query()] = ""
) -> Any:
    """Products by name, some at a time."""
    service = service_of(request)
    after = "".join(letter for letter in after if letter.isprintable())
    found = await in_thread(service.quick, service.plant.products.all, after, limit + 1)
    items = [each.to_dict() for each in found[:limit]]
    following = None
    if len(found) > limit:
        asked = urlencode({"limit": limit, "after": items[-1]["name"]})
        following = f"{service.settings.root_path}/v1/products?{asked}"
    headers = {"Link": f'<{following}>; rel="next"'} if following else None
    return JSONResponse({"items": items, "next": following}, headers=headers)


@router.post("", response_model=ProductOut, status_code=201)
async def create_product(request: Request, key: Manager) -> Response:
    """Make a product. Its references are read in the background; the first inspection waits."""
    service = service_of(request)
    given = await given_in(request, service, ("reference",))

    async def work() -> Reply:
        return await in_thread(service.slow, _create, service, key, given)

    return await once(request, service, key, given, work)


def _create(service: Service, key: Key, given: Given) -> Reply:
    values = dict(given.values)
    if given.files or isinstance(values.get("settings"), str):
        values["settings"] = _settings_text(values.get("settings", "{}"))
    wanted = checked(ProductIn, values)
    photos = photos_of(service, wanted.references, given.of("reference"))
    settings = settings_of(service, wanted.settings.model_dump())
    _check_free(service, wanted.name)
    product = service.plant.products.add(
        wanted.name,
        references=photos,
        description=wanted.description or None,
        settings=settings,
        who=key.name,
    )
    read_ahead(service, key, product)
    location = f"{service.settings.root_path}/v1/products/{quote(product.name, safe='')}"
    return Reply(201, product.to_dict(), {"Location": location, **tag_of(product)})


def _settings_text(text: Any) -> Any:
    """Settings of a form, which are JSON in a field.

    Raises:
        Problem: they are no JSON.
    """
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        raise Problem(422, "invalid-request", "settings is a JSON object, {…}") from None


def _check_free(service: Service, name: str) -> None:
    """
    Raises:
        Problem: there is a product of this name.
    """
    with suppress(SourceError):
        there = find(service, name)
        raise Problem(
            409,
            "name-taken",
            f"there is a product {there.name!r} already; change it, or name another",
        )


@router.get("/{name}", response_model=ProductOut)
async def get_product(request: Request, key: Reader, name: Name) -> Any:
    """One product; its ETag is its version."""
    service = service_of(request)
    product = await in_thread(service.quick, find, service, name)
    return product_told(product)


@router.patch("/{name}", response_model=ProductOut)
async def change_product(request: Request, key: Manager, name: Name) -> Response:
    """Change name, description or settings; `If-Match` with an ETag keeps others' changes."""
    service = service_of(request)
    wanted = checked(ProductChange, await json_of(request))
    return await in_thread(service.slow, _change, service, key, name, wanted, request)


def _change(
    service: Service, key: Key, name: str, wanted: ProductChange, request: Request
) -> Response:
    product = find(service, name)
    settings = None
    if wanted.settings is not None:
        named = wanted.settings.model_dump(exclude_unset=True)
        settings = settings_of(service, {**asdict(product.settings), **named})
    change = Change(
        new_name=wanted.name,
        description=wanted.description,
        settings=settings,
        expected_version=expected_version(request, product),
    )
    return changed(service, key, product, change)


@router.delete("/{name}", status_code=204)
async def delete_product(request: Request, key: Manager, name: Name) -> Response:
    """Forget a product; what was inspected by it stays on record."""
    service = service_of(request)

    def remove() -> None:
        product = find(service, name)
        expected_version(request, product)
        service.plant.products.remove(product.id, who=key.name)

    await in_thread(service.quick, remove)
    return Response(status_code=204)


@router.get("/{name}/references", response_model=PhotoPage)
async def list_references(request: Request, key: Reader, name: Name) -> Any:
    """All photos of good parts that a product has."""
    service = service_of(request)
    product = await in_thread(service.quick, find, service, name)
    items = [
        {**asdict(each), "role": role}
        for role, photos in (("reference", product.references), ("good", product.good))
        for each in photos
    ]
    return {"items": items}


@router.post("/{name}/references", response_model=ProductOut, status_code=201)
async def add_references(request: Request, key: Manager, name: Name) -> Response:
    """Add photos of good parts, as references or to measure the limit on."""
    service = service_of(request)
    given = await given_in(request, service, ("photo",))

    async def work() -> Reply:
        return await in_thread(service.slow, _add, service, key, name, given, request)

    return await once(request, service, key, given, work)


def _add(service: Service, key: Key, name: str, given: Given, request: Request) -> Reply:
    values = dict(given.values)
    role = values.get("role", "reference")
    if given.files:
        if set(values) - {"role"} or role not in ("reference", "good"):
            raise Problem(422, "invalid-request", "beside photos there is role, reference or good")
        photos = photos_of(service, [], given.of("photo"))
    else:
        wanted = checked(ReferencesIn, values)
        photos, role = photos_of(service, wanted.photos, []), wanted.role
    product = find(service, name)
    change = Change(
        references=photos if role == "reference" else (),
        good=photos if role == "good" else (),
        expected_version=expected_version(request, product),
    )
    found = _changed(service, key, product, change)
    return Reply(201, found.to_dict(), tag_of(found))


@router.delete("/{name}/references/{photo}", response_model=ProductOut)
async def remove_reference(request: Request, key: Manager, name: Name, photo: Photo) -> Response:
    """Take a photo of a good part out."""
    service = service_of(request)

    def remove() -> Response:
        product = find(service, name)
        if photo not in {each.photo for each in (*product.references, *product.good)}:
            raise SourceError(
                f"{product.name} has no photo {photo[:12]}…; its references list them"
            )
        change = Change(removed=[photo], expected_version=expected_version(request, product))
        return changed(service, key, product, change)

    return await in_thread(service.slow, remove)


def photos_of(
    service: Service, sent: list[PhotoIn], files: list[tuple[str, bytes]]
) -> list[NewPhoto]:
    """Photos that came, as base64 or files.

    Raises:
        Problem: one is too large or no base64, or there are too many.
    """
    found = [NewPhoto(file_name(each.name), decoded(each.data)) for each in sent]
    found += [NewPhoto(name, content) for name, content in files]
    if len(found) > service.options.most_photos:
        raise Problem(
            413, "too-many", f"at most {service.options.most_photos} photos in a request; send more"
        )
    for each in found:
        check_size(service, each.name, each.content)
    return found


def settings_of(service: Service, values: dict[str, Any]) -> Settings:
    """Settings with a model that is there.

    Raises:
        Problem: it is not.
    """
    if values["model"] not in service.settings.models:
        raise Problem(
            422,
            "no-model",
            f"there is no model {values['model']!r} here; there is "
            f"{', '.join(service.settings.models)}",
        )
    return replace(Settings(), **values)


def tag_of(product: Product) -> dict[str, str]:
    """The header with the version."""
    return {"ETag": f'"{product.id}-{product.version}"'}


def expected_version(request: Request, product: Product) -> int | None:
    """The version that a change was made for; None for any.

    Raises:
        Problem: the product has another one by now.
    """
    given = request.headers.get("if-match")
    if given is None or given.strip() == "*":
        return None
    if tag_of(product)["ETag"] not in [each.strip() for each in given.split(",")]:
        raise _outdated(product)
    return product.version


def _outdated(product: Product) -> Problem:
    return Problem(
        412,
        "changed-meanwhile",
        f"{product.name} was changed meanwhile; it is version {product.version} now, look again",
    )


def changed(service: Service, key: Key, product: Product, change: Change) -> Response:
    """Change a product and tell it."""
    return product_told(_changed(service, key, product, change))


def product_told(product: Product) -> Response:
    """A product as an answer."""
    return JSONResponse(product.to_dict(), headers=tag_of(product))


def _changed(service: Service, key: Key, product: Product, change: Change) -> Product:
    """
    Raises:
        Problem: the name is taken, or somebody else was quicker.
        AnomalyGPTError: what `Products.change` raises.
    """
    products = service.plant.products
    if change.new_name is not None and change.new_name.casefold() != product.name.casefold():
        _check_free(service, change.new_name)
    try:
        found = products.change(product.id, change, who=key.name)
    except ConfigError:
        now = products.find(product.id)
        if change.expected_version not in (None, now.version):
            raise _outdated(now) from None
        raise
    read_ahead(service, key, found)
    return found


def read_ahead(service: Service, key: Key, product: Product) -> None:
    """Let changed references be read before the next photo comes, and a promised limit measured."""
    with suppress(BusyError):  # then the first inspection reads them
        service.engine.read_ahead(product.id, key.name)
