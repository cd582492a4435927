"""Tap's HTTP answers, to the letter. Pure but for what the request does to the core.

Errors are `{"message": ...}` and a newline; a password is wanted on every path, known or not.
"""

import base64
import hmac
import json
import re
from collections.abc import Callable
from urllib.parse import unquote

from ..bodies import go_json
from ..http import JSON, Request, Response
from ..world import World
from .core import Core

DIDS_MAX = 3_640  # times 9 columns: the variables SQLite allows in one statement
_DID = re.compile(r"did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]", re.ASCII)
_UNAUTHORIZED = {
    "error": "Unauthorized",
    "message": "atproto admin auth required, but missing or incorrect password",
}


class BadBody(Exception):
    """A body that Go would not decode; `status` and the message are what Tap answers."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def answer(core: Core, request: Request) -> Response:
    """Every route but /channel."""
    route = _route(core, request)
    if route is None:
        return _json(404, {"message": "Not Found"})
    method, found = route
    return found() if request.method == method else method_not_allowed(method)


def _route(core: Core, request: Request) -> tuple[str, Callable[[], Response]] | None:
    match request.path.split("/")[1:]:
        case ["health"]:
            return "GET", lambda: _json(200, {"status": "ok"})
        case ["repos", "add" | "remove" as verb]:
            return "POST", lambda: _repos(core, request, verb)
        case ["info", did] if did:
            return "GET", lambda: _info(core, did)
        case ["resolve", did] if did:
            return "GET", lambda: _resolve(core.world, did)
        case ["stats", name] if name in _STATS:
            return "GET", lambda: _json(200, _STATS[name](core))
        case _:
            return None


def unauthorized(request: Request, password: str) -> Response | None:
    """The 401, unless the request has the password or none is wanted."""
    if not password:
        return None
    scheme, _, code = request.headers.get("authorization", "").partition(" ")
    try:
        user, _, given = base64.b64decode(code, validate=True).decode().partition(":")
    except ValueError:
        user = given = ""
    right = hmac.compare_digest(given.encode(), password.encode())
    if scheme.lower() == "basic" and user == "admin" and right:
        return None
    realm = {"Www-Authenticate": 'Basic realm="admin", charset="UTF-8"'}
    return _json(401, _UNAUTHORIZED, realm)


def method_not_allowed(allow: str) -> Response:
    return _json(405, {"message": "Method Not Allowed"}, {"Allow": f"OPTIONS, {allow}"})


def bad_handshake() -> Response:
    kind, headers = "text/plain; charset=utf-8", {"Sec-Websocket-Version": "13"}
    headers["X-Content-Type-Options"] = "nosniff"
    return Response(400, b"Bad Request\n", kind, headers)


def webhook_mode() -> Response:
    return _json(400, {"message": "websocket not available in webhook mode"})


_STATS: dict[str, Callable[[Core], dict[str, object]]] = {
    "repo-count": lambda core: {"repo_count": len(core.disk.repos)},
    "record-count": lambda core: {"record_count": core.disk.record_count},
    "outbox-buffer": lambda core: {"outbox_buffer": len(core.disk.outbox)},
    "resync-buffer": lambda core: {
        "resync_buffer": sum(map(len, core.disk.resync_buffer.values()))
    },
    "cursors": lambda core: {"firehose": core.last_seq, "list_repos": ""},
}


def _repos(core: Core, request: Request, verb: str) -> Response:
    try:
        dids = _payload(request)
    except BadBody as error:
        return _json(error.status, {"message": str(error)})
    if verb == "remove":
        for did in dids:
            core.disk.delete_repo(did)
    elif 0 < len(dids) <= DIDS_MAX:
        for did in dids:
            core.disk.repos.add(did)
    else:
        return _json(500, {"message": "Internal Server Error"})
    return Response(200)


def _info(core: Core, did: str) -> Response:
    # Echo unescapes a parameter only when the raw path differs from Go's own escaping of it,
    # which %3A for a colon never does
    row = core.disk.repos.get(unquote(did) if "%" not in did or ":" in did else did)
    if row is None:
        return _json(404, {"message": "repo not found"})
    shown = {
        "did": row.did,
        "error": row.error,
        "handle": row.handle,
        "records": len(core.disk.known(row.did)),
        "retries": row.retries,
        "rev": row.rev,
        "state": row.state,
    }
    return _json(200, shown)


def _resolve(world: World, did: str) -> Response:
    if not _DID.fullmatch(did):
        return _json(400, {"message": "improperly formatted DID"})
    ordinal = world.ordinal(did)
    if ordinal is None or world.fate(ordinal) == "not_on_plc":
        return _json(500, {"message": "failed to resolve DID"})
    service = {
        "id": "#atproto_pds",
        "type": "AtprotoPersonalDataServer",
        "serviceEndpoint": world.host(ordinal),
    }
    document = {"id": did, "alsoKnownAs": [f"at://{world.handle(ordinal)}"], "service": [service]}
    return _json(200, document)


def _payload(request: Request) -> list[str]:
    """The `dids` of a body, as Echo binds it. Raises BadBody."""
    if not request.body:
        return []
    if not request.headers.get("content-type", "").startswith(JSON):
        raise BadBody("Unsupported Media Type", 415)
    text = request.body.decode(errors="replace")
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        value, _ = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise BadBody(_syntax_error(text, error)) from error
    if value is None:
        return []
    if not isinstance(value, dict):
        raise BadBody(f"Unmarshal type error: expected=main.DidPayload, got={_kind(value)}")
    dids: object = None
    for key, found in value.items():
        if key.lower() == "dids":
            dids = found
    if dids is None:
        return []
    if not isinstance(dids, list):
        raise BadBody(_type_error("[]string", dids, request.body))
    for did in dids:
        if did is not None and not isinstance(did, str):
            raise BadBody(_type_error("string", did, request.body))
    return ["" if did is None else did for did in dids]


def _type_error(expected: str, value: object, body: bytes) -> str:
    end = body.find(go_json(value)) + len(go_json(value))
    got = f"expected={expected}, got={_kind(value)}, field=dids, offset={end}"
    return f"Unmarshal type error: {got}"


def _syntax_error(text: str, error: json.JSONDecodeError) -> str:
    at = error.pos
    if at >= len(text.rstrip()) or "Unterminated" in error.msg:
        return "unexpected EOF"
    where = f"invalid character '{text[at]}' looking for beginning of value"
    return f"Syntax error: offset={at + 1}, error={where}"


def _kind(value: object) -> str:
    kinds = {bool: "bool", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "number")


def _json(status: int, body: object, headers: dict[str, str] | None = None) -> Response:
    kind = JSON if status == 401 else f"{JSON}; charset=UTF-8"
    return Response(status, go_json(body) + b"\n", kind, headers or {})
