"""Records of the index: look at them, take them out.

The one rule: what a person takes out is gone, and in the log under their name, before they are
answered; a whole collection only up to a size that nobody waits long for.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

import trio
from litestar import Response, delete, get
from litestar.openapi import ResponseSpec
from litestar.params import FromQuery, Parameter
from litestar.types import ControllerRouterHandler

from backfilld_events.ids import BadId, Did, Nsid, Rkey, parse_did, parse_nsid, parse_rkey, shown

from ..door import Asked, Door, actor
from ..problems import BadRequest
from ..shapes.reads import Collections, Deleted, Records
from ..views.records import ID_MAX

OFFSET_MAX = 1_000_000  # HappyView's cursor counts what was seen; each page would count anew
AT_ONCE_MAX = 100_000  # records that are waited for

T = TypeVar("T")

_LATER = ResponseSpec(Deleted, generate_examples=False, description="It goes on in the background.")


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @get("/admin/records", opt={"query": ("collection", "limit", "cursor", "did")})
    async def records(
        collection: FromQuery[str],
        limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
        cursor: FromQuery[str | None] = None,
        did: FromQuery[str | None] = None,
    ) -> Records:
        """Records of a collection, newest first; of one repository with `did`."""
        nsid = _field(parse_nsid, collection, "collection")
        repo = None if did is None else _field(parse_did, did, "did")
        before, offset = _place(cursor)
        return await door.views.records(nsid, limit, repo, before, offset)

    @get("/admin/records/collections")
    async def collections() -> Collections:
        """The collections that have records."""
        return Collections(await door.views.collections())

    @delete("/admin/records", opt={"query": ("uri",)})
    async def forget(uri: FromQuery[str], request: Asked) -> None:
        """Takes one record out of the index. Tap's sending it again does not bring it back; a
        later version of it does."""
        did, nsid, rkey = _parts(uri)
        if not await door.remover.record(did, nsid, rkey, actor(request)):
            raise BadRequest(
                404, "record not found", "record-not-found",
                "see GET /admin/records for what the index holds", "uri",
            )  # fmt: skip

    @delete(
        "/admin/records/collection",
        status_code=200,
        opt={"query": ("collection",)},
        responses={202: _LATER},
    )
    async def forget_collection(collection: FromQuery[str], request: Asked) -> Response[Deleted]:
        """Takes all records of a collection out of the index that are in it now. A new backfill
        brings them back, once Tap has forgotten the repositories."""
        nsid = _field(parse_nsid, collection, "collection")
        held = next(
            (one.count for one in (await door.views.stats()).collections if one.collection == nsid),
            0,
        )
        under = await door.remover.collection(nsid, actor(request))
        ends = (door.stop, door.journal.freezing)
        if held <= AT_ONCE_MAX and await _before(under.done, ends):
            return Response(Deleted(under.deleted))
        return Response(Deleted(None, under.id), status_code=202)

    return [records, collections, forget, forget_collection]


async def _before(done: trio.Event, ends: Sequence[trio.Event]) -> bool:
    """Whether it was done before the daemon was asked to stop, or its log was frozen."""
    async with trio.open_nursery() as nursery:

        async def ended(end: trio.Event) -> None:
            await end.wait()
            nursery.cancel_scope.cancel()

        for end in ends:
            nursery.start_soon(ended, end)
        await done.wait()
        nursery.cancel_scope.cancel()
    return done.is_set()


def _field(parse: Callable[[object], T], value: str, field: str) -> T:
    try:
        return parse(value)
    except BadId as error:
        code = "bad-did" if field == "did" else "bad-nsid"
        raise BadRequest(400, str(error), code, "correct it and ask again", field) from error


def _place(cursor: str | None) -> tuple[int, int]:
    """(below which number, how many of those to leave out) for a cursor of ours or HappyView's."""
    if cursor is None:
        return ID_MAX, 0
    kind, digits = ("k", cursor[1:]) if cursor.startswith("k") else ("", cursor)
    if digits.isascii() and digits.isdecimal() and len(digits) <= len(str(ID_MAX)):
        number = int(digits)
        if kind:
            return min(number, ID_MAX), 0
        if number <= OFFSET_MAX:
            return ID_MAX, number
    raise BadRequest(
        400, f"invalid cursor: {shown(cursor)}", "bad-request",
        f"take it from the page before, or leave it out; a number goes up to {OFFSET_MAX:,}",
        "cursor",
    )  # fmt: skip


def _parts(uri: str) -> tuple[Did, Nsid, Rkey]:
    parts = uri.removeprefix("at://").split("/") if uri.startswith("at://") else []
    try:
        did, nsid, rkey = parts
        return parse_did(did), parse_nsid(nsid), parse_rkey(rkey)
    except ValueError as error:  # BadId is one
        why = f": {error}" if isinstance(error, BadId) else ""
        raise BadRequest(
            400, f"not the URI of a record{why}", "bad-uri",
            "it looks like at://did:plc:…/net.example.score/3jzfcijpj2z2a, with the DID", "uri",
        ) from error  # fmt: skip
