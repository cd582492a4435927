"""Does what repositories need beside waiting: has Tap fetch them anew, takes out what fails for
good, removes what is gone from the network.

Which ones need what is kept by the projections (judged.needed); what may be done now is `mending`'s
business, the steps are `outings`'.
"""

from collections.abc import Awaitable, Callable, Sequence

import structlog
import trio

from backfilld_events.catalog.source import Differing, ReposDiffer
from backfilld_events.ids import Did, Rev, pack_one
from backfilld_events.projections.asked import Asked
from backfilld_events.projections.classes import Need
from backfilld_events.projections.judged import PARKED_S
from backfilld_events.row import NewEvent

from ..clock import Clock
from ..journal import Journal
from ..records.ghosts import Evidence, Kept
from . import mending
from .asking_tap import Answers, TapAsker
from .mending import Pace
from .outings import Outings

TICK_S = 1.0
PAUSE_S = 10.0  # when Tap is gone
LOOK_AT_MAX = 10 * mending.RELEASE_FIRST  # parked ones, of all hosts
SWEEPS_MAX = 200  # in a round
SWEEPS_WAITING_MAX = 5_000  # for their next try
SWEEP_TRIES = 4
SWEEP_AGAIN_S = 15.0

FindNeedy = Callable[[Need, float, int], Awaitable[list[Asked]]]
"""(need, unix seconds, limit) -> repositories for which it is to be done now."""

Sweep = Callable[[Did, Evidence], Awaitable[Kept | None]]
"""(repository, what Tap says of it) -> why its ghosts were not removed; None: they are."""


Depart = Callable[[Did, str, str], Awaitable[None]]
"""(account, its status, its handle) -> it is in the index, and in the log."""


class Mender:
    """One task. `room` is how many repositories more Tap may be given work with; None: any."""

    def __init__(
        self,
        asker: TapAsker,
        outings: Outings,
        find: FindNeedy,
        sweep: Sweep,
        depart: Depart,
        journal: Journal,
        clock: Clock,
        room: Callable[[], int | None],
    ) -> None:
        self._asker, self._outings, self._find, self._sweep = asker, outings, find, sweep
        self._depart = depart
        self._journal, self._clock, self._room = journal, clock, room
        self._paces: dict[str, Pace] = {}
        self._sweeps: dict[int, tuple[int, float]] = {}  # id -> tries, when the next is due
        self._log = structlog.get_logger("mender")

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._outings.finish()
        while True:
            for need in mending.ORDER:
                await (self._release() if need is Need.PARKED else self._mend(need))
            await self._sweep_some()
            await self._depart_some()
            await trio.sleep(TICK_S)

    async def _mend(self, need: Need) -> None:
        limit = mending.OUTING_MAX
        if mending.takes_room(need) and (room := self._room()) is not None:
            limit = min(limit, room)
        if limit <= 0:
            return
        await self._send_out(need, await self._find(need, self._clock(), limit))

    async def _release(self) -> None:
        """Parked repositories are given back, as many at once as their host serves."""
        await self._look()
        now = self._clock()
        parked = await self._find(Need.PARKED, now + PARKED_S, LOOK_AT_MAX)
        self._paces = mending.paced(self._paces, parked, now)
        chosen = mending.releasable(parked, self._paces, mending.RELEASE_FIRST, now)
        released = await self._send_out(Need.PARKED, chosen)
        self._paces = mending.given(self._paces, released, self._clock())

    async def _look(self) -> None:
        """What became of those that were given back last."""
        now = self._clock()
        due = {
            host: pace.trial[-1]
            for host, pace in self._paces.items()
            if pace.trial and pace.after <= now
        }
        answers = await self._asker.ask([*due.values()])
        for host, last in due.items():
            pace = mending.looked(self._paces[host], answers.seen.get(last.id), now)
            if pace is None:
                became = await self._asker.ask(self._paces[host].trial)
                pace = mending.tried(self._paces[host], became.seen.values(), now)
            self._paces[host] = pace

    async def _send_out(self, need: Need, found: Sequence[Asked]) -> list[Asked]:
        """Those of them that Tap says are still in need leave it, and come back."""
        if not found:
            return []
        answers = await self._asker.ask(found)
        if not answers.there:
            await trio.sleep(PAUSE_S)
            return []
        leaving = [
            one
            for one in found
            if one.id in answers.seen and mending.may_leave(need, answers.seen[one.id])
        ]
        if leaving:
            again, why = mending.again(need), mending.WHY[need]
            self._log.info("fetched anew" if again else "taken out of tap",
                           why=why, repos=len(leaving))  # fmt: skip
            dids = [one.did for one in leaving]
            await self._outings.begin(why, dids, again=again, cause=None)
        return leaving

    async def _depart_some(self) -> None:
        """What a server said of an account when Tap fetched it is as good as Tap's own news of it,
        which may have been lost."""
        for need in (Need.DEPARTED, Need.RETURNED):
            found = await self._find(need, self._clock(), SWEEPS_MAX)
            answers = await self._asker.ask(found)
            for one in found:
                seen = answers.seen.get(one.id)
                status = None if seen is None else mending.status(need, seen)
                if status is not None:
                    await self._depart(one.did, status, one.handle or "")

    async def _sweep_some(self) -> None:
        """Rows that a refetch did not bring go, once Tap's account and ours are the same."""
        now = self._clock()
        # those that wait keep nobody else waiting, unless they are very many
        limit = SWEEPS_MAX + min(len(self._sweeps), SWEEPS_WAITING_MAX)
        found = await self._find(Need.SWEEP, now, limit)
        self._sweeps = {one.id: self._sweeps[one.id] for one in found if one.id in self._sweeps}
        due = [one for one in found if self._sweeps.get(one.id, (0, 0.0))[1] <= now]
        answers = await self._asker.ask(due[:SWEEPS_MAX])
        if answers.drained:  # then numbers alone may have told that there are none
            found = await self._find(Need.SWEEP, now, limit)
        left = {one.id for one in found}
        kept = [
            told
            for one in due
            if one.id in answers.seen and one.id in left
            if (told := await self._swept(one, answers, now)) is not None
        ]
        if kept:
            await self._journal.append([NewEvent("tap", ReposDiffer(kept), "system")])

    async def _swept(self, one: Asked, answers: Answers, now: float) -> Differing | None:
        """What the log is to say of one, if nothing was removed and that will not change."""
        seen = answers.seen[one.id]
        if seen.state != "active" or seen.rev is None:
            return None
        before = None if one.before is None else Rev(one.before)
        told = Evidence(seen.records, seen.rev, before, answers.drained)
        kept = await self._sweep(one.did, told)
        tries = self._sweeps.pop(one.id, (0, 0.0))[0]
        if kept is None:
            return None
        tries += answers.drained  # while something is still to come nothing is tried in vain
        if kept.why and tries < SWEEP_TRIES:
            self._sweeps[one.id] = (tries, now + SWEEP_AGAIN_S)
            return None
        anew = kept.anew and not one.mended  # else one that never rests would come again
        return Differing(pack_one(one.did), kept.why, mend=anew)
