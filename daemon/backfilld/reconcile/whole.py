"""Reads a whole repository from its server, and believes it for its signature alone.

The one rule: every block fits its CID, the tree is whole and as it must be, the commit names it and
the account's key signed the commit; or it is a failure. The blocks wait in a temporary database on
disk, since the commit is seldom the first: memory does not grow with the repository.
Source: com.atproto.sync.getRepo; atproto.com/specs/repository.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice

import trio

from backfilld_events.ids import BadId, Cid, Nsid, Rev, Rkey, parse_rev

from ..failures import Failure
from ..network.documents import DidDocument
from ..network.pds import PdsClient
from ..worker import ThreadWorker, Worker
from .compare import Rows
from .listing import enough
from .repository.car import Block, CarReader
from .repository.dagcbor import Bad, Link, text_of, without
from .repository.signing import is_signed
from .repository.tree import Leaf, small, walk

CACHE_KIB = 8 * 2**10
AT_ONCE = 2_000  # records of a tree, so that it can be broken off in between
VERIFIED_WITHIN_S = 900.0


class Whole:
    """Reads repositories as CARs."""

    def __init__(self, pds: PdsClient, worker: Callable[[], Worker] = ThreadWorker) -> None:
        self._pds, self._new_worker = pds, worker

    async def read(
        self, at: str, document: DidDocument, collections: Sequence[Nsid]
    ) -> tuple[Rows, Rev]:
        """The records of these collections, and the rev of the commit that they are of. Raises
        Failure."""
        worker, car = self._new_worker(), CarReader()
        with closing(_Blocks()) as blocks:

            def take_in(piece: bytes) -> None:
                blocks.add(car.feed(piece))

            async def into(piece: bytes) -> None:
                await worker(take_in, piece)

            def found() -> tuple[bytes, Rev]:
                return _commit(blocks.load(car.end()), document)

            try:
                await self._pds.repo(at, document.did, into)
                tree, rev = await worker(found)
                return await _rows(worker, blocks, tree, collections), rev
            except Bad as bad:
                text = f"its repository cannot be verified: {bad}"
                raise Failure("bad_answer", text) from bad
            except sqlite3.OperationalError as error:
                raise Failure("too_large", f"no room for its blocks: {error}") from error


class _Blocks:
    """Blocks by CID, in a file that SQLite deletes with its connection."""

    def __init__(self) -> None:
        # one worker after the other, though perhaps in different threads
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE block (cid BLOB PRIMARY KEY, content BLOB NOT NULL) STRICT")

    def add(self, blocks: Sequence[Block]) -> None:
        """Takes blocks in; one that is there already is the same."""
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR IGNORE INTO block VALUES (?, ?)", blocks)
        self._db.execute("COMMIT")

    def load(self, cid: bytes) -> bytes:
        """A block. Raises Bad if it is not there."""
        row = self._db.execute("SELECT content FROM block WHERE cid = ?", (cid,)).fetchone()
        if row is None:
            raise Bad(f"the block {text_of(cid)} is missing")
        return bytes(row[0])

    def check(self, cid: bytes) -> None:
        """Raises Bad unless the block is there."""
        if self._db.execute("SELECT 1 FROM block WHERE cid = ?", (cid,)).fetchone() is None:
            raise Bad(f"the record {text_of(cid)} is missing")

    def close(self) -> None:
        """Deletes them all."""
        self._db.close()


async def _rows(worker: Worker, blocks: _Blocks, tree: bytes, collections: Sequence[Nsid]) -> Rows:
    """The records of these collections under the root of a tree. Raises Bad, Failure."""
    rows: dict[Nsid, dict[Rkey, Cid]] = {nsid: {} for nsid in collections}
    leaves = walk(tree, blocks.load)
    with trio.move_on_after(VERIFIED_WITHIN_S):
        while await worker(_some, leaves, blocks, rows):
            pass
        return rows
    raise Failure("too_large", f"its tree takes over {VERIFIED_WITHIN_S:g} s to be verified")


def _some(leaves: Iterator[Leaf], blocks: _Blocks, rows: dict[Nsid, dict[Rkey, Cid]]) -> bool:
    """Goes on with a tree; whether there was anything left of it."""
    some = list(islice(leaves, AT_ONCE))
    for key, value in some:
        nsid, _, rkey = key.decode().partition("/")
        if (wanted := rows.get(Nsid(nsid))) is not None:
            blocks.check(value)
            wanted[Rkey(rkey)] = Cid(text_of(value))
            enough(len(wanted))
    return bool(some)


def _commit(block: bytes, document: DidDocument) -> tuple[bytes, Rev]:
    """The root of the tree, and the rev. Raises Bad."""
    match small(block):
        case {
            "did": str(did), "version": 3, "data": Link() as tree, "rev": str(rev),
            "sig": bytes(signature),
        }:  # fmt: skip
            pass
        case _:
            raise Bad("its commit is of another form")
    if did != document.did:
        raise Bad("its commit is of another account")
    if document.key is None:
        raise Bad("the account's document names no signing key")
    if not is_signed(without(block, "sig"), signature, document.key):
        raise Bad("the account's key did not sign it")
    try:
        return tree, parse_rev(rev)
    except BadId as error:
        raise Bad(str(error)) from error
