"""Tap's HTTP answers, to the letter. Pure but for what the request does to the core.

Errors are `{"message": ...}` and a newline; a password is wanted on every path, known or not.
"""

import base64
import hmac
import re
from collections.abc import Callable

from .. import echo
from ..bodies import go_json
from ..echo import Route, json_of
from ..http import JSON, Request, Response
from ..world import World
from .binding import BadBody, dids_of
from .core import Core
from .fetching import pds_of

DIDS_MAX = 3_640  # times 9 columns: the variables SQLite allows in one statement
_DID = re.compile(r"did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]", re.ASCII)
_UNAUTHORIZED = {
    "error": "Unauthorized",
    "message": "atproto admin auth required, but missing or incorrect password",
}


def answer(core: Core, request: Request) -> Response:
    """Every route but /channel."""

    def stat(name: str, value: Callable[[], object]) -> Route:
        return "GET", lambda _: json_of(200, {name: value()})

    disk = core.disk
    routes: dict[str, Route] = {
        "/health": ("GET", lambda _: json_of(200, {"status": "ok"})),
        "/repos/add": ("POST", lambda _: _repos(core, request, _add)),
        "/repos/remove": ("POST", lambda _: _repos(core, request, _remove)),
        "/info/": ("GET", lambda did: _info(core, did)),
        "/resolve/": ("GET", lambda did: _resolve(core.world, did)),
        "/stats/repo-count": stat("repo_count", lambda: len(disk.repos)),
        "/stats/record-count": stat("record_count", lambda: disk.record_count),
        "/stats/outbox-buffer": stat("outbox_buffer", lambda: len(disk.outbox)),
        "/stats/resync-buffer": stat(
            "resync_buffer", lambda: sum(map(len, disk.resync_buffer.values()))
        ),
        "/stats/cursors": (
            "GET",
            lambda _: json_of(200, {"firehose": core.last_seq, "list_repos": ""}),
        ),
        "/channel": ("GET", lambda _: bad_handshake()),
    }
    return echo.answer(request, routes)


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
    return Response(401, go_json(_UNAUTHORIZED) + b"\n", JSON, realm)


def bad_handshake() -> Response:
    """What a request to /channel gets that is no WebSocket handshake."""
    kind, headers = "text/plain; charset=utf-8", {"Sec-Websocket-Version": "13"}
    headers["X-Content-Type-Options"] = "nosniff"
    return Response(400, b"Bad Request\n", kind, headers)


def webhook_mode() -> Response:
    """What /channel answers in a Tap that posts its events elsewhere."""
    return json_of(400, {"message": "websocket not available in webhook mode"})


def _repos(core: Core, request: Request, done: Callable[[Core, list[str]], Response]) -> Response:
    try:
        return done(core, dids_of(request))
    except BadBody as error:
        return json_of(error.status, {"message": str(error)})


def _add(core: Core, dids: list[str]) -> Response:
    if not 0 < len(dids) <= DIDS_MAX:
        return _oops()
    for did in dids:
        core.disk.repos.add(did)
    return Response(200)


def _remove(core: Core, dids: list[str]) -> Response:
    for did in dids:  # one by one: those before the failing one are gone
        if did in core.disk.locked:
            return _oops()
        core.disk.delete_repo(did)
    return Response(200)


def _oops() -> Response:
    return json_of(500, {"message": "Internal Server Error"})


def _info(core: Core, did: str) -> Response:
    row = core.disk.repos.get(did)  # as sent: Echo leaves %3A as it is
    if row is None:
        return json_of(404, {"message": "repo not found"})
    shown = {
        "did": row.did,
        "error": row.error,
        "handle": row.handle,
        "records": len(core.disk.known(row.did)),
        "retries": row.retries,
        "rev": row.rev,
        "state": row.state,
    }
    return json_of(200, shown)


def _resolve(world: World, did: str) -> Response:
    if not _DID.fullmatch(did):
        return json_of(400, {"message": "improperly formatted DID"})
    ordinal, pds = world.ordinal(did), pds_of(world, did)
    if ordinal is None or pds is None:
        return json_of(500, {"message": "failed to resolve DID"})
    document: dict[str, object] = {
        "id": did,
        "alsoKnownAs": [f"at://{world.handle(ordinal)}"],
    }
    if pds:
        kind = "AtprotoPersonalDataServer"
        document["service"] = [{"id": "#atproto_pds", "type": kind, "serviceEndpoint": pds}]
    return json_of(200, document)
