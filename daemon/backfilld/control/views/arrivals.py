"""What is asked about the collections that Tap sends."""

import json
from collections.abc import Iterable

from backfilld_events.projections import targets

from ..tapfilters import UNASKED_MAX, Arrivals, Came
from .base import ViewsBase

_AMONG = "collection IN (SELECT value FROM json_each(:wanted))"


class ArrivalViews(ViewsBase):
    """The part of the views that knows what has come of which collection."""

    async def arrivals(self, wanted: Iterable[str]) -> Arrivals:
        """Of the wanted collections, and of those that nobody asks for."""
        return await self._worker(self._arrivals, json.dumps(sorted(wanted)))

    def _arrivals(self, wanted: str) -> Arrivals:
        values = {"wanted": wanted, "limit": UNASKED_MAX}
        came = self._events.execute(
            "SELECT collection, inserted + updated + deleted + unchanged + stale + dead, ignored"
            f" FROM delivered WHERE {_AMONG}",
            values,
        ).fetchall()
        unasked = f"FROM delivered WHERE ignored > 0 AND NOT {_AMONG}"
        found = {nsid: Came(records, ignored) for nsid, records, ignored in came}
        for nsid, n in targets.fetched(self._events).items():
            found[nsid] = found.get(nsid, Came())._replace(fetched=n)
        collections, records = self._events.execute(
            f"SELECT count(*), coalesce(sum(ignored), 0) {unasked}", values
        ).fetchone()
        most = self._events.execute(
            f"SELECT collection, ignored {unasked} ORDER BY ignored DESC, collection LIMIT :limit",
            values,
        ).fetchall()
        return Arrivals(found, most, collections, records)
