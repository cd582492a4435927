"""DID -> number, for tens of millions of DIDs in random order, at a cost that does not grow.

An ordinary index writes a page of the file for every DID, for each falls somewhere else. This one
is a buffer tree: new entries wait in memory until the hand, which goes round the slices of the
key space, comes by; their slice is then written as one chunk. A node that holds FAN chunks pushes
them down to its FAN children, so each entry is written once a level, in company. A bit per key
prefix says at once of nearly every new DID that it is new.

A stranger chooses DIDs, and could choose those that begin alike: all would fall into one slice.
So they are hashed with a secret first. (To multiply by one is half as dear, but leaves patterns,
and who measures how long his requests take finds the worst.)

The one rule: it is a way to find, not a truth: all of it follows from the pages and the secret,
and what still waits in memory is read again from the log's last pages.
"""

import mmap
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b

from msgspec import Struct

KEY_BYTES = 15
SECRET_BYTES = 16
NUMBER_BYTES = 5
ENTRY_BYTES = KEY_BYTES + NUMBER_BYTES

SLICE_BITS = 12  # of the key; few enough that a chunk is worth a row, many enough that it is one
FILTER_BITS = 27  # of the key, so 16 MiB: at 10 million DIDs one of 14 is looked for in vain
FAN_BITS = 3
WAITING_MAX = 1 << 17  # entries: 3 MiB; a start reads up to four times as many from the log
NODE_BITS_MAX = 60

_SLICES = 1 << SLICE_BITS
_SLICE_SHIFT = 32 - SLICE_BITS
_SLICE_BYTES = 1 << (FILTER_BITS - 3 - SLICE_BITS)

Unwritten = Callable[[int], Iterable[tuple[list[bytes], int]]]
"""(number) -> (keys, base) of the pages that may hold entries with at least that number."""


class Mark(Struct, frozen=True, array_like=True):
    """How far the hand has come. Entries below `written` are all in the table; those below `round`
    will be when the hand has gone round. `secret`: SECRET_BYTES, the same as long as the
    tables stand."""

    hand: int = 0
    written: int = 0
    round: int = 0
    secret: bytes = b""


class Numbers:
    """The index; belongs to the writer's thread. Keys are ids.pack_one; changes are the caller's
    transaction's, and after a rollback it calls `load`."""

    def __init__(self, db: sqlite3.Connection, secret: bytes = b"") -> None:
        self._db = db
        self._unread: Unwritten | None = None
        self._clear(Mark(secret=secret))

    def load(self, mark: Mark, unwritten: Unwritten) -> None:
        """Takes up the tables where they stand; they are read when a DID is first asked for."""
        self._clear(mark)
        self._unread = unwritten

    def _clear(self, mark: Mark) -> None:
        self.mark, self._unread = mark, None
        self._filter = mmap.mmap(-1, 1 << (FILTER_BITS - 3))  # zeros that cost no memory yet
        self._waiting = [bytearray() for _ in range(_SLICES)]
        self._written = [0] * _SLICES  # by slice: entries below this number are in the table
        self._count = 0
        self._deepen(SLICE_BITS)

    def _read(self, unwritten: Unwritten) -> None:
        self._unread = None
        for at, written, bits in self._db.execute("SELECT slice, written, bits FROM filter"):
            self._written[at] = written
            self._filter[at * _SLICE_BYTES : (at + 1) * _SLICE_BYTES] = bits
        (deepest,) = self._db.execute("SELECT max(node) FROM drawer").fetchone()
        self._deepen(SLICE_BITS if deepest is None else deepest.bit_length() - 1)
        for keys, base in unwritten(self.mark.written):
            self.intern(keys, base)

    def intern(self, keys: Sequence[bytes], base: int) -> list[int]:
        """The number of each key; one that is new gets `base` and its place in `keys`."""
        if self._unread is not None:
            self._read(self._unread)
        numbers: list[int] = []
        bits, waiting, written, number_of = self._filter, self._waiting, self._written, self._find
        secret = self.mark.secret
        for number, named in enumerate(keys, base):  # every DID there is comes through this loop
            key = _mixed(named, secret)
            prefix = int.from_bytes(key[:4], "big")
            at, place, mask = prefix >> _SLICE_SHIFT, prefix >> 8, 1 << (prefix >> 5 & 7)
            if bits[place] & mask:
                if number < written[at]:  # read again at a start, and written before
                    continue
                if (known := number_of(key)) is not None:
                    numbers.append(known)
                    continue
            bits[place] |= mask
            waiting[at] += key + number.to_bytes(NUMBER_BYTES, "big")
            self._count += 1
            numbers.append(number)
        return numbers

    def find(self, keys: Sequence[bytes]) -> list[int | None]:
        """The number of each key; None: it has none."""
        if self._unread is not None:
            self._read(self._unread)
        return [self._find(_mixed(key, self.mark.secret)) for key in keys]

    def settle(self, following: int) -> None:
        """Writes slices until few enough entries wait. `following` is the next number that will
        be given."""
        while self._count > WAITING_MAX:
            hand, written, round_ = self.mark.hand, self.mark.written, self.mark.round
            self._write(hand, following)
            hand += 1
            if hand == _SLICES:
                hand, written, round_ = 0, round_, following
            self.mark = Mark(hand, written, round_, self.mark.secret)

    def _find(self, key: bytes) -> int | None:
        prefix = int.from_bytes(key[:4], "big")
        if not self._filter[prefix >> 8] & 1 << (prefix >> 5 & 7):
            return None
        if (number := _look(self._waiting[prefix >> _SLICE_SHIFT], key)) is not None:
            return number
        path = int.from_bytes(key[:8], "big")
        nodes = [1 << depth | path >> (64 - depth) for depth in self._depths]
        for (entries,) in self._db.execute(self._select, nodes):
            if (number := _look(entries, key)) is not None:
                return number
        return None

    def _write(self, at: int, following: int) -> None:
        entries = self._waiting[at]
        if not entries:
            return
        self._written[at] = following
        self._db.execute(
            "INSERT OR REPLACE INTO filter VALUES (?, ?, ?)",
            (at, following, self._filter[at * _SLICE_BYTES : (at + 1) * _SLICE_BYTES]),
        )
        self._put(1 << SLICE_BITS | at, SLICE_BITS, entries)
        self._count -= len(entries) // ENTRY_BYTES
        self._waiting[at] = bytearray()

    def _put(self, node: int, depth: int, entries: bytearray) -> None:
        (chunks,) = self._db.execute(
            "SELECT count(*) FROM drawer WHERE node = ?", (node,)
        ).fetchone()
        if chunks >= 1 << FAN_BITS and depth < NODE_BITS_MAX:
            self._push_down(node, depth)
            chunks = 0
        self._db.execute("INSERT INTO drawer VALUES (?, ?, ?)", (node, chunks, entries))
        if depth > self._depths[-1]:
            self._deepen(depth)

    def _push_down(self, node: int, depth: int) -> None:
        children = [bytearray() for _ in range(1 << FAN_BITS)]
        shift = 64 - depth - FAN_BITS
        rows = self._db.execute("SELECT entries FROM drawer WHERE node = ?", (node,)).fetchall()
        for (entries,) in rows:
            for start in range(0, len(entries), ENTRY_BYTES):
                path = int.from_bytes(entries[start : start + 8], "big")
                children[path >> shift & ((1 << FAN_BITS) - 1)] += entries[
                    start : start + ENTRY_BYTES
                ]
        self._db.execute("DELETE FROM drawer WHERE node = ?", (node,))
        for number, entries in enumerate(children):
            if entries:
                self._put(node << FAN_BITS | number, depth + FAN_BITS, entries)

    def _deepen(self, depth: int) -> None:
        self._depths = range(SLICE_BITS, depth + 1, FAN_BITS)
        places = ",".join("?" * len(self._depths))
        self._select = f"SELECT entries FROM drawer WHERE node IN ({places})"


def _mixed(key: bytes, secret: bytes) -> bytes:
    # as many bits as a did:plc has. As a salt the secret costs half of what it does as a key
    return blake2b(key, digest_size=KEY_BYTES, salt=secret).digest()


def _look(entries: bytes | bytearray, key: bytes) -> int | None:
    at = entries.find(key)
    while at >= 0:
        if at % ENTRY_BYTES == 0:
            return int.from_bytes(entries[at + KEY_BYTES : at + ENTRY_BYTES], "big")
        at = entries.find(key, at + 1)
    return None
