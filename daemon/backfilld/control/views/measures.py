"""What is measured for metrics: the costs are those of the collections, never of repositories."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from backfilld_events.folds.job import Job
from backfilld_events.ids import Nsid
from backfilld_events.log import read
from backfilld_events.projections import listing, repos, targets
from backfilld_events.projections.classes import OPEN, Class
from backfilld_events.projections.tally import ALL

from ...backfill.standing import standing
from ..metrics import COLLECTIONS_MAX, OfCollection
from .base import ViewsBase


class Counted(NamedTuple):
    """`stalled`: since when (unix seconds) the job that has waited longest waits, by whom for."""

    collections: dict[str, OfCollection]
    unexplained: int
    jobs: dict[str, int]
    stalled: dict[str, float]
    disk_free: int


class MeasureViews(ViewsBase):
    """The part of the views that measures."""

    async def measures(
        self, jobs: Sequence[Job], wanted: Sequence[Nsid], folder: Path, now: float
    ) -> Counted:
        """`jobs` are those not ended, `wanted` the collections that there are lexicons for; the
        first COLLECTIONS_MAX are looked at, each by itself, so that others have their turn."""
        some = sorted(wanted)[:COLLECTIONS_MAX]
        counters = await self._worker(self._counters, some)
        unexplained = await self._worker(self._unexplained, ALL)
        collections: dict[str, OfCollection] = {}
        for nsid in some:
            counter = counters.get(nsid)
            collections[nsid] = await self._worker(self._collection, nsid, counter, now)
            if counter is not None:
                unexplained += await self._worker(self._unexplained, counter)
        by_state, stalled = self._jobs(jobs)
        free = await self._worker(_free, folder)
        return Counted(collections, unexplained, by_state, stalled, free)

    def _counters(self, nsids: Sequence[Nsid]) -> dict[Nsid, int]:
        return {nsid: counter for counter, nsid in targets.counters(self._events, nsids).items()}

    def _unexplained(self, counter: int) -> int:
        counts = repos.counts(self._events, counter)
        return abs(repos.found(self._events, counter) - sum(counts.values()))

    def _collection(self, nsid: Nsid, counter: int | None, now: float) -> OfCollection:
        counts: Mapping[Class, int] = {}
        if counter is not None:
            counts = repos.counts(self._events, counter)
        committed = self._events.execute(
            "SELECT inserted + updated FROM delivered WHERE collection = ?", (nsid,)
        ).fetchone()
        here = self._records.execute(
            "SELECT records FROM collection WHERE nsid = ?", (nsid,)
        ).fetchone()
        is_open = counter is not None and any(counts.get(kind) for kind in OPEN)
        return OfCollection(
            classes={kind.name.lower(): counts.get(kind, 0) for kind in Class},
            oldest_open_s=self._oldest(nsid, counter or 0, now) if is_open else None,
            committed=0 if committed is None else int(committed[0]),
            here=0 if here is None else int(here[0]),
        )

    def _oldest(self, nsid: Nsid, counter: int, now: float) -> float | None:
        """Of the one that was found first; of one that is held, since the collection was asked
        for: its class was another before."""
        found = listing.page(self._events, counter, OPEN, -1, 1)
        if not found:
            return None
        (asked,) = self._events.execute(
            "SELECT asked FROM collection WHERE nsid = ?", (nsid,)
        ).fetchone()
        row = read.row(self._events, max(found[0].since, asked))
        return None if row is None else max(0.0, now - row.at)

    def _jobs(self, jobs: Sequence[Job]) -> tuple[dict[str, int], dict[str, float]]:
        scene, states, stalled = self._scene(), Counter[str](), dict[str, float]()
        for job in jobs:
            stands = standing(job, scene)
            states[stands.state] += 1
            if stands.waiting is not None:
                on = "job_tap" if stands.waiting.lane == "hand-off" else "job_relay"
                stalled[on] = min(stalled.get(on, stands.waiting.since), stands.waiting.since)
        return dict(states), stalled


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
