"""Compares some repositories at once: one after the other at a host, few hosts at a time.

The one rule: each of them comes out compared or named with the reason why not. What differs is
looked at again as `compare` says, for all of the batch together, so that many that differ cost no
more waiting than one.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import trio
from msgspec import Struct

from backfilld_events.catalog.reconcile import Difference, Method, Unread
from backfilld_events.ids import Did, Nsid, Rev, pack_one

from ..failures import Failure
from . import compare
from .compare import AGAIN_S, Apart
from .index import Index
from .reader import ACCOUNT, Reader, Unreadable

HOSTS_AT_ONCE = 4
LOOK_UPS_AT_ONCE = 4
GIVEN_UP_AFTER = 2  # repositories of one host in a row: the rest of the batch is not tried

_DEAF = frozenset({"unreachable", "timeout", "not_allowed", "rate_limited"})


class Found(NamedTuple):
    """All that differs of a repository, and the rev that its server had."""

    rows: Apart
    rev: Rev


class Compared(NamedTuple):
    """What became of a batch; see catalog.reconcile.ReposCompared. `found` is of the same
    repositories as `differing`."""

    records: int
    differing: list[Difference]
    unread: list[Unread]
    found: Mapping[Did, Found] = {}


class _Look(Struct):
    """A repository at one look: what differs in every look so far, and how many records are the
    same now. `rev` and `newest` are of the second look on."""

    found: Apart
    same: int
    rev: Rev | None = None
    newest: Rev | None = None

    @property
    def is_certain(self) -> bool:
        return self.rev is not None and compare.is_certain(self.rev, self.newest)


class Batches:
    """Compares batches; several at once share the hosts."""

    def __init__(self, reader: Reader, index: Index) -> None:
        self._reader, self._index = reader, index
        self._hosts = trio.CapacityLimiter(HOSTS_AT_ONCE)
        self._look_ups = trio.CapacityLimiter(LOOK_UPS_AT_ONCE)

    async def compare(
        self, dids: Sequence[Did], collections: Sequence[Nsid], method: Method
    ) -> Compared:
        """Compares these repositories, each named once."""
        unread: dict[Did, Unread] = {
            did: _unread(did, Unreadable(ACCOUNT, f"its account is {word}: it is left out"))
            for did, word in (await self._index.inactive(dids)).items()
        }
        looks: dict[Did, _Look] = {}
        again: Iterable[Did] = [did for did in dids if did not in unread]
        for number in range(3):
            if number:
                await trio.sleep(AGAIN_S)
            await self._look_at(again, collections, method, looks, unread)
            again = [
                did
                for did, look in looks.items()
                if did not in unread and look.found and not look.is_certain
            ]
            if not again:
                break
        good = {did: look for did, look in looks.items() if did not in unread}
        return Compared(
            sum(look.same for look in good.values() if not look.found),
            [one for did in dids if did in good for one in await self._differences(did, good[did])],
            [unread[did] for did in dids if did in unread],
            {
                did: Found(look.found, look.rev)
                for did, look in good.items()
                if look.found and look.rev is not None
            },
        )

    async def _look_at(
        self,
        dids: Iterable[Did],
        collections: Sequence[Nsid],
        method: Method,
        looks: dict[Did, _Look],
        unread: dict[Did, Unread],
    ) -> None:
        """Looks at each, and leaves in `looks` what differs still, or why it cannot in `unread`."""
        lanes: defaultdict[str, list[Did]] = defaultdict(list)

        async def look_up(did: Did) -> None:
            async with self._look_ups:
                try:
                    lanes[await self._reader.where(did)].append(did)
                except Unreadable as why:
                    unread[did] = _unread(did, why)

        async def look_at(lane: Sequence[Did]) -> None:
            async with self._hosts:
                await _in_turn(lane, look, unread)

        async def look(did: Did) -> None:
            looks[did] = await self._look(did, collections, method, looks.get(did))

        async with trio.open_nursery() as nursery:
            for did in dids:
                nursery.start_soon(look_up, did)
        async with trio.open_nursery() as nursery:
            for lane in lanes.values():
                nursery.start_soon(look_at, lane)

    async def _look(
        self, did: Did, collections: Sequence[Nsid], method: Method, before: _Look | None
    ) -> _Look:
        """Theirs first: what has reached us by the time that ours is read is no difference."""
        theirs = await self._reader.read(did, collections, method, with_rev=before is not None)
        try:
            held = await self._index.held(did, collections)
        except Failure as failure:
            raise Unreadable(failure.kind, failure.message) from failure
        there = compare.but(theirs.rows, held.removed)
        found, same = compare.apart(held.rows, there), compare.same(held.rows, there)
        if before is None:
            return _Look(found, same)
        return _Look(compare.still(before.found, found), same, theirs.rev, held.newest)

    async def _differences(self, did: Did, look: _Look) -> list[Difference]:
        if not look.found or look.rev is None:
            return []
        dead = await self._index.dead(did)
        return compare.differences(did, look.found, dead, look.rev, look.newest)


async def _in_turn(
    lane: Sequence[Did], look: Callable[[Did], Awaitable[None]], unread: dict[Did, Unread]
) -> None:
    deaf: list[Unreadable] = []  # in a row
    for did in lane:
        try:
            if len(deaf) == GIVEN_UP_AFTER:
                raise deaf[-1]
            await look(did)
            deaf = []
        except Unreadable as why:
            unread[did] = _unread(did, why)
            if len(deaf) < GIVEN_UP_AFTER:
                deaf = [*deaf, why] if why.kind in _DEAF else []


def _unread(did: Did, why: Unreadable) -> Unread:
    return Unread(pack_one(did), why.kind, why.message)
