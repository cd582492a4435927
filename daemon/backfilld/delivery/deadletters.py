"""What a person does about messages that could not be used: read them once more, fetch their
records once more, put them away.

The one rule: who asks is answered when it is durable. What came of letters is a transaction of the
index with a receipt, together with the records that were found; the ledger takes both to the log,
with the person as the actor, exactly once.
"""

from collections.abc import Awaitable, Callable, Container, Sequence
from typing import Literal, NamedTuple

import trio

from backfilld_events.ids import Did, Nsid, Rkey

from ..clock import Clock
from ..deliveries import AccountDelivery, DeadDelivery, RecordDelivery
from ..failures import Failure
from ..network.record import RecordNow
from ..records.store import Group, Handled, Letter, Outcome, RecordStore, Resolution
from ..sources.tap import frames
from ..worker import Worker
from .ledger import Ledger

Action = Literal["retry", "reindex", "dismiss"]

AT_ONCE = {"dismiss": 1000, "retry": 50, "reindex": 50}  # letters; up to 1 MiB of each is read
FETCHES_MAX = 8  # at once, of all who ask
ASK_S_MAX = 30.0  # after so long what is left is left to another request

Fetch = Callable[[Did, Nsid, Rkey], Awaitable[RecordNow]]
"""A record as its server has it; raises Failure."""


class Failed(NamedTuple):
    """A letter with which it did not go well, why, and what may be done instead."""

    id: int
    why: str
    hint: str


class Done(NamedTuple):
    """`ids` went well. `after`: there are more letters, with numbers above it."""

    ids: list[int]
    failed: list[Failed]
    after: int | None = None


class _Found(NamedTuple):
    resolution: Resolution
    record: RecordDelivery | None


class DeadLetters:
    """The only way by which letters are settled."""

    def __init__(
        self,
        store: RecordStore,
        worker: Worker,
        ledger: Ledger,
        clock: Clock,
        wanted: Callable[[], Container[Nsid]],
        fetch: Fetch,
    ) -> None:
        self._store, self._worker = store, worker
        self._ledger, self._clock = ledger, clock
        self._wanted, self._fetch = wanted, fetch
        self._fetching = trio.CapacityLimiter(FETCHES_MAX)

    async def handle(self, action: Action, ids: Sequence[int], actor: str) -> Done:
        """Does it with these letters, be they open or not."""
        done = Done([], [])
        ends = trio.current_time() + ASK_S_MAX
        numbers = sorted(set(ids))
        for at in range(0, len(numbers), AT_ONCE[action]):
            some = numbers[at : at + AT_ONCE[action]]
            if at and trio.current_time() > ends:
                late = "there was no time left for it"
                done.failed.extend(Failed(one, late, "ask again") for one in numbers[at:])
                break
            await self._handle(action, some, actor, done)
        return done

    async def handle_all(
        self, action: Action, collection: Nsid | None, after: int, actor: str
    ) -> Done:
        """Does it with all letters that are open and have a number above `after`, of a collection
        if one is named, as far as it comes in time."""
        done = Done([], [])
        ends = trio.current_time() + ASK_S_MAX
        while True:
            limit = AT_ONCE[action]
            some = await self._worker(self._store.open_letters, collection, after, limit)
            if some:
                await self._handle(action, some, actor, done)
                after = some[-1]
            if len(some) < limit:
                return done
            if trio.current_time() > ends:
                return done._replace(after=after)

    async def _handle(self, action: Action, ids: Sequence[int], actor: str, done: Done) -> None:
        letters = await self._worker(self._store.letters, ids, with_raw=action == "retry")
        missing = set(ids).difference(letter.id for letter in letters)
        done.failed.extend(
            Failed(one, "there is no such dead letter", "look what there is") for one in missing
        )
        if action == "dismiss":  # once is enough
            done.ids.extend(letter.id for letter in letters if not letter.is_open)
            letters = [letter for letter in letters if letter.is_open]
        if not letters:
            return
        outcomes: list[Outcome] = []
        records: list[RecordDelivery] = []
        for letter, found in await self._looked_up(action, letters):
            if isinstance(found, Failed):
                done.failed.append(found)
                outcomes.append(Outcome(letter.id, None, found.why))
                continue
            done.ids.append(letter.id)
            outcomes.append(Outcome(letter.id, found.resolution))
            if found.record is not None:
                records.append(found.record)
        handled = Handled(
            actor,
            action,
            [one.id for one in outcomes if one.resolution is not None],
            [one.id for one in outcomes if one.resolution is None],
        )
        now = round(self._clock() * 1e6)
        group = Group(records, [], [], [])
        await self._worker(self._store.settle, handled, outcomes, group, now)
        self._ledger.wake()  # who asked may leave before it stands in the log
        await self._ledger.catch_up()

    async def _looked_up(
        self, action: Action, letters: Sequence[Letter]
    ) -> list[tuple[Letter, _Found | Failed]]:
        """What is found of each, in their order."""
        if action == "dismiss":
            return [(letter, _Found("dismiss", None)) for letter in letters]
        if action == "retry":
            wanted = self._wanted()
            # one by one: of one that is nested deep it takes half a second
            return [(one, await self._worker(read_again, one, wanted)) for one in letters]
        found: dict[int, _Found | Failed] = {}

        async def look(letter: Letter) -> None:
            async with self._fetching:
                found[letter.id] = await self._fetched(letter)

        async with trio.open_nursery() as nursery:
            for letter in letters:
                nursery.start_soon(look, letter)
        return [(letter, found[letter.id]) for letter in letters]

    async def _fetched(self, letter: Letter) -> _Found | Failed:
        did, collection, rkey = letter.did, letter.collection, letter.rkey
        if did is None or collection is None or rkey is None:
            why = "it does not say which record it is about"
            return Failed(letter.id, why, "put it away: dismiss")
        if collection not in self._wanted():
            return _unwanted(letter, collection)
        try:
            now = await self._fetch(did, collection, rkey)
        except Failure as failure:
            why = f"it could not be fetched: {failure.message}"
            return Failed(letter.id, why, "try again later, or dismiss it")
        resolution: Resolution = "gone" if now.cid is None else "reindex"
        return _Found(
            resolution,
            RecordDelivery(0, did, collection, rkey, now.rev, now.cid, now.body, live=False),
        )


def read_again(letter: Letter, wanted: Container[Nsid]) -> _Found | Failed:
    """What the bytes of a letter say now. Pure."""
    kept = len(letter.raw)
    if kept < letter.raw_bytes:
        why = f"only {kept:,} of its {letter.raw_bytes:,} bytes are kept"
        return Failed(letter.id, why, "fetch its record again: reindex")
    match frames.decode(letter.raw):
        case DeadDelivery() as dead:
            return Failed(letter.id, dead.why, "fetch its record again (reindex), or dismiss it")
        case AccountDelivery():
            why = "it is about an account, of which newer news may have come since"
            return Failed(letter.id, why, "put it away: dismiss")
        case RecordDelivery() as record if record.collection not in wanted:
            return _unwanted(letter, record.collection)
        case RecordDelivery() as record:
            return _Found("retry", record)


def _unwanted(letter: Letter, collection: Nsid) -> Failed:
    why = f"nobody asks for {collection} any more"
    return Failed(letter.id, why, "take in its lexicon first, or dismiss it")
