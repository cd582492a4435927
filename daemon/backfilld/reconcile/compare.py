"""Two sets of records held against each other, and what is to be believed of what differs. Pure.

The one rule: nothing is called a difference that news under way could explain. Neither side stands
still while it is read, and no record says which commit it is of. So what differs is looked at again
after `AGAIN_S`, and counts only if it is the very same then. If our rows show a rev that is not
older than the server's was before that look, the index has all up to there, and that is enough: the
server said the same before that rev and after it. If not (the newer commit may be of a collection
that we do not keep), it is looked at once more, `AGAIN_S` later: what the index still lacks then is
not here, whatever the reason; `Difference.rev` and `newest` tell that news may be under way.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from backfilld_events.catalog.reconcile import Difference
from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey, pack_one

AGAIN_S: Final = 5.0
SAMPLES_MAX: Final = 10  # rkeys told of one repository in one collection

Rows = Mapping[Nsid, Mapping[Rkey, Cid]]
Apart = Mapping[Nsid, Mapping[Rkey, tuple[Cid | None, Cid | None]]]
"""What differs: (ours, theirs), None where there is no record. No collection is empty."""


class Held(NamedTuple):
    """What the index has of a repository: `rows` of the collections that were asked for; `newest`,
    the highest rev that a row of any collection had before these were read; `removed`, what a
    person took out of the index, which is not missing."""

    rows: Rows
    newest: Rev | None
    removed: Mapping[Nsid, Collection[Rkey]] = {}


def apart(ours: Rows, theirs: Rows) -> Apart:
    """Where the two differ."""
    found = {nsid: _apart(ours.get(nsid, {}), theirs.get(nsid, {})) for nsid in {*ours, *theirs}}
    return {nsid: keys for nsid, keys in found.items() if keys}


def still(before: Apart, now: Apart) -> Apart:
    """What differs now in the very same way as before."""
    found = {
        nsid: {rkey: pair for rkey, pair in keys.items() if before.get(nsid, {}).get(rkey) == pair}
        for nsid, keys in now.items()
    }
    return {nsid: keys for nsid, keys in found.items() if keys}


def but(rows: Rows, removed: Mapping[Nsid, Collection[Rkey]]) -> Rows:
    """`rows` without what was removed."""
    return {
        nsid: {rkey: cid for rkey, cid in keys.items() if rkey not in removed[nsid]}
        if removed.get(nsid)
        else keys
        for nsid, keys in rows.items()
    }


def same(ours: Rows, theirs: Rows) -> int:
    """How many records are the same here and there."""
    return sum(
        cid == ours.get(nsid, {}).get(rkey)
        for nsid, keys in theirs.items()
        for rkey, cid in keys.items()
    )


def is_certain(rev: Rev, newest: Rev | None) -> bool:
    """Whether the index has all that the repository had at `rev`, to judge by its newest row."""
    return newest is not None and newest >= rev


def differences(
    did: Did, found: Apart, dead: Mapping[Nsid, int], rev: Rev, newest: Rev | None
) -> list[Difference]:
    """`found` as facts for the log, by collection."""
    return [
        _difference(did, nsid, found[nsid], dead.get(nsid, 0), rev, newest)
        for nsid in sorted(found)
    ]


def _apart(
    ours: Mapping[Rkey, Cid], theirs: Mapping[Rkey, Cid]
) -> Mapping[Rkey, tuple[Cid | None, Cid | None]]:
    if ours == theirs:
        return {}
    found: dict[Rkey, tuple[Cid | None, Cid | None]] = {}
    for rkey, cid in theirs.items():
        if (here := ours.get(rkey)) != cid:
            found[rkey] = (here, cid)
    found.update((rkey, (cid, None)) for rkey, cid in ours.items() if rkey not in theirs)
    return found


def _difference(
    did: Did,
    nsid: Nsid,
    keys: Mapping[Rkey, tuple[Cid | None, Cid | None]],
    dead: int,
    rev: Rev,
    newest: Rev | None,
) -> Difference:
    marks = {rkey: _mark(*pair) for rkey, pair in keys.items()}
    kinds = [*marks.values()]
    return Difference(
        pack_one(did),
        nsid,
        missing=kinds.count("-"),
        extra=kinds.count("+"),
        different=kinds.count("~"),
        samples=[f"{marks[rkey]}{rkey}" for rkey in sorted(marks)[:SAMPLES_MAX]],
        dead=dead,
        rev=rev,
        newest=newest,
    )


def _mark(ours: Cid | None, theirs: Cid | None) -> str:
    if ours is None:
        return "-"
    return "+" if theirs is None else "~"
