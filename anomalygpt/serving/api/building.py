"""The application: routes, errors, the OpenAPI document, and what stands before them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp, Receive, Scope, Send

from anomalygpt.serving.api import chat, feedback, health, inspections, jobs, products
from anomalygpt.serving.api.gate import Gate, is_for_programs
from anomalygpt.serving.api.problems import handle
from anomalygpt.serving.api.repeats import HEADER
from anomalygpt.serving.api.schemas import (
    BODIES,
    InspectionIn,
    JobIn,
    ProblemOut,
    ProductChange,
    ProductIn,
    ReferencesIn,
)
from anomalygpt.serving.api.service import Service
from anomalygpt.version import __version__

ROUTERS = tuple(each.router for each in (products, inspections, feedback, jobs, chat, health))
_REFS = "#/components/schemas/{model}"
_SEEN = ["ETag", "Link", "Location", "Retry-After", "X-Request-ID", "Idempotency-Replayed"]
_MAY_SEND = ["Authorization", "Content-Type", "If-Match", HEADER, "X-Request-ID"]
# Bodies: the address, the model of JSON, and which fields of a form are files.
_TAKES: tuple[tuple[str, str, type[Any], tuple[str, ...]], ...] = (
    ("/v1/products", "post", ProductIn, ("reference",)),
    ("/v1/products/{name}", "patch", ProductChange, ()),
    ("/v1/products/{name}/references", "post", ReferencesIn, ("photo",)),
    ("/v1/inspections", "post", InspectionIn, ("photo", "reference")),
    ("/v1/inspections/{identity}/feedback", "post", feedback.SaidIn, ()),
    ("/v1/feedback/{identity}/apply", "post", feedback.ApplyIn, ()),
    ("/v1/jobs", "post", JobIn, ()),
    ("/v1/chat/completions", "post", chat.ChatIn, ()),
)


def routes(service: Service) -> FastAPI:
    """All routes, without what stands before them."""
    app = FastAPI(
        title="AnomalyGPT",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,
    )
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router)
    handle(app, [route for router in ROUTERS for route in router.routes])
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def build(service: Service) -> ASGIApp:
    """What answers programs."""
    gate: ASGIApp = Gate(routes(service), service)
    if service.options.cors:
        gate = CORSMiddleware(
            gate,
            allow_origins=list(service.options.cors),
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=_MAY_SEND,
            expose_headers=_SEEN,
        )
    return gate


class Beside:
    """Middleware that hands programs to the service, and everybody else to the page."""

    def __init__(self, app: ASGIApp, service: ASGIApp) -> None:
        self._page, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        is_http = scope["type"] == "http"
        chosen = self._service if is_http and is_for_programs(scope["path"]) else self._page
        await chosen(scope, receive, send)


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=(
                "Photos of parts in, verdicts, maps and answers out. Errors are "
                "application/problem+json (RFC 9457) and say what to do."
            ),
            routes=app.routes,
        )
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        models: tuple[type[Any], ...] = (
            *BODIES,
            feedback.SaidIn,
            feedback.ApplyIn,
            ProblemOut,
            chat.ChatIn,
        )
        for model in models:
            schemas[model.__name__] = _schema(model, schemas)
        for path, method, model, files in _TAKES:
            made["paths"][path][method]["requestBody"] = _body(model, files)
        for path, operations in made["paths"].items():
            for method, operation in operations.items():
                _add_problems(path, method, operation)
        app.openapi_schema = made
    return app.openapi_schema


def _schema(model: type[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    made = model.model_json_schema(ref_template=_REFS)
    schemas.update(made.pop("$defs", {}))
    return made


def _body(model: type[Any], files: tuple[str, ...]) -> dict[str, Any]:
    content: dict[str, Any] = {
        "application/json": {"schema": {"$ref": _REFS.format(model=model.__name__)}}
    }
    if files:
        content["multipart/form-data"] = {"schema": _form(model, files)}
    return {"required": True, "content": content}


def _form(model: type[Any], files: tuple[str, ...]) -> dict[str, Any]:
    """The same as a form: photos are files, lists have commas, settings are JSON in a field."""
    many = {"type": "array", "items": {"type": "string", "format": "binary"}}
    fields: dict[str, Any] = {name: dict(many) for name in files}
    required = [files[0]] if "photo" in files else []
    for name, field in model.model_fields.items():
        if name in ("photos", "references"):
            continue
        fields[name] = {"type": "string"}
        if name == "role":
            fields[name]["enum"] = ["reference", "good"]
        if field.is_required():
            required.append(name)
    return {
        "type": "object",
        "properties": fields,
        "required": required,
        "additionalProperties": False,
    }


def _add_problems(path: str, method: str, operation: dict[str, Any]) -> None:
    """The answers that any request may get."""
    if path.startswith("/health"):
        return
    statuses = {401: "no key, or one that opens nothing", 403: "the key lacks the scope"}
    statuses |= {422: "something in the request does not fit"}
    if method != "get":
        statuses |= {
            400: "the body cannot be read",
            408: "the body came too slowly",
            409: "the state forbids it",
            413: "too large, or too many",
            415: "another kind of body",
            503: "busy; ask again",
        }
    if "{" in path or method != "get" or path in ("/v1/inspections", "/v1/feedback"):
        statuses |= {404: "there is no such thing"}
    if "If-Match" in operation.get("description", "") or path.startswith("/v1/products/"):
        statuses |= {412: "changed meanwhile"}
    if path.startswith("/v1/inspections/"):
        statuses |= {409: "it cannot be drawn", 410: "it is not kept any more"}
    for status, meaning in statuses.items():
        if path.startswith(("/v1/chat", "/v1/models")):
            content: dict[str, Any] = {"application/json": {"schema": _OPENAI_ERROR}}
        else:
            schema = {"$ref": _REFS.format(model="ProblemOut")}
            content = {"application/problem+json": {"schema": schema}}
        operation["responses"][str(status)] = {"description": meaning, "content": content}


_OPENAI_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "object", "required": ["message", "type", "code"]}},
    "required": ["error"],
}
