"""Stands before every handler: from where is asked, by whom, and may they.

The one rule: what was refused to somebody we know stands in the log before they hear of it, once;
of what comes too fast, the number. A log that is not written any more keeps nobody from hearing.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
from litestar.exceptions import NotFoundException

from backfilld_events.catalog.control import CommandRefused
from backfilld_events.row import NewEvent

from ...journal import Frozen
from ..door import Asked, Door, session_of, who_of
from ..problems import BadRequest, clean, json_body, known_query
from ..sessions import Session, cookie_of
from ..shapes import Problem
from ..who import Unknown, Who, needed, of_header, of_peer
from . import foreign
from .refusals import Refusals

WORDS_CHARS_MAX = 200  # of a request and its refusal, in the log
_NO_CHANGE = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """The application, behind the door. Each request's state has `who` (or `unknown`: why we do not
    know them) and the browser's `session`, if it came by one."""

    def __init__(self, application: Any, door: Door) -> None:
        self._application, self._door, self._refusals = application, door, Refusals()
        control = door.config().control
        self._known = foreign.Known(
            frozenset(host.lower() for host in control.allowed_hosts),
            frozenset(control.cors_origins),
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI. There are no WebSockets here."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        state = scope["state"]
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        state["who"] = state["session"] = state["unknown"] = state["problem"] = None
        try:
            state["who"], state["session"] = self._who(scope, headers)
        except Unknown as unknown:
            state["unknown"] = unknown
        is_tcp = state["peer"] is None

        async def heard() -> Any:
            message = await receive()
            state["gone"] = message["type"] == "http.disconnect"
            return message

        async def told(message: Any) -> None:
            if message["type"] == "http.response.start" and 400 <= message["status"] < 500:
                await self._refused(scope, message["status"])
            await send(message)

        wrong = foreign.fault(scope["method"], headers, self._known, tcp=is_tcp)
        if wrong is None:
            await self._application(scope, heard, told)
        else:
            status, state["problem"] = wrong
            await _answer(status, state["problem"], told)

    def _who(self, scope: Any, headers: dict[str, str]) -> tuple[Who, Session | None]:
        """Raises Unknown."""
        if (peer := scope["state"]["peer"]) is not None:
            return of_peer(peer, self._door.rules), None
        now = self._door.clock()
        if scope["path"].startswith("/dashboard") and "authorization" not in headers:
            session = self._door.sessions.find(cookie_of(headers.get("cookie")))
            if session is not None and self._door.is_good(session.who):
                return session.who, session
        keys = self._door.journal.state.control.keys
        who = of_header(headers.get("authorization"), keys.values(), now)
        if who.key_id is not None:
            self._door.last_used[who.key_id] = now
        return who, None

    async def _refused(self, scope: Any, status: int) -> None:
        who, problem = scope["state"]["who"], scope["state"]["problem"]
        if who is None or scope["method"] in _NO_CHANGE:
            return
        more = self._refusals.more(who.actor)
        if more is None:
            return
        code, why = "refused", f"answered {status}"
        if problem is not None:
            code, why = problem.code, problem.message or problem.error
        event = CommandRefused(
            command=clean(f"{scope['method']} {scope['path']}", WORDS_CHARS_MAX),
            code=clean(code, WORDS_CHARS_MAX),
            why=clean(why, WORDS_CHARS_MAX),
            more=more,
        )
        with suppress(Frozen):
            await self._door.journal.append([NewEvent("control", event, who.actor)])


def before(door: Door) -> Callable[[Asked], None]:
    """What runs before each handler. It raises BadRequest, and Frozen for what would change
    anything, so that nothing of a command is done when the log cannot take it in; routes that
    write nothing there say so as `opt={"writes": False}`."""

    def checked(request: Asked) -> None:
        _permitted(request)
        known_query(request)
        json_body(request)
        if request.method not in _NO_CHANGE and request.route_handler.opt.get("writes", True):
            door.journal.check()

    return checked


def _permitted(request: Asked) -> None:
    template = request.scope["path_template"]
    try:
        words = needed(request.method, template)
    except LookupError as error:  # to the outside it is not there
        raise NotFoundException from error
    if words is None:
        return
    who, by_cookie = who_of(request), session_of(request) is not None
    if who is None or (by_cookie and not template.startswith("/dashboard")):
        unknown = request.scope["state"]["unknown"]
        raise BadRequest(
            401, str(unknown), "unauthenticated", getattr(unknown, "hint", None),
            headers={"www-authenticate": "Bearer"},
        )  # fmt: skip
    if missing := sorted(words - who.permissions):
        hint = "ask for a key that may: backfillctl key create NAME --permission WORD"
        if who.key_id is None:
            hint = "the socket knows you by your groups: control.socket_group and read_group"
        raise BadRequest(
            403, "InsufficientPermissions", "permission-denied", hint,
            message=f"Missing permission: {', '.join(missing)}",
        )  # fmt: skip


async def _answer(status: int, problem: Problem, send: Any) -> None:
    body = msgspec.json.encode(problem)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
