"""Dead letters: look at them, read them once more, fetch their records once more, put them away.

The one rule: what somebody does about them is in the log under their name before they are answered.
"""

from typing import Annotated, Literal

from litestar import get, post
from litestar.params import FromPath, FromQuery, Parameter, RawBody
from litestar.types import ControllerRouterHandler

from backfilld_events.ids import Nsid, shown

from ...delivery.deadletters import Action, Done
from ..door import Asked, Door, actor
from ..problems import BadRequest, decoded, nsid_of
from ..shapes.dead_letters import (
    BulkBody,
    BulkDone,
    LetterCount,
    LetterDetail,
    LetterDone,
    Letters,
    NotDone,
)

ID_DIGITS_MAX = 18
_NEWEST = 10**ID_DIGITS_MAX

Resolved = Literal["false", "true", "all"]


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""
    return [*_reads(door), *_each(door), *_bulk(door)]


def _reads(door: Door) -> list[ControllerRouterHandler]:
    @get("/admin/dead-letters", opt={"query": ("collection", "resolved", "cursor", "limit")})
    async def letters(
        collection: FromQuery[str | None] = None,
        resolved: FromQuery[Resolved] = "false",
        cursor: FromQuery[str | None] = None,
        limit: Annotated[int, Parameter(ge=1, le=100)] = 50,
    ) -> Letters:
        """Messages of Tap that could not be used, newest first; those that nobody has settled, if
        it is not said otherwise."""
        return await letters_of(door, collection, resolved, cursor, limit)

    @get("/admin/dead-letters/count", opt={"query": ("collection", "resolved")})
    async def count(
        collection: FromQuery[str | None] = None, resolved: FromQuery[Resolved] = "false"
    ) -> LetterCount:
        """How many there are."""
        nsid = nsid_of(collection, "collection")
        return LetterCount(await door.views.dead_letters(nsid, resolved))

    @get("/admin/dead-letters/{letter_id:str}")
    async def letter(letter_id: FromPath[str]) -> LetterDetail:
        """One of them, with the bytes that came."""
        return await the_letter(door, letter_id)

    return [letters, count, letter]


def _each(door: Door) -> list[ControllerRouterHandler]:
    @post("/admin/dead-letters/{letter_id:str}/retry", status_code=200)
    async def retry(letter_id: FromPath[str], request: Asked) -> LetterDone:
        """Reads its bytes once more: a newer backfilld may understand them."""
        return await settle(door, "retry", letter_id, request)

    @post("/admin/dead-letters/{letter_id:str}/reindex", status_code=200)
    async def reindex(letter_id: FromPath[str], request: Asked) -> LetterDone:
        """Fetches its record from the account's server."""
        return await settle(door, "reindex", letter_id, request)

    @post("/admin/dead-letters/{letter_id:str}/dismiss", status_code=200)
    async def dismiss(letter_id: FromPath[str], request: Asked) -> LetterDone:
        """Puts it away: nothing is to be done about it."""
        return await settle(door, "dismiss", letter_id, request)

    return [retry, reindex, dismiss]


def _bulk(door: Door) -> list[ControllerRouterHandler]:
    @post("/admin/dead-letters/bulk/retry", status_code=200, opt={"body": BulkBody})
    async def retry(body: RawBody, request: Asked) -> BulkDone:
        """Reads many once more."""
        return await _many(door, "retry", body, request)

    @post("/admin/dead-letters/bulk/reindex", status_code=200, opt={"body": BulkBody})
    async def reindex(body: RawBody, request: Asked) -> BulkDone:
        """Fetches the records of many once more."""
        return await _many(door, "reindex", body, request)

    @post("/admin/dead-letters/bulk/dismiss", status_code=200, opt={"body": BulkBody})
    async def dismiss(body: RawBody, request: Asked) -> BulkDone:
        """Puts many away."""
        return await _many(door, "dismiss", body, request)

    return [retry, reindex, dismiss]


async def letters_of(
    door: Door, collection: str | None, resolved: Resolved, cursor: str | None, limit: int
) -> Letters:
    """Some letters, newest first. Raises BadRequest."""
    nsid = nsid_of(collection, "collection")
    before = _NEWEST if cursor is None else _cursor(cursor)
    return await door.views.letters(nsid, resolved, before, limit)


async def the_letter(door: Door, letter_id: str) -> LetterDetail:
    """The letter with this number. Raises BadRequest."""
    found = await door.views.letter(_number(letter_id))
    if found is None:
        raise _unknown(letter_id)
    return found


async def settle(door: Door, action: Action, letter_id: str, request: Asked) -> LetterDone:
    """Does it with one letter. Raises BadRequest."""
    number = _number(letter_id)
    if await door.views.letter(number) is None:
        raise _unknown(letter_id)
    done = await door.letters.handle(action, [number], actor(request))
    for failed in done.failed:
        raise BadRequest(409, failed.why, "dead-letter-not-settled", failed.hint)
    return LetterDone()


async def _many(door: Door, action: Action, body: bytes, request: Asked) -> BulkDone:
    data = decoded(body, BulkBody)
    if (data.ids is None) is not data.all:
        raise BadRequest(
            400, "must provide 'ids' or 'all: true'", "bad-request", "name some, or all", "ids"
        )
    if data.ids is not None:
        done = await door.letters.handle(action, list(map(_number, data.ids)), actor(request))
        return _answer(done)
    nsid: Nsid | None = nsid_of(data.collection, "collection")
    after = 0 if data.cursor is None else _cursor(data.cursor)
    return _answer(await door.letters.handle_all(action, nsid, after, actor(request)))


def _answer(done: Done) -> BulkDone:
    failed = [NotDone(str(one.id), one.why, one.hint) for one in done.failed]
    answer = BulkDone(ok=True, done=len(done.ids), failed=failed)
    if done.after is not None:
        answer.cursor = str(done.after)
    return answer


def _number(letter_id: str) -> int:
    if not (letter_id.isascii() and letter_id.isdecimal() and len(letter_id) <= ID_DIGITS_MAX):
        raise _unknown(letter_id)
    return int(letter_id)


def _cursor(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= ID_DIGITS_MAX):
        raise BadRequest(
            400, f"invalid cursor: {shown(cursor)}", "bad-request",
            "take it from the page before, or leave it out", "cursor",
        )  # fmt: skip
    return int(cursor)


def _unknown(letter_id: str) -> BadRequest:
    return BadRequest(
        404, f"dead letter {shown(letter_id)} not found", "dead-letter-not-found",
        "backfillctl dead-letters ls shows those that are there",
    )  # fmt: skip
