"""Counts the rows of one repository, whatever the receipts say: the SQL of it.

The one rule: only what was seen to differ is dropped, and only while it is as it was seen. A row as
new as what its server has, and not the same, can be of no commit there; a fetch would lose to it.
"""

import sqlite3
from collections.abc import Mapping

from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey

from . import counting, rows
from .counting import More
from .store import Counts, Recount

Differing = Mapping[Nsid, Mapping[Rkey, Cid | None]]


def recount(
    db: sqlite3.Connection, did: Did, rev: Rev, differing: Differing
) -> tuple[list[tuple[Did, Nsid, Counts]], Recount]:
    """Drops what no fetch at `rev` would win over, and counts what is left, in the caller's
    transaction: both as a receipt has them."""
    repo = db.execute("SELECT id, hidden > 0 FROM repo WHERE did = ?", (did,)).fetchone()
    if repo is None:
        return [], Recount(did, rev, [])
    number, hidden = repo
    rows.keep_last_id(db)
    dropped = {nsid: _drop(db, number, nsid, rev, keys) for nsid, keys in differing.items()}
    names: dict[Nsid, int] = dict(db.execute("SELECT nsid, id FROM collection"))
    counting.keep(db, {names[nsid]: More(-n, -n * hidden) for nsid, n in dropped.items() if n})
    left = dict(counting.of_repo(db, number))
    fewer = [(did, nsid, Counts(deleted=n)) for nsid, n in sorted(dropped.items()) if n]
    return fewer, Recount(
        did, rev, [(nsid, left[of]) for nsid, of in sorted(names.items()) if left.get(of)]
    )


def _drop(
    db: sqlite3.Connection, repo: int, nsid: Nsid, rev: Rev, keys: Mapping[Rkey, Cid | None]
) -> int:
    """How many rows went, and marks of deleted ones not counted. What a person took out stays."""
    where = (
        "repo = ? AND collection = (SELECT id FROM collection WHERE nsid = ?)"
        " AND rkey = ? AND rev >= ? AND cid IS ? AND (cid IS NULL) = (body IS NULL)"
    )
    gone = 0
    for rkey, cid in keys.items():
        found = db.execute(f"DELETE FROM record WHERE {where}", (repo, nsid, rkey, rev, cid))
        gone += found.rowcount * (cid is not None)
    return gone
