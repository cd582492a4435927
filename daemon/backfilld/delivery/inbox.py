"""Deliveries that wait for the committer, and how they become groups.

The one rule: what waits is bounded, by count and by bytes. A queue made for 600-byte records must
not take in as many of a megabyte; the reader waits instead, and with it Tap.
"""

from collections import deque
from collections.abc import Iterator
from itertools import chain

import trio
from msgspec import Struct

from ..deliveries import Delivery
from .group import holds_up, size_of

GROUP_BYTES_MAX = 16 * 2**20  # a group grows no further, however long it may wait
WAITING_GROUPS = 2  # so much is read ahead: one to commit next, and one in the making


class GroupLimits(Struct, frozen=True):
    """How many deliveries a commit takes at most, and how long the first may wait for others."""

    records_max: int
    wait_s: float
    bytes_max: int = GROUP_BYTES_MAX


class _Piece(Struct, frozen=True):
    """Some deliveries that came together, few enough for one group."""

    deliveries: list[Delivery]
    size: int
    urgent: bool
    came: float


class Inbox:
    """One reader puts in, one committer takes out."""

    def __init__(self, limits: GroupLimits) -> None:
        self._limits = limits
        self._pieces: deque[_Piece] = deque()
        self._count = self._size = self._urgent = 0
        self._closed = False
        self._news, self._room = trio.Event(), trio.Event()

    @property
    def count(self) -> int:
        """How many deliveries wait."""
        return self._count

    @property
    def size(self) -> int:
        """How many bytes they hold."""
        return self._size

    async def put(self, deliveries: list[Delivery], size: int) -> None:
        """Adds what was read at once, `size` bytes; waits first while there is no room. What is
        put in goes over the bound by itself, never by more."""
        while self._full():
            self._room = trio.Event()
            await self._room.wait()
        for piece in self._cut(deliveries, size):
            self._pieces.append(piece)
            self._change(piece, 1)
        self._news.set()

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._news.set()

    async def take(self) -> list[Delivery]:
        """The next group, in order. Empty: nothing more will come.

        It waits for company, unless it is full, or a repository is held up by one of it.
        """
        while not self._pieces:
            if self._closed:
                return []
            await self._wait()
        with trio.move_on_at(self._pieces[0].came + self._limits.wait_s):
            while not self._ripe():
                await self._wait()
        return self._group()

    async def _wait(self) -> None:
        self._news = trio.Event()
        await self._news.wait()

    def _full(self) -> bool:
        return (
            self._count >= WAITING_GROUPS * self._limits.records_max
            or self._size >= WAITING_GROUPS * self._limits.bytes_max
        )

    def _ripe(self) -> bool:
        return (
            self._closed
            or self._urgent > 0
            or self._count >= self._limits.records_max
            or self._size >= self._limits.bytes_max
        )

    def _group(self) -> list[Delivery]:
        taken: list[_Piece] = []
        count = size = 0
        while self._pieces:
            piece = self._pieces[0]
            count, size = count + len(piece.deliveries), size + piece.size
            if taken and (count > self._limits.records_max or size > self._limits.bytes_max):
                break
            taken.append(self._pieces.popleft())
            self._change(piece, -1)
        self._room.set()
        return list(chain.from_iterable(piece.deliveries for piece in taken))

    def _change(self, piece: _Piece, sign: int) -> None:
        self._count += sign * len(piece.deliveries)
        self._size += sign * piece.size
        self._urgent += sign * piece.urgent

    def _cut(self, deliveries: list[Delivery], size: int) -> Iterator[_Piece]:
        """`deliveries` in pieces that are no larger than a group: mostly one."""
        now = trio.current_time()
        if not deliveries:  # an empty piece would be taken for the end
            return
        if len(deliveries) <= self._limits.records_max and size <= self._limits.bytes_max:
            yield _Piece(deliveries, size, holds_up(deliveries), now)
            return
        piece: list[Delivery] = []
        held = 0
        for one in deliveries:
            more = size_of(one)
            if piece and (
                len(piece) >= self._limits.records_max or held + more > self._limits.bytes_max
            ):
                yield _Piece(piece, held, holds_up(piece), now)
                piece, held = [], 0
            piece.append(one)
            held += more
        if piece:
            yield _Piece(piece, held, holds_up(piece), now)
