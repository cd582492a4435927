"""Which rows of a repository are gone from the network though nobody said so. Pure.

The one rule: a row goes only when the accounts match to the record, for one that goes by mistake
may never come back. The rows are held against what Tap says after it fetched the whole repository:
at `rev` it holds `records` records. The rev of a row is that of the last commit or fetch that
showed the record, and a fetch shows all there are, with its own rev. What a fetch could not show,
for its block is missing on the server, is as good as gone.
"""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from backfilld_events.ids import Rev


class Verdict(Enum):
    """What was found. Only with GHOSTS anything is removed; what to do about the others is the
    caller's business."""

    GHOSTS = "ghosts"
    NONE = "none"  # there are as many rows as Tap counts records, and no other
    EARLY = "early"  # as many, but what Tap has still to send may be among those it counts
    FEWER = "fewer"  # some are not here: not yet, or they cannot be read
    AHEAD = "ahead"  # something here is newer than what Tap says: ask it again
    MIXED = "mixed"  # what is there and what may be gone cannot be told apart
    MOVED = "moved"  # Tap's rev is another than the fetch had; `before` would tell the rows apart
    UNREAD = "unread"  # a message of it could not be read: what its record was is an old row


class Kept(NamedTuple):
    """Why no row of a repository was removed, in a sentence; empty: there is no ghost. `anew`: one
    more fetch of it tells ghosts from the rest, unless it changes again meanwhile."""

    why: str
    anew: bool = False


class Judged(NamedTuple):
    """With GHOSTS: the rows with a rev up to `upto` are some. Else nothing is."""

    verdict: Verdict
    upto: Rev | None = None


class Evidence(NamedTuple):
    """What is held against the rows.

    `rev` and `records` are one answer of Tap; `drained`: after it all that Tap had sent was
    committed here. `before` is the rev that Tap had of the repository when it was taken out, None:
    not known.
    `unread`: a message of the repository is among the dead letters and was not read since. `gone`
    is the newest rev by which a record of it was deleted here.
    """

    records: int
    rev: Rev
    before: Rev | None = None
    drained: bool = False
    unread: bool = False
    gone: Rev | None = None


def judge(rows: Sequence[Rev], seen: Evidence) -> Judged:
    """What the revs of all rows of a repository, in the collections that Tap sends, tell.

    As many rows as Tap counts have the very rev that Tap has: each of them is there at that rev, so
    they are all there are, whatever came before. That is how a repository looks that was fetched,
    and has had no commit since.

    If it has had one, the newest rows need not be those that are there: what the first of two
    fetches brought, which the second left out, has an older rev than a ghost may have. `before`
    tells: what has a newer rev was brought since, nothing else was. A record that cannot be read
    has an old row, if any, so with one among the dead letters nothing is sure.
    """
    newest = sorted(rows, reverse=True)
    if len(newest) < seen.records:
        return Judged(Verdict.FEWER)
    if len(newest) == seen.records:
        return Judged(_as_many(newest, seen))
    if newest[0] > seen.rev:
        return Judged(Verdict.AHEAD)
    upto = newest[seen.records]
    bound = newest[seen.records - 1] if seen.records else seen.rev
    if upto == bound:
        return Judged(Verdict.MIXED)
    if seen.unread:
        return Judged(Verdict.UNREAD)
    if bound == seen.rev:
        return Judged(Verdict.GHOSTS, upto)
    if seen.before is None:
        return Judged(Verdict.MOVED)
    if upto <= seen.before < bound:
        return Judged(Verdict.GHOSTS, upto)
    return Judged(Verdict.MIXED)


def _as_many(newest: Sequence[Rev], seen: Evidence) -> Verdict:
    """What it means that there are as many rows as Tap counts: none is a ghost where each of them
    was brought since. Else a ghost may make up the number, for one that is still to come, or that
    Tap counted before it was deleted."""
    if not newest or newest[-1] == seen.rev:
        return Verdict.NONE
    if seen.before is not None and newest[-1] > seen.before:
        return Verdict.NONE
    if seen.gone is not None and seen.gone > seen.rev:
        return Verdict.AHEAD
    return Verdict.NONE if seen.drained else Verdict.EARLY
