"""What is asked for comparisons with the servers: our side of them, and what they found."""

from collections.abc import Mapping, Sequence

from backfilld_events.catalog.reconcile import ReconcileAsked
from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey, unpack
from backfilld_events.log import read
from backfilld_events.projections import pages as entries
from backfilld_events.row import Row

from ...reconcile.compare import Held
from ...reconcile.index import Some
from ...reconcile.listing import enough
from ..compared import Told
from ..shapes.reconcile import ReconcileShape
from . import base
from .base import ViewsBase

EVENTS_AT_ONCE = 200


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
        dids: list[Did] = []
        last = False
        while not last and len(dids) < limit:
            if job is None:
                some = await self._worker(self._following, collections, after, limit - len(dids))
            else:
                some = await self._worker(
                    self._following_of_job, collections, job, after, limit - len(dids)
                )
            dids += some.dids
            after, last = some.upto, some.last
        return Some(dids, after, last)

    async def comparison(self, run: str) -> ReconcileShape | None:
        """The comparison whose id is, or uniquely begins with, `run`; None: there is none."""
        found = await self._worker(self._run_named, run)
        return await self._told(found[0]) if len(found) == 1 else None

    async def _told(self, run: str) -> ReconcileShape | None:
        told: Told | None = None
        after, more = 0, True
        while more:
            rows = await self._worker(self._events_of, run, after)
            for row in rows:
                told = Told(run, row) if told is None else told.after(row)
            after, more = (rows[-1].position if rows else after), len(rows) == EVENTS_AT_ONCE
        return None if told is None else told.shape()

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

    def _following(self, collections: Sequence[Nsid], after: int, limit: int) -> Some:
        (newest,) = self._records.execute("SELECT coalesce(max(id), 0) FROM repo").fetchone()
        upto = min(after + base.PIECE, newest)
        rows: list[tuple[int, Did]] = self._records.execute(
            f"SELECT id, did FROM repo WHERE id > ? AND id <= ? AND {_has_rows(collections)}"
            " ORDER BY id LIMIT ?",
            (after, upto, *collections, limit),
        ).fetchall()
        if len(rows) == limit:
            upto = rows[-1][0]
        return Some([did for _, did in rows], upto, last=upto >= newest)

    def _following_of_job(
        self, collections: Sequence[Nsid], job: int, after: int, limit: int
    ) -> Some:
        (end,) = self._events.execute(
            "SELECT coalesce(max(first + count), 0) FROM page WHERE job = ?", (job,)
        ).fetchone()
        upto = min(after + limit, end)
        dids = entries.dids(self._events, job, after, upto)
        places = ",".join("?" * len(dids))
        there = {
            did
            for (did,) in self._records.execute(
                f"SELECT did FROM repo WHERE did IN ({places}) AND {_has_rows(collections)}",
                (*dids, *collections),
            )
        }
        return Some([did for did in dids if did in there], upto, last=upto == end)

    def _run_named(self, begin: str) -> list[str]:
        rows = read.newest(
            self._events, 2, stream=f"reconcile/{begin}*", type_name="reconcile.asked"
        )
        return [row.stream.removeprefix("reconcile/") for row in rows]

    def _events_of(self, run: str, after: int) -> list[Row]:
        rows = read.rows(self._events, after, stream=f"reconcile/{run}", limit=EVENTS_AT_ONCE)
        return list(rows)


def _has_rows(collections: Sequence[Nsid]) -> str:
    return (
        "EXISTS (SELECT 1 FROM record INDEXED BY record_key WHERE record.repo = repo.id AND"
        " record.collection IN (SELECT id FROM collection WHERE nsid IN"
        f" ({','.join('?' * len(collections))})))"
    )
