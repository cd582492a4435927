"""What is asked about the records of the index."""

from collections.abc import Iterable, Iterator

import msgspec

from backfilld_events.row import utc_text

from ..labels import self_labels
from ..shapes import CollectionCount, Stats
from ..shapes.reads import Records, RecordShape
from .base import ViewsBase

ID_MAX = 1 << 62

_Found = tuple[int, str, str, str, str, int, bytes]


class RecordViews(ViewsBase):
    """The part of the views that knows the index."""

    async def stats(self, known: Iterable[str] = ()) -> Stats:
        """Records of the index by collection, in order of names; those of `known` in any case.
        Those of accounts that are hidden are not shown, and not counted."""
        rows = await self._worker(
            lambda: self._records.execute(
                "SELECT nsid, records - hidden FROM collection"
            ).fetchall()
        )
        counts = dict.fromkeys(known, 0) | dict(rows)
        return Stats(
            sum(counts.values()),
            [CollectionCount(nsid, counts[nsid]) for nsid in sorted(counts)],
        )

    async def collections(self) -> list[str]:
        """The collections that have records, by name."""
        rows = await self._worker(
            lambda: self._records.execute(
                "SELECT nsid FROM collection WHERE records > hidden ORDER BY nsid"
            ).fetchall()
        )
        return [nsid for (nsid,) in rows]

    async def records(
        self,
        collection: str,
        limit: int,
        did: str | None = None,
        before: int = ID_MAX,
        offset: int = 0,
    ) -> Records:
        """Records of a collection, of one repository if so asked, newest first: those whose number
        is below `before`, but the first `offset` of them."""
        return await self._worker(self._page, collection, limit, did, before, offset)

    def _page(
        self, collection: str, limit: int, did: str | None, before: int, offset: int
    ) -> Records:
        # numbers first: what is skipped, or sorted, is never read. Not a join for the repository:
        # SQLite would go through the collection for it
        of_one = (
            "" if did is None else " INDEXED BY record_key WHERE"
            " repo = (SELECT id FROM repo WHERE did = :did) AND"
        )  # fmt: skip
        # to see who is hidden every row must be read: only where there is somebody
        (hidden,) = self._records.execute(
            "SELECT EXISTS (SELECT 1 FROM collection WHERE nsid = ? AND hidden > 0)", (collection,)
        ).fetchone()
        seen = " AND (SELECT hidden FROM repo WHERE repo.id = record.repo) = 0" if hidden else ""
        rows: list[_Found] = self._records.execute(
            "SELECT record.id, did, rkey, cid, rev, indexed_at, body FROM record"
            " JOIN repo ON repo.id = record.repo WHERE record.id IN"
            f" (SELECT id FROM record{of_one or ' WHERE'} cid IS NOT NULL AND id < :before"
            f" AND collection = (SELECT id FROM collection WHERE nsid = :collection){seen}"
            " ORDER BY id DESC LIMIT :limit OFFSET :offset) ORDER BY record.id DESC",
            {
                "did": did, "before": before, "collection": collection,
                "limit": limit + 1, "offset": offset,
            },
        ).fetchall()  # fmt: skip
        page = Records(list(_shown(collection, rows[:limit])))
        if len(rows) > limit:
            page.cursor = f"k{rows[limit - 1][0]}"
        return page


def _shown(collection: str, rows: list[_Found]) -> Iterator[RecordShape]:
    for _, did, rkey, cid, rev, indexed_at, body in rows:
        uri = f"at://{did}/{collection}/{rkey}"
        yield RecordShape(
            uri=uri,
            did=did,
            collection=collection,
            rkey=rkey,
            cid=cid,
            rev=rev,
            indexed_at=utc_text(indexed_at / 1e6),
            record=msgspec.Raw(body),
            labels=self_labels(uri, did, body),
        )
