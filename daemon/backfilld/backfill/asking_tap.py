"""Asks Tap about repositories, a few at once, and puts what it says into the log.

The one rule: an answer becomes an event. One that differs from the last is told whole, of the
others only that they were asked; of one that Tap calls active, when its outbox is empty, that too.
"""

from collections.abc import Awaitable, Callable, Container, Sequence
from typing import Final, Protocol

import trio
from msgspec import Struct

from backfilld_events import ids
from backfilld_events.catalog.source import Observation, ReposObserved
from backfilld_events.faults import host_of
from backfilld_events.ids import Did, Rev, pack_one
from backfilld_events.projections.asked import Asked
from backfilld_events.row import NewEvent

from ..failures import Failure, clean
from ..journal import Journal
from ..sources.tap.http import RepoInfo

AT_ONCE = 4
FAILURES_IN_A_ROW_MAX = 3  # of one asker; then Tap is taken to be gone
# tap: it keeps the text of an error whole, and a server may make it as long as it likes. That must
# not keep the others from being asked about
_UNREADABLE: Final = ("bad_answer", "too_large")


class Tap(Protocol):
    """Knows how a repository stands, and how much it has still to send. Raises Failure."""

    @property
    def url(self) -> str: ...

    async def info(self, did: Did) -> RepoInfo: ...

    async def resolve(self, did: Did) -> str | None: ...

    async def outbox_buffer(self) -> int: ...


class Answers(Struct):
    """What Tap said of some repositories. `there`: it answered at all; `drained`: its outbox was
    seen empty after that, and what it had sent is in the log."""

    seen: dict[int, Observation]
    there: bool
    drained: bool = False


class TapAsker:
    """`account` takes what the index has committed into the log."""

    def __init__(self, tap: Tap, journal: Journal, account: Callable[[], Awaitable[None]]) -> None:
        self._tap, self._journal, self._account = tap, journal, account

    async def ask(self, asked: Sequence[Asked]) -> Answers:
        """Asks about all; what was learned is in the log when it returns. When Tap is not there,
        some are left out."""
        if not asked:
            return Answers({}, there=True)
        position = self._journal.state.position
        answers, unreadable = Answers({}, there=True), set[int]()
        places = iter(asked)
        gave_up = 0

        async def one_after_the_other() -> None:
            nonlocal gave_up
            failures = 0
            for place in places:
                try:
                    answers.seen[place.id] = await self._observed(place)
                except Failure as failure:
                    if failure.kind in _UNREADABLE:
                        unreadable.add(place.id)
                        continue
                    failures += 1
                    if failures == FAILURES_IN_A_ROW_MAX:
                        gave_up += 1
                        return
                    continue
                failures = 0

        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(one_after_the_other)
        answers.there = gave_up < AT_ONCE
        answers.drained = await self._note(asked, answers.seen, unreadable, position)
        return answers

    async def _observed(self, place: Asked) -> Observation:
        info = await self._tap.info(place.did)
        error = clean(info.error)
        host = host_of(info.error)
        if info.state == "desynchronized" and info.retries and not error and place.host is None:
            host = await self._host(place.did)
        return Observation(
            repo=pack_one(place.did),
            state=info.state,
            error=error,
            rev=Rev(info.rev) if info.rev else None,
            records=info.records,
            retries=info.retries,
            host=host,
        )

    async def _host(self, did: Did) -> str:
        """Of the PDS: Tap has just resolved it, and has the answer at hand."""
        try:
            return await self._tap.resolve(did) or ""
        except Failure:
            return ""

    async def _note(
        self,
        asked: Sequence[Asked],
        seen: dict[int, Observation],
        unreadable: Container[int],
        position: int,
    ) -> bool:
        answered = [(place, seen[place.id]) for place in asked if place.id in seen]
        drained = (
            any(
                one.state == "active" and (place.unsure or _said(one) != place.last)
                for place, one in answered
            )
            and await self._drained()
        )
        if drained:
            await self._account()  # so that the rows stand in the log before what is said of them
        told = [
            one
            for place, one in answered
            if _said(one) != place.last or (drained and one.state == "active" and place.unsure)
        ]
        whole = {one.repo for one in told}
        unchanged = [place.did for place, one in answered if one.repo not in whole]
        unchanged += [place.did for place in asked if place.id in unreadable]
        if told or unchanged:
            event = ReposObserved(
                tap=self._tap.url,
                drained=drained,
                observations=told,
                unchanged=ids.pack(unchanged) if unchanged else b"",
                asked=position,
            )
            await self._journal.append([NewEvent("tap", event, "system")])
        return drained

    async def _drained(self) -> bool:
        try:
            return await self._tap.outbox_buffer() == 0
        except Failure:
            return False


def _said(one: Observation) -> tuple[str | None, str | None, str | None, int | None, int]:
    return one.state, one.error, one.rev, one.records, one.retries
