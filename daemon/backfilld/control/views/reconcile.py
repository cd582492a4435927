"""What is asked for comparisons with the servers: our side of them, and what they found."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from backfilld_events.catalog.reconcile import ReconcileAsked, ReconcileEnded
from backfilld_events.folds.reconcile import Reconcile, at_its_end, begun
from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey, pack_one, unpack
from backfilld_events.log import read
from backfilld_events.projections import listing, repos, targets
from backfilld_events.projections.classes import Class
from backfilld_events.projections.tally import ALL

from ...reconcile.compare import Held
from ...reconcile.index import Some
from ...reconcile.listing import enough
from ..compared import told
from ..shapes.reconcile import ReconcileShape
from . import base
from .base import ViewsBase, at_one_moment

_SETTLED = (Class.SYNCED, Class.EMPTY)


class ReconcileViews(ViewsBase):
    """The part of the views that knows comparisons; a reconcile.index.Index."""

    async def inactive(self, dids: Sequence[Did]) -> Mapping[Did, str]:
        """See Index."""
        return await self._worker(self._inactive, dids)

    async def held(self, did: Did, collections: Sequence[Nsid]) -> Held:
        """See Index. The newest rev is read first: the rows then show all up to it."""
        newest: Rev | None = await self._worker(self._newest_rev, did)
        rows = {nsid: await self._rows(did, nsid) for nsid in collections}
        removed = {nsid: await self._worker(self._removed, did, nsid) for nsid in collections}
        return Held(rows, newest, removed)

    async def dead(self, did: Did) -> Mapping[Nsid, int]:
        """See Index."""
        query = (
            "SELECT collection, count(*) FROM dead_letter"
            " WHERE did = ? AND collection IS NOT NULL AND open GROUP BY collection"
        )
        return dict(await self._worker(lambda: self._records.execute(query, (did,)).fetchall()))

    async def asked_for(self, position: int, first: int, limit: int) -> Some:
        """See Index."""
        return await self._worker(self._asked_for, position, first, limit)

    async def following(
        self, collections: Sequence[Nsid], job: int | None, after: int, limit: int
    ) -> Some:
        """See Index."""
        return await self._worker(self._following, collections, job, after, limit)

    async def comparable(self, collections: Sequence[Nsid], job: int | None) -> int:
        """See Index."""
        return await self._worker(self._comparable, collections, job)

    async def ranked(
        self, collections: Sequence[Nsid], job: int | None, ranks: Collection[int]
    ) -> list[Did]:
        """See Index."""
        return await self._worker(self._ranked, collections, job, ranks)

    async def said_to_differ(self, dids: Sequence[Did], collections: Sequence[Nsid]) -> list[Did]:
        """See Index."""
        return await self._worker(self._said_to_differ, dids, collections)

    async def comparison(self, run: str) -> ReconcileShape | None:
        """The comparison whose id is, or uniquely begins with, `run`; None: there is none."""
        return await self._worker(self._comparison, run)

    # --- calls of the worker ---------------------------------------------------------------

    def _inactive(self, dids: Sequence[Did]) -> dict[Did, str]:
        places = ",".join("?" * len(dids))
        return dict(
            self._records.execute(
                f"SELECT did, status FROM repo WHERE did IN ({places}) AND status <> 'active'",
                dids,
            )
        )

    def _newest_rev(self, did: Did) -> Rev | None:
        (rev,) = self._records.execute(
            "SELECT max(rev) FROM record WHERE repo = (SELECT id FROM repo WHERE did = ?)", (did,)
        ).fetchone()
        return rev  # type: ignore[no-any-return]

    async def _rows(self, did: Did, nsid: Nsid) -> dict[Rkey, Cid]:
        query = (
            "SELECT rkey, cid FROM record INDEXED BY record_key WHERE"
            " repo = (SELECT id FROM repo WHERE did = ?) AND"
            " collection = (SELECT id FROM collection WHERE nsid = ?)"
            " AND rkey > ? AND cid IS NOT NULL ORDER BY rkey LIMIT ?"
        )
        found: dict[Rkey, Cid] = {}
        piece: list[tuple[Rkey, Cid]] = [(Rkey(""), Cid(""))]
        while piece:
            piece = await self._worker(self._piece, query, (did, nsid, piece[-1][0], base.PIECE))
            found.update(piece)
            enough(len(found))
        return found

    def _removed(self, did: Did, nsid: Nsid) -> frozenset[Rkey]:
        """A tombstone with an empty body was left by a person."""
        found = self._records.execute(
            "SELECT rkey FROM record INDEXED BY record_removed"
            " WHERE cid IS NULL AND body IS NOT NULL"
            " AND collection = (SELECT id FROM collection WHERE nsid = ?)"
            " AND repo = (SELECT id FROM repo WHERE did = ?)",
            (nsid, did),
        )
        return frozenset(rkey for (rkey,) in found)

    def _piece(self, query: str, asked: tuple[str | int, ...]) -> list[tuple[Rkey, Cid]]:
        return self._records.execute(query, asked).fetchall()

    def _asked_for(self, position: int, first: int, limit: int) -> Some:
        row = read.row(self._events, position)
        event = None if row is None else row.event
        if not isinstance(event, ReconcileAsked):
            raise TypeError(f"event {position} should name the repositories of a comparison")
        dids = unpack(event.dids)
        upto = min(first + limit, len(dids))
        return Some(dids[first:upto], upto, last=upto == len(dids))

    def _following(
        self, collections: Sequence[Nsid], job: int | None, after: int, limit: int
    ) -> Some:
        with at_one_moment(self._events):
            counter = self._counter(collections, job)
            found = listing.page(self._events, counter, _SETTLED, after, limit)
        upto = found[-1].id if found else after
        return Some([one.did for one in found], upto, last=len(found) < limit)

    def _comparable(self, collections: Sequence[Nsid], job: int | None) -> int:
        with at_one_moment(self._events):
            counts = repos.counts(self._events, self._counter(collections, job))
        return sum(counts.get(kind, 0) for kind in _SETTLED)

    def _ranked(
        self, collections: Sequence[Nsid], job: int | None, ranks: Collection[int]
    ) -> list[Did]:
        with at_one_moment(self._events):
            counter = self._counter(collections, job)
            return listing.ranked(self._events, counter, _SETTLED, ranks)

    def _counter(self, collections: Sequence[Nsid], job: int | None) -> int:
        """Under which the repositories are counted that are meant. What no job has asked for may be
        anywhere."""
        if job is not None:
            return job
        counters = targets.counters(self._events, collections)
        return next(iter(counters)) if len(collections) == len(counters) == 1 else ALL

    def _said_to_differ(self, dids: Sequence[Did], collections: Sequence[Nsid]) -> list[Did]:
        with at_one_moment(self._events):
            numbers = dict(zip(dids, self._find([pack_one(did) for did in dids]), strict=True))
            known = [number for number in numbers.values() if number is not None]
            differ = set(listing.said_to_differ(self._events, known, collections))
        return [did for did, number in numbers.items() if number in differ]

    def _comparison(self, run: str) -> ReconcileShape | None:
        with at_one_moment(self._events):
            found = self._run_named(run)
            return self._told(found[0]) if len(found) == 1 else None

    def _told(self, run: str) -> ReconcileShape:
        """From its first event, and its last one or what is folded so far; and from the few between
        that name what is shown."""
        db, stream = self._events, f"reconcile/{run}"
        (first,) = read.rows(db, stream=stream, limit=1)
        asked = first.event
        if not isinstance(asked, ReconcileAsked):
            raise TypeError(f"event {first.position} should begin the comparison {run}")
        one = begun(asked, run=run, actor=first.actor, position=first.position, at=first.at)
        last = read.newest(db, 1, stream=stream, type_name="reconcile.ended")
        end = last[0].event if last else None
        if isinstance(end, ReconcileEnded):
            one = at_its_end(one, end)
        else:
            one = self._under_way().get(run, one)
        rows = [row for position in one.told if (row := read.row(db, position)) is not None]
        return told(one, rows, (last[0].at, end.why) if isinstance(end, ReconcileEnded) else None)

    def _under_way(self) -> dict[str, Reconcile]:
        (value,) = self._events.execute(
            "SELECT value FROM folded WHERE name = 'reconciles'"
        ).fetchone()
        return msgspec.msgpack.decode(value, type=dict[str, Reconcile])

    def _run_named(self, begin: str) -> list[str]:
        rows = read.newest(
            self._events, 2, stream=f"reconcile/{begin}*", type_name="reconcile.asked"
        )
        return [row.stream.removeprefix("reconcile/") for row in rows]
