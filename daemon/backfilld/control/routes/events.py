"""The log as HappyView's list of events."""

from datetime import UTC, datetime, timedelta
from typing import NoReturn

from litestar import get, post
from litestar.params import FromQuery
from litestar.types import ControllerRouterHandler

from backfilld_events.ids import shown

from ..door import Door
from ..happyview_events import SEVERITIES
from ..problems import BadRequest
from ..shapes.reads import EventCount, Events
from ..views.events import POSITION_MAX, Filters

LIMIT_MAX = 100
_FILTERS = ("event_type", "category", "severity", "subject", "before", "after")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @get("/admin/events", opt={"query": (*_FILTERS, "cursor", "limit")})
    async def events(
        event_type: FromQuery[str | None] = None,
        category: FromQuery[str | None] = None,
        severity: FromQuery[str | None] = None,
        subject: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
        after: FromQuery[str | None] = None,
        cursor: FromQuery[str | None] = None,
        limit: FromQuery[int] = 50,
    ) -> Events:
        """Events, newest first: `before` a time and at or `after` one, of a type, of a category."""
        filters = _filters(event_type, category, severity, subject, before, after)
        # HappyView takes any number and makes of it one that it likes
        wanted = max(1, min(limit, LIMIT_MAX))
        return await door.log_views.events(filters, _position(cursor), wanted)

    @get("/admin/events/count", opt={"query": _FILTERS})
    async def count(
        event_type: FromQuery[str | None] = None,
        category: FromQuery[str | None] = None,
        severity: FromQuery[str | None] = None,
        subject: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
        after: FromQuery[str | None] = None,
    ) -> EventCount:
        """How many there are."""
        filters = _filters(event_type, category, severity, subject, before, after)
        return await door.log_views.count_events(filters)

    @post("/admin/events/purge", status_code=202)
    async def purge() -> None:
        """Refused: nothing is ever taken out of the log."""
        raise BadRequest(
            409, "the log is append-only; see retention of derived data", "append-only",
            "nothing to do: what can be made anew from the log is kept within bounds by itself, "
            "and the log is what was done",
        )  # fmt: skip

    return [events, count, purge]


def _filters(
    event_type: str | None,
    category: str | None,
    severity: str | None,
    subject: str | None,
    before: str | None,
    after: str | None,
) -> Filters:
    if severity is not None and severity not in SEVERITIES:
        raise BadRequest(
            400, f"no event has the severity {shown(severity)}", "bad-request",
            f"one of {', '.join(SEVERITIES)}", "severity",
        )  # fmt: skip
    return Filters(
        event_type, category, severity, subject, _micros(after, "after"), _micros(before, "before")
    )


def _micros(text: str | None, field: str) -> int | None:
    if text is None:
        return None
    try:
        # a + that nobody escaped is a space in a query
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        _bad_time(text, field)
    if moment.tzinfo is None:
        _bad_time(text, field)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _bad_time(text: str, field: str) -> NoReturn:
    raise BadRequest(
        400, f"invalid time: {shown(text)}", "bad-request",
        "RFC 3339 with an offset, such as 2026-03-10T09:00:00Z", field,
    )  # fmt: skip


def _position(cursor: str | None) -> int:
    if cursor is None:
        return POSITION_MAX
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= len(str(POSITION_MAX))):
        raise BadRequest(
            400, f"invalid cursor: {shown(cursor)}", "bad-request",
            "take it from the page before, or leave it out", "cursor",
        )  # fmt: skip
    return min(int(cursor), POSITION_MAX)
