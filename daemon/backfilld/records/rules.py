"""Which version of a record wins. Pure.

The one rule: an older rev never overwrites a newer one, whatever order things come in. Revs are
TIDs: their string order is time order. A deleted record leaves its rev behind (a tombstone), or
an old create that comes again would raise it from the dead.
"""

from enum import Enum
from typing import NamedTuple

from backfilld_events.ids import Cid, Rev


class Held(NamedTuple):
    """What the index holds under a key; `cid` None: a tombstone."""

    rev: Rev
    cid: Cid | None


class Verdict(Enum):
    """What becomes of an incoming version, as receipts count it."""

    INSERTED = "inserted"
    UPDATED = "updated"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    STALE = "stale"


class Judged(NamedTuple):
    """`held` is what the index holds afterwards; None with UNCHANGED or STALE: as before."""

    verdict: Verdict
    held: Held | None


SAME = Judged(Verdict.UNCHANGED, None)
"""What `judge` says of a version that is held with the same rev and CID; a store may see that by
itself, and need not ask."""


def first(cid: Cid | None) -> Verdict:
    """What `judge` says of a version where nothing is held; it is held afterwards. A delete of
    what was never here still leaves its tombstone."""
    return Verdict.INSERTED if cid is not None else Verdict.UNCHANGED


def judge(held: Held | None, rev: Rev, cid: Cid | None) -> Judged:
    """What becomes of a version `rev` with `cid` (None: a delete) where `held` is held."""
    new = Held(rev, cid)
    if held is None:
        return Judged(first(cid), new)
    if rev < held.rev:
        return Judged(Verdict.STALE, None)
    if held.cid == cid:
        # a refetch brings the repository's newest rev with the same content: the rev must rise,
        # or something in between would win later
        return Judged(Verdict.UNCHANGED, new if rev > held.rev else None)
    if held.cid is None:
        # nothing is created in the commit that deletes it: the same rev is the past
        return Judged(Verdict.INSERTED, new) if rev > held.rev else Judged(Verdict.STALE, None)
    return Judged(Verdict.UPDATED if cid is not None else Verdict.DELETED, new)
