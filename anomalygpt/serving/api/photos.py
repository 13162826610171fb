"""Photos as programs send them: files of a form, or base64 in JSON; never addresses."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, TypeVar
from uuid import uuid4

from fastapi import Request
from PIL import Image
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from anomalygpt.errors import ImageError
from anomalygpt.files import shown
from anomalygpt.images.reading import load_image
from anomalygpt.serving.api.problems import Problem, invalid
from anomalygpt.serving.api.service import Service

_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_SURROGATES = re.compile(rb"\\u[dD][89a-fA-F]")
_LONGEST_NAME = 200
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Given:
    """What came in a request.

    Attributes:
        values: plain values, by name.
        files: (name of the field, name of the file, its bytes), in order.
    """

    values: dict[str, Any]
    files: list[tuple[str, str, bytes]] = field(default_factory=list)

    def of(self, name: str) -> list[tuple[str, bytes]]:
        """The files of one field."""
        return [(file, content) for field_name, file, content in self.files if field_name == name]


async def given_in(request: Request, service: Service, files: Sequence[str]) -> Given:
    """The body of a request, a form or JSON.

    Args:
        request: to read.
        service: its limits.
        files: fields of a form that are files.

    Raises:
        Problem: the body is neither, is damaged, or too large.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
        return Given(await json_of(request))
    if kind == "multipart/form-data":
        return await _form_of(request, service, files)
    raise Problem(
        415,
        "unsupported-media-type",
        f"the body is {shown(kind[:80]) or 'of no kind'}; send application/json or "
        "multipart/form-data",
        headers={"Accept": "application/json, multipart/form-data"},
    )


async def json_of(request: Request) -> dict[str, Any]:
    """The JSON object that a request brings.

    Raises:
        Problem: it is none.
    """
    body = await request.body()
    try:
        value = json.loads(body)
        if _SURROGATES.search(body):  # half a character cannot be kept
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Problem(400, "no-json", f"the body is no JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise Problem(422, "invalid-request", "the body is a JSON object, {…}; send one")
    return value


def checked(model: type[Model], values: dict[str, Any]) -> Model:
    """Values as a model.

    Raises:
        Problem: they do not fit.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_context=False)) from None


async def _form_of(request: Request, service: Service, names: Sequence[str]) -> Given:
    most = 2 * service.options.most_photos
    try:
        form = await request.form(max_files=most, max_fields=most)
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise Problem(400, "no-form", f"the form cannot be read: {error.detail}") from None
    values: dict[str, Any] = {}
    files: list[tuple[str, str, bytes]] = []
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if name not in names:
                    raise _no_field(name, names)
                files.append((name, file_name(value.filename), await value.read()))
            else:  # a list may come as several fields
                values[name] = f"{values[name]},{value}" if name in values else value
    finally:
        await form.close()
    for name in names:
        if name in values:
            raise Problem(422, "invalid-request", f"{name} is a file; send it as one")
    return Given(values, files)


def _no_field(name: str, names: Sequence[str]) -> Problem:
    return Problem(
        422,
        "invalid-request",
        f"there is no field {shown(name[:40])} for files; there is {', '.join(names)}",
    )


def file_name(given: str | None) -> str:
    """The last part of a file's name; "photo" where there is none."""
    name = PurePosixPath((given or "").replace("\\", "/").replace("\0", "")).name
    kept = "".join(letter for letter in name if letter.isprintable())
    return kept[-_LONGEST_NAME:].strip() or "photo"


def decoded(data: str) -> bytes:
    """Bytes of base64 or of a data URL.

    Raises:
        Problem: it is an address, or no base64.
    """
    if data[:5].lower() == "data:":
        head, comma, data = data.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise Problem(422, "unusable-photo", "a data URL is data:image/png;base64,…")
    elif found := _ADDRESS.match(data[:40]):
        raise Problem(
            422,
            "no-addresses",
            f"this server fetches nothing, so {found[1].lower()}: addresses are refused; send the "
            "photo itself as base64, a data URL or a file of a form",
        )
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(422, "unusable-photo", f"a photo is no base64: {error}") from None


def check_size(service: Service, name: str, content: bytes) -> None:
    """
    Raises:
        Problem: a photo is larger than the server takes.
    """
    if len(content) > service.settings.max_upload_mb * 1024**2:
        raise Problem(
            413,
            "too-large",
            f"{shown(name)} has {len(content) / 1024**2:.1f} MB, this server takes "
            f"{service.settings.max_upload_mb:g} MB; send a smaller one",
        )


def read_photo(
    service: Service, name: str, content: bytes, bit_depth: int | None = None
) -> Image.Image:
    """A photo that came, upright and RGB.

    Raises:
        Problem: it is too large.
        ImageError: it cannot be inspected.
    """
    check_size(service, name, content)
    path = service.scratch / uuid4().hex
    service.scratch.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    try:
        return load_image(path, bit_depth)
    except ImageError as error:
        raise ImageError(str(error).replace(str(path), shown(name))) from None
    finally:
        with suppress(OSError):
            path.unlink()
