"""The log under trio: one writer, appends grouped into one fsync, followers woken.

The one rule: an append is durable when `append` returns, and `state` never shows more than what
is durable. It decides nothing. Once it is frozen it writes nothing more, whoever asks.
"""

from collections.abc import Mapping, Sequence

import trio

from backfilld_events.eventlog import EventLog, Head
from backfilld_events.folds import State
from backfilld_events.log.append import Append, Conflict, Outcome
from backfilld_events.row import NewEvent, Row

from .clock import Clock
from .worker import Worker

GROUP_APPENDS_MAX = 256  # one transaction's share, so that no append waits for an endless one


class Stale(Exception):
    """The stream has moved on since the decision: look at `conflict` and decide again."""

    def __init__(self, conflict: Conflict) -> None:
        super().__init__(
            f"{conflict.stream} is at version {conflict.actual}, not {conflict.expected}"
        )
        self.conflict = conflict


class Frozen(trio.ClosedResourceError):
    """The log is not written any more; the message says why."""


class _Waiting:
    """An append on its way to the log."""

    def __init__(self, append: Append) -> None:
        self.append = append
        self.done = trio.Event()
        self.outcome: Outcome | None = None


class Journal:
    """Appends to the log, and tells who waits for news. Serves while `run` runs."""

    def __init__(self, log: EventLog, worker: Worker, clock: Clock) -> None:
        self._log, self._worker, self._clock = log, worker, clock
        self._queue: list[_Waiting] = []
        self._wake = trio.Event()
        self._watches: dict[str, trio.Event] = {}
        self._closing = False
        self._writing = trio.Lock()
        self.frozen = ""  # why
        self.freezing = (
            trio.Event()
        )  # is set when it is: for whoever waits for what comes of an event

    @property
    def state(self) -> State:
        """The fold of all that is durable."""
        return self._log.state

    @property
    def head(self) -> Head:
        """Where the log ends, as far as it is durable."""
        return self._log.head

    async def last(self, stream: str) -> Row | None:
        """The last event of a stream."""
        return await self._worker(self._log.last, stream)

    def watch(self, stream: str = "") -> trio.Event:
        """Is set by the next event of `stream` ("": of any). Take it before reading `state`."""
        return self._watches.setdefault(stream, trio.Event())

    async def append(
        self, events: Sequence[NewEvent], *, expected: Mapping[str, int] | None = None
    ) -> list[Row]:
        """Appends `events`, together or not at all; durable when it returns.

        With `expected` (stream -> version) it is a decision, and raises Stale when a stream has
        moved on. Cancelled while it waits, the append may still happen. Raises Frozen, and
        trio.ClosedResourceError when the journal no longer serves.
        """
        self.check()
        if self._closing:
            await trio.lowlevel.checkpoint_if_cancelled()  # all ends: then cancelled says it better
            raise trio.ClosedResourceError("the journal is closed")
        waiting = _Waiting(Append(events, expected or {}))
        self._queue.append(waiting)
        self._wake.set()
        await waiting.done.wait()
        if isinstance(waiting.outcome, Conflict):
            raise Stale(waiting.outcome)
        if waiting.outcome is None:
            self.check()
            raise trio.ClosedResourceError("the log could not be written")
        return waiting.outcome

    def check(self) -> None:
        """For who writes elsewhere before it appends. Raises Frozen."""
        if self.frozen:
            raise Frozen(self.frozen)

    async def freeze(self, why: str) -> None:
        """Refuses every append from now on, those that wait too. When it returns, the file's own
        connection refuses to write as well."""
        self.frozen = why
        self.freezing.set()
        async with self._writing:
            await self._worker(self._log.freeze)

    async def answers(self) -> None:
        """Returns when the writer's thread has answered: it is alive."""
        await self._worker(lambda: None)

    async def distrust(self) -> None:
        """The next start makes the projections anew from the log. Raises Frozen."""
        async with self._writing:  # or the log may be frozen in between
            self.check()
            await self._worker(self._log.distrust)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Writes until cancelled. What was queued by then is written first; an error of the file
        ends it, and with it the daemon: nothing may rely on what is not durable."""
        task_status.started()
        try:
            while True:
                await self._wake.wait()
                with trio.CancelScope(shield=True):
                    await self._write()
        finally:
            self._closing = True
            with trio.CancelScope(shield=True):
                await self._write()

    async def _write(self) -> None:
        while self._queue:
            group, self._queue = self._queue[:GROUP_APPENDS_MAX], self._queue[GROUP_APPENDS_MAX:]
            try:
                async with self._writing:
                    if not self.frozen:
                        await self._write_group(group)
            finally:
                for waiting in group:
                    waiting.done.set()
        self._wake = trio.Event()

    async def _write_group(self, group: Sequence[_Waiting]) -> None:
        now = round(self._clock() * 1e6)
        outcomes = await self._worker(self._log.append, [one.append for one in group], now)
        for waiting, outcome in zip(group, outcomes, strict=True):
            waiting.outcome = outcome
        self._tell(outcomes)

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        streams = {
            row.stream for outcome in outcomes if isinstance(outcome, list) for row in outcome
        }
        for stream in {*streams, ""} if streams else ():
            if (watch := self._watches.pop(stream, None)) is not None:
                watch.set()
