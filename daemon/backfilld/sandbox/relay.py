"""The relay: listReposByCollection as collectiondir serves it, and as others refuse it.

The one rule: the order is that of the directory's keys (collection id, millisecond first seen,
DID) and a cursor is such a key and nothing more, so it lies exactly as the real one does. Nothing
is ever taken off a listing: emptied, deactivated and deleted accounts stay.
"""

import base64
import binascii
import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from backfilld_events.ids import BadId, parse_nsid

from . import echo
from .echo import JSON_UTF8, Route, json_of
from .http import Answer, Request, Response
from .world import World

PATH = "/xrpc/com.atproto.sync.listReposByCollection"
LIMIT_DEFAULT, LIMIT_MAX = 500, 10_000
SEEN_FROM_MS = 1_760_000_000_000
_REBUILT_LATER_MS = 10**9
_HEADERS = {"Vary": "Origin"}
_INTEGER = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)
_URL_SAFE = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


@dataclass
class Quirks:
    """What a relay may do besides: all can be changed while it runs."""

    offers: Literal["listing", "nothing", "pds"] = "listing"
    repeats_cursor: bool = False  # answers every cursor with that same cursor
    empty_pages: int = 0  # so many of the next answers hold nothing but a cursor
    duplicates: bool = False  # every page names its first DID once more at its end
    malformed: Sequence[object] = ()  # what stands for a DID at the end of the first page


class Relay:
    """A collection directory over a world. Rows: those of the seed, then those first seen later."""

    def __init__(self, world: World, quirks: Quirks | None = None) -> None:
        self._world, self.quirks = world, quirks or Quirks()
        self._ids: dict[str, int] = {}
        self._epoch_ms = SEEN_FROM_MS
        self._number(world.collections)

    def rebuild(self) -> None:
        """The directory lost its database and was filled again: other collection ids, other
        times. Cursors of before are still accepted, and lie."""
        self._epoch_ms += _REBUILT_LATER_MS
        self._ids = {}
        self._number((*self._world.listed_later, *self._world.collections[::-1]))

    async def handle(self, request: Request) -> Answer:
        answer = self._answer(request)
        return answer._replace(headers={**answer.headers, **_HEADERS})

    def _answer(self, request: Request) -> Response:
        if self.quirks.offers == "nothing":
            return json_of(404, {"error": "Not Found"})
        if self.quirks.offers == "pds":
            message = f"No service configured for {request.path.removeprefix('/xrpc/')}"
            return json_of(400, {"error": "InvalidRequest", "message": message})
        page: Route = ("GET", lambda _: self._page(request))
        routes: dict[str, Route] = {
            PATH: page,
            "/v1/getDidsForCollection": page,
            "/v1/listCollections": ("GET", lambda _: self._counts(request)),
            "/_health": ("GET", lambda _: json_of(200, {"status": "ok"})),
        }
        return echo.answer(request, routes)

    def _page(self, request: Request) -> Response:
        collection = request.first("collection")
        if (bad := _bad_nsid(collection)) is not None:
            return json_of(400, {"error": "BadRequest", "message": f"bad collection nsid, {bad}"})
        cursor, limit = request.first("cursor"), _limit(request.first("limit"))
        last = self._id(collection)
        if last is None:
            return Response(200, b'{"repos":[]}\n', JSON_UTF8)
        try:
            key = _decoded(cursor) if cursor else b"A" + last.to_bytes(4, "big")
        except ValueError:
            message = "failed to read DIDs for collection"
            return json_of(500, {"error": "DatabaseError", "message": message})
        return self._rows(key, last, limit, cursor)

    def _rows(self, key: bytes, last: int, limit: int, cursor: str) -> Response:
        if self.quirks.empty_pages > 0:
            self.quirks.empty_pages -= 1
            return _listing([], key + b"\0")  # another cursor for the same place
        dids: list[str] = []
        next_key: bytes | None = None
        for number, collection in sorted((number, name) for name, number in self._ids.items()):
            if number > last or next_key is not None:
                break
            start = self._position(number, key)
            positions = self._listed(collection, start, limit - len(dids))
            ordinals = [self._ordinal(collection, position) for position in positions]
            dids += self._world.dids(ordinals)
            if len(dids) >= limit:
                next_key = self._key(number, positions[-1], dids[-1]) + b"\0"
        if self.quirks.duplicates and dids:
            dids.append(dids[0])
        if self.quirks.repeats_cursor and cursor:
            next_key = key
        return _listing(dids, next_key, () if cursor else self.quirks.malformed)

    def _counts(self, request: Request) -> Response:
        wanted = sorted(request.query.get("c", self._ids))
        counts = {name: self._count(name) for name in wanted if self._id(name) is not None}
        return json_of(200, {"collections": counts, "cursor": ""})

    # --- the directory's rows ------------------------------------------------------------------

    def _number(self, collections: Sequence[str]) -> None:
        for collection in collections:
            self._ids.setdefault(collection, len(self._ids) + 1)

    def _id(self, collection: str) -> int | None:
        self._number(tuple(self._world.listed_later))
        return self._ids.get(collection)

    def _seeded(self, collection: str) -> int | None:
        collections = self._world.collections
        return collections.index(collection) if collection in collections else None

    def _ordinal(self, collection: str, position: int) -> int:
        repos = self._world.repos
        return position if position < repos else self._later(collection)[position - repos]

    def _later(self, collection: str) -> list[int]:
        return self._world.listed_later.get(collection, [])

    def _key(self, number: int, position: int, did: str) -> bytes:
        seen = self._epoch_ms + position
        return b"A" + number.to_bytes(4, "big") + seen.to_bytes(8, "big") + did.encode()

    def _position(self, number: int, key: bytes) -> int:
        """The first row of collection `number` that is not before `key`."""
        name = next(name for name, held in self._ids.items() if held == number)
        end = self._world.repos + len(self._later(name))
        return bisect_left(
            range(end),
            key,
            key=lambda position: self._key(
                number, position, self._world.did(self._ordinal(name, position))
            ),
        )

    def _listed(self, collection: str, start: int, count: int) -> list[int]:
        found: list[int] = []
        for position in self._all(collection, start):
            if len(found) >= count:
                break
            found.append(position)
        return found

    def _all(self, collection: str, start: int) -> Iterator[int]:
        world, place = self._world, self._seeded(collection)
        if place is not None:
            for position in range(start, world.repos):
                if world.holds(position, place):
                    yield position
        end = world.repos + len(self._later(collection))
        yield from range(max(start, world.repos), end)

    def _count(self, collection: str) -> int:
        place, repos = self._seeded(collection), self._world.repos
        if place is None:
            return len(self._later(collection))
        seeded = repos if place == 0 else len(range(place % 2, repos, 2))
        return seeded + len(self._later(collection))


def _listing(dids: Sequence[str], key: bytes | None, odd: Sequence[object] = ()) -> Response:
    cursor = "" if key is None else f'"cursor":"{_encoded(key)}",'
    repos = [f'{{"did":"{did}"}}' for did in dids]
    repos += [f'{{"did":{json.dumps(entry)}}}' for entry in odd]
    return Response(200, f'{{{cursor}"repos":[{",".join(repos)}]}}\n'.encode(), JSON_UTF8)


def _bad_nsid(text: str) -> str | None:
    if not text:
        return "expected NSID, got empty string"
    try:
        parse_nsid(text)
    except BadId:
        return "NSID syntax didn't validate via regex"
    return None


def _limit(text: str) -> int:
    number = int(text) if _INTEGER.fullmatch(text) else 2**63
    return LIMIT_DEFAULT if abs(number) >= 2**63 else min(max(number, 1), LIMIT_MAX)


def _encoded(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


def _decoded(cursor: str) -> bytes:
    """The key in a cursor. Raises ValueError."""
    if any(old in cursor for old in "+/="):  # the encoding of before December 2025
        return base64.b64decode(cursor, validate=True)
    if not _URL_SAFE.fullmatch(cursor) or len(cursor) % 4 == 1:
        raise binascii.Error("no base64")
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
