"""Tap's outbox: what was not acked yet, in which order it goes out, when it comes again. Pure.

Per DID, a live event is a barrier: it waits until all before it is acked, and all after it waits
for its ack; other events go out together. An ack is a delete by number, done later, in batches.
Time is an argument.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

SEND_QUEUE_EVENTS = 10_000
DELETE_BATCH = 1_000
LOAD_PAGE = 1_000


class Event(NamedTuple):
    """A row of the outbox; `frame` is the bytes that go out, every time the same."""

    number: int
    did: str
    live: bool
    frame: bytes


@dataclass(slots=True)
class Line:
    """One DID's events: sent and not acked, and not yet sent."""

    sent: dict[int, float] = field(default_factory=dict)
    waiting: deque[int] = field(default_factory=deque)
    blocked: bool = False


class Outbox:
    """`rows` is the table on disk: it outlives this object, which is one process's memory."""

    def __init__(self, rows: dict[int, Event], capacity: int, retry_timeout_s: float) -> None:
        self._rows, self._capacity, self._retry_timeout_s = rows, capacity, retry_timeout_s
        self._last = 0  # the number last given out
        self._events: dict[int, Event] = {}
        self._pending: deque[int] = deque()
        self._lines: dict[str, Line] = {}
        self._outgoing: deque[Event] = deque()
        self._again: deque[int] = deque()  # what the sweep found, not yet in the send queue
        self._acked: list[int] = []
        self._unloaded: deque[int] = deque(sorted(rows))
        self._loaded = False

    @property
    def ready(self) -> bool:
        """Whether new events may be made: all rows are loaded, and there is room."""
        return self._loaded and len(self._events) < self._capacity

    @property
    def overfull(self) -> bool:
        """Whether even the firehose must wait."""
        return len(self._pending) >= 2 * self._capacity

    def load(self, now: float) -> None:
        """Reads rows of a former run, by number, while there is room."""
        while not self._loaded and len(self._events) < self._capacity:
            page = [self._unloaded.popleft() for _ in range(min(LOAD_PAGE, len(self._unloaded)))]
            for number in page:
                self._events[number] = self._rows[number]
            self._pending.extend(page)
            if page:
                self._last = page[-1] + 1  # and the next one is one more
            else:
                self._loaded = True
        self.pump(now)

    def numbers(self, count: int) -> range:
        """The next numbers, one counter for all DIDs."""
        self._last += count
        return range(self._last - count + 1, self._last + 1)

    def add(self, events: Iterable[Event], now: float) -> None:
        for event in events:
            self._rows[event.number] = self._events[event.number] = event
            self._pending.append(event.number)
        self.pump(now)

    def take(self, bytes_max: int, events_max: int, now: float) -> list[Event]:
        """The next events for one connection: at least one, if there is any."""
        taken: list[Event] = []
        size = 0
        while self._outgoing and size < bytes_max and len(taken) < events_max:
            event = self._outgoing.popleft()
            taken.append(event)
            size += len(event.frame)
        if taken:
            self.pump(now)
        return taken

    def ack(self, number: int, now: float) -> None:
        """Any number is taken. The event is gone when its batch is deleted, sent or not."""
        event = self._events.get(number)
        if event is not None and (line := self._lines.get(event.did)) is not None:
            line.sent.pop(number, None)
            self._advance(event.did, line, now)
        self._acked.append(number)
        if len(self._acked) >= DELETE_BATCH:
            self.delete_acked(now)

    def delete_acked(self, now: float) -> None:
        """Deletes what was acked; until then a restart brings it again."""
        for number in self._acked:
            self._events.pop(number, None)
            self._rows.pop(number, None)
        self._acked.clear()
        self.load(now)

    def sweep(self, now: float) -> None:
        """Sends again what was sent long ago; as long as the last sweep is stuck, nothing."""
        if not self._again:
            limit = now - self._retry_timeout_s
            lines = self._lines.values()
            self._again.extend(n for line in lines for n, at in line.sent.items() if at < limit)
        self.pump(now)

    def pump(self, now: float) -> None:
        """Fills the send queue."""
        while self._again and len(self._outgoing) < SEND_QUEUE_EVENTS:
            if (event := self._events.get(self._again.popleft())) is not None:
                self._outgoing.append(event)
        while self._pending and len(self._outgoing) < SEND_QUEUE_EVENTS:
            if (event := self._events.get(self._pending.popleft())) is not None:
                self._deliver(event, now)

    def _deliver(self, event: Event, now: float) -> None:
        line = self._lines.get(event.did)
        if line is None:
            line = self._lines[event.did] = Line()
        if line.waiting or line.blocked or line.sent:
            line.waiting.append(event.number)
            self._advance(event.did, line, now)
        else:
            self._send(line, event, now)

    def _send(self, line: Line, event: Event, now: float) -> None:
        line.sent[event.number] = now
        line.blocked = event.live
        self._outgoing.append(event)

    def _advance(self, did: str, line: Line, now: float) -> None:
        """Sends what the line's barriers let through."""
        if not line.sent:
            line.blocked = False
        while line.waiting and not line.blocked:
            event = self._events.get(line.waiting[0])
            if event is None:  # acked before it was ever sent
                line.waiting.popleft()
            elif event.live and line.sent:
                line.blocked = True
            else:
                line.waiting.popleft()
                self._send(line, event, now)
        if not line.sent and not line.waiting:
            del self._lines[did]
