"""How a browser comes in: a one-time ticket, for which it gets a session cookie.

The one rule: a session is worth what its owner is worth now, never more, and a ticket works once.
Both are in memory alone, as digests; a restart ends them. For the pages:

    GET /dashboard/login?ticket=…   `cookie = door.sessions.redeem(ticket)`; None: say that the
                                    ticket is used or old, and how to get another; else redirect to
                                    /dashboard with `door.sessions.set_cookie(cookie)`
    POST /dashboard/logout          `door.sessions.end(cookie_of(…))`
    any page                        `door.csrf(request)` goes into each form as the field `csrf`
    POST under /dashboard           first `door.check_csrf(request, form.get("csrf"))`: raises 403
"""

import hashlib
import secrets

import trio
from litestar.datastructures import Cookie
from msgspec import Struct

from .who import Who

COOKIE = "backfilld_session"
TICKET_S = 60.0
SESSION_S = 12 * 3600.0
TICKETS_MAX = 20  # of one actor at once; the oldest goes
SESSIONS_MAX = 50


class Session(Struct, frozen=True):
    """A browser that is signed in. `csrf` must stand in each of its forms; `ends` is trio's
    time."""

    who: Who
    csrf: str
    ends: float


class Sessions:
    """Tickets and sessions of this life of the daemon."""

    def __init__(self) -> None:
        self._tickets: dict[bytes, tuple[Who, float]] = {}
        self._sessions: dict[bytes, Session] = {}

    def ticket(self, who: Who) -> str:
        """A ticket for this caller, good for TICKET_S and once."""
        ticket = secrets.token_urlsafe(32)
        now = trio.current_time()
        self._tickets = {key: one for key, one in self._tickets.items() if one[1] > now}
        mine = [key for key, (owner, _) in self._tickets.items() if owner.actor == who.actor]
        for key in mine[: max(0, len(mine) - TICKETS_MAX + 1)]:
            del self._tickets[key]
        self._tickets[_digest(ticket)] = (who, now + TICKET_S)
        return ticket

    def redeem(self, ticket: str) -> str | None:
        """A new session's cookie value for a ticket; None: it is unknown, used or too old."""
        who, ends = self._tickets.pop(_digest(ticket), (None, 0.0))
        now = trio.current_time()
        if who is None or ends <= now:
            return None
        self._sessions = {key: one for key, one in self._sessions.items() if one.ends > now}
        mine = [key for key, one in self._sessions.items() if one.who.actor == who.actor]
        for key in mine[: max(0, len(mine) - SESSIONS_MAX + 1)]:
            del self._sessions[key]
        cookie = secrets.token_urlsafe(32)
        session = Session(who, secrets.token_urlsafe(32), now + SESSION_S)
        self._sessions[_digest(cookie)] = session
        return cookie

    def find(self, cookie: str | None) -> Session | None:
        """The session of a cookie, if it is one of ours and not over."""
        session = self._sessions.get(_digest(cookie or ""))
        return session if session is not None and session.ends > trio.current_time() else None

    def is_open(self, session: Session) -> bool:
        """Whether a session that was found is still one."""
        return session in self._sessions.values() and session.ends > trio.current_time()

    def end(self, cookie: str | None) -> None:
        """Signs out."""
        self._sessions.pop(_digest(cookie or ""), None)

    @staticmethod
    def set_cookie(value: str) -> Cookie:
        """The cookie for an answer: for the pages alone, out of reach of scripts and of other
        sites."""
        return Cookie(
            key=COOKIE, value=value, path="/dashboard", httponly=True, samesite="strict",
            max_age=int(SESSION_S),
        )  # fmt: skip


def cookie_of(header: str | None) -> str | None:
    """The session's cookie in a `Cookie` header."""
    for part in (header or "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return None


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode(errors="replace")).digest()
