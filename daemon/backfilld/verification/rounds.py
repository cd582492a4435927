"""One verification of a log, in portions, so that whoever does it can rest in between.

The one rule: it says everything that `backfill-audit verify` says of the log, but for the
projections: the chain with all that it holds, what guards the file, and checkpoints.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import msgspec

from backfilld_events import chain
from backfilld_events.audit import guards
from backfilld_events.audit.against import against
from backfilld_events.audit.checkpoint import Checkpoint
from backfilld_events.audit.source import LogFile
from backfilld_events.audit.verify import Broken, Known, Verified, Walk, accepted
from backfilld_events.codec import Undecodable
from backfilld_events.log import read
from backfilld_events.log.file import BadFile

from .known import FILE, Problem

PORTION = 500  # events

# one statement, so that no append comes in between
_ENDS = (
    "SELECT {}, (SELECT max(position) FROM event),"
    " (SELECT hash FROM event ORDER BY position DESC LIMIT 1)"
)
_FOLDED = "(SELECT value FROM folded WHERE name = 'position')"

_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Rewritten(Broken):
    """The log follows from itself, but is not what we wrote. No row is wrong, so its `position` is
    that of the last, which is the one to accept: docs/notes/0008. `end` is the hash there,
    hexadecimal."""

    def __init__(self, position: int, what: str, end: str) -> None:
        super().__init__(position, what)
        self.end = end


class Round:
    """A log up to its end of now; `upto` is that, `position` how far it was looked at."""

    def __init__(
        self,
        source: LogFile,
        kept: Sequence[Checkpoint] = (),
        own: Sequence[Checkpoint] = (),
        *,
        tail: int | None = None,
        known: Known | None = None,
        marked: Problem | None = None,
    ) -> None:
        """`kept` are checkpoints from elsewhere, `own` those that we know ourselves. `tail`: so
        many events are looked at, from one whose hash is taken on trust; None: all. `known` are
        breaks to be passed, None: those that the log itself says were accepted. `marked`: what was
        found before. Raises Broken, sqlite3.Error."""
        self._source, self._kept, self._own, self._marked = source, kept, own, marked
        with _telling(FILE):
            self.upto = source.upto()
            trusted = [] if tail is None else read.newest(source.db, 1, upto=self.upto - tail)
            known = accepted_in(source) if known is None else known
        self.is_whole = not trusted
        self._walk = Walk(0, chain.GENESIS, unseen=0, known=known)
        if trusted:
            self._walk = Walk(trusted[0].position, trusted[0].hash, unseen=None, known=known)
        self.began = self._walk.position

    @property
    def position(self) -> int:
        """All up to it is right, from where it began."""
        return self._walk.position

    def portion(self, events: int = PORTION) -> bool:
        """Looks at so many more; whether there are more. Raises Broken, sqlite3.Error."""
        after = self._walk.position
        with _telling(after + 1):
            # so many rows, not positions: one far behind its place would be met after years
            rows = read.columns(self._source.db, after or None, self.upto)
            self._walk.over(islice(rows, events))
        if self._walk.position == after < self.upto:
            raise Broken(after + 1, f"missing: the log went on to #{self.upto} a moment ago")
        return self._walk.position < self.upto

    def finish(self) -> Verified:
        """Looks at all else, when there are no more events. Raises Broken, sqlite3.Error."""
        with _telling(FILE):
            if wrong := guards.missing(self._source.db):
                raise Broken(FILE, f"events in it can be changed: {', '.join(wrong)}")
            against(self._source, self._kept)
            try:
                against(self._source, self._own)
            except Broken as broken:
                at, end = self._walk.position or broken.position, self._walk.hash.hex()
                raise Rewritten(at, broken.what, end) from broken
            remembered(self._source, self._marked)
        return self._walk.verified()


def remembered(source: LogFile, marked: Problem | None) -> None:
    """Holds a log that follows from itself against what is remembered beside it: how far it was
    folded, and the end that it had when it was found, as `marked`, not to be what we wrote. Raises
    Rewritten, sqlite3.Error."""
    there = source.db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'folded'").fetchone()
    ends = _ENDS.format(_FOLDED if there else "NULL")
    folded, upto, end = source.db.execute(ends).fetchone()
    upto, end = upto or 0, end or b""
    try:
        position = msgspec.msgpack.decode(folded or b"\0", type=int)
    except (msgspec.MsgspecError, TypeError):  # then the next start makes it anew
        position = 0
    if position > upto:
        told = f"what was folded from it goes up to #{position}"
        cut = f"the log ends with #{upto}, its tail is cut off: {told}"
        raise Rewritten(upto or 1, cut, end.hex())
    if marked is not None and marked.end and marked.end == end.hex():
        raise Rewritten(marked.position, marked.what, marked.end)


def problem_of(broken: Broken, since: float) -> Problem:
    """What is known of it from now on; `since` in unix seconds."""
    end = broken.end if isinstance(broken, Rewritten) else ""
    return Problem(broken.position, broken.what, since, end)


def opened(path: Path) -> LogFile:
    """The log in a file that should be one. Raises Broken, sqlite3.Error."""
    try:
        return LogFile(path)
    except BadFile as error:
        cause = error.__cause__
        if isinstance(cause, sqlite3.DatabaseError) and not _is_of_the_file(cause):
            raise cause from error
        raise Broken(FILE, str(error)) from error


def accepted_in(source: LogFile) -> Known:
    """The breaks that were accepted. Where that itself cannot be read, the walk says so."""
    try:
        return accepted(source.of_type("service.break-accepted"))
    except (Undecodable, sqlite3.DatabaseError, TypeError):
        return {}


@contextmanager
def _telling(position: int) -> Iterator[None]:
    """What is wrong with the file is wrong with the log; that it cannot be read just now is not."""
    try:
        yield
    except TypeError as error:  # a table that was made anew, and takes anything
        raise Broken(position, f"it is of no kind that the log has: {error}") from error
    except sqlite3.DatabaseError as error:
        if not _is_of_the_file(error):
            raise
        raise Broken(position, f"it cannot be read: {error}") from error


def _is_of_the_file(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # sqlite3's own: a text that is no UTF-8; or a fault of ours
        return isinstance(error, sqlite3.OperationalError)
    return code & 0xFF in _CORRUPT
