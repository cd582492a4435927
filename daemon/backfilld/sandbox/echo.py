"""How a Go server built on Echo answers what no handler decides; both of ours are. Pure."""

from collections.abc import Callable, Mapping
from urllib.parse import quote, unquote

from .bodies import go_json
from .http import JSON, Request, Response

_UNESCAPED = "$&+,/:;=@"
JSON_UTF8 = f"{JSON}; charset=UTF-8"
Route = tuple[str, Callable[[str], Response]]
"""A method, and what answers it; it gets the rest of a path that ends in a parameter."""


def answer(request: Request, routes: Mapping[str, Route]) -> Response:
    """By path: whole, or `/first/` with a parameter behind it."""
    path, parameter = _path(request), ""
    if path not in routes:
        first, _, parameter = path[1:].partition("/")
        path = f"/{first}/"
    route = routes.get(path)
    if route is None or (path.endswith("/") and not parameter):
        return _bare(request, json_of(404, {"message": "Not Found"}))
    method, found = route
    if request.method == method:
        return found(parameter)
    allow = {"Allow": f"OPTIONS, {method}"}
    if request.method == "OPTIONS":
        return Response(204, headers=allow)
    return _bare(request, json_of(405, {"message": "Method Not Allowed"}, allow))


def json_of(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of JSON, with the newline that Go's encoder ends it with."""
    return Response(status, go_json(body) + b"\n", JSON_UTF8, headers or {})


def _path(request: Request) -> str:
    """Unescaped only when Go itself would have escaped it so: %20 is a space, %3A is no colon."""
    plain = unquote(request.path)
    return plain if quote(plain, safe=_UNESCAPED) == request.path else request.path


def _bare(request: Request, response: Response) -> Response:
    return response._replace(body=b"") if request.method == "HEAD" else response
