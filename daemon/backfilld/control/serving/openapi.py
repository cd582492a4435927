"""The OpenAPI document: made from the handlers themselves, so that it cannot say anything else.

Litestar knows paths, queries and answers from their signatures. What it cannot see stands in a
route's `opt`: `body`, the shape that is decoded from the request; `media`, for an answer that is
no JSON document. Every refusal is the envelope of `problems`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.types import ControllerRouterHandler

from ... import __version__
from ..shapes import Problem

REFS = "#/components/schemas/{name}"
Document = dict[str, Any]

_CONFIG = OpenAPIConfig(
    title="backfilld",
    version=__version__,
    description="Backfills of AT Protocol collections: HappyView's admin API, and what is new.",
    use_handler_docstrings=True,
)


def document(routes: Sequence[ControllerRouterHandler]) -> Document:
    """The document of all `routes` under /admin."""
    application = Litestar(routes, openapi_config=_CONFIG, logging_config=None)  # not to serve
    made: Document = application.openapi_schema.to_schema()
    made["paths"] = {path: item for path, item in made["paths"].items() if _ours(path)}
    bodies: set[type] = {Problem}
    for path, method, handler in _handlers(application):
        operation = made["paths"].get(path, {}).get(method.lower())
        if operation is not None:
            bodies |= _complete(operation, handler)
    _, schemas = msgspec.json.schema_components(bodies, ref_template=REFS)
    components = made.setdefault("components", {})
    components["schemas"] = {**components.get("schemas", {}), **schemas}
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "hv_ and 32 hexadecimal digits"}
    }
    made["security"] = [{"key": []}]
    made["paths"]["/health"]["get"]["security"] = []
    return made


def _ours(path: str) -> bool:
    return path == "/health" or path.startswith("/admin")


def _handlers(application: Litestar) -> list[tuple[str, str, HTTPRouteHandler]]:
    return [
        (route.path_format, method, handler)
        for route in application.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler)
        for method in handler.http_methods
    ]


def _complete(operation: Document, handler: HTTPRouteHandler) -> set[type]:
    """Adds what Litestar cannot see; the shapes that this refers to."""
    answers = operation["responses"]
    answers.pop("400", None)  # Litestar's own idea of a refusal
    envelope = {"application/json": {"schema": {"$ref": REFS.format(name="Problem")}}}
    for status in ("4XX", "5XX"):
        answers[status] = {"description": "Refused, and why", "content": envelope}
    if media := handler.opt.get("media"):
        for status, answer in answers.items():
            if status.startswith("2"):
                answer["content"] = {kind: {"schema": {"type": "string"}} for kind in media}
    shape: type | None = handler.opt.get("body")
    if shape is None:
        return set()
    (schema,), _ = msgspec.json.schema_components([shape], ref_template=REFS)
    operation["requestBody"] = {
        "required": handler.opt.get("body_required", True),
        "content": {"application/json": {"schema": schema}},
    }
    return {shape}
