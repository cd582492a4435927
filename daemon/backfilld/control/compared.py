"""What a comparison found, from its events: in numbers, in lists that are bounded, in one line.
Pure.

The one rule: a repository that was not read is never among those that agree.
"""

from collections.abc import Mapping, Sequence

from backfilld_events.catalog.reconcile import ReposCompared
from backfilld_events.folds.reconcile import Reconcile
from backfilld_events.ids import unpack_one
from backfilld_events.row import Row, utc_text

from .shapes.reconcile import DifferenceShape, ReconcileShape, UnreadShape

NAMED_MAX = 3  # repositories that differ, in the sentence
ACCOUNT = "account"  # see UnreadShape.kind


def told(one: Reconcile, rows: Sequence[Row], end: tuple[float, str] | None) -> ReconcileShape:
    """A comparison that came so far; `rows` are the events that it names in `told`, `end` is when
    it ended, and why if it was broken off."""
    differences: list[DifferenceShape] = []
    unread: list[UnreadShape] = []
    for row in rows:
        if isinstance(row.event, ReposCompared):
            differences += _differences(row.event, row.position)
            unread += _unread(row.event, row.position)
    many = sum(one.unread.values())
    shape = ReconcileShape(
        id=one.id,
        state="running" if end is None else "broken_off" if end[1] else "ended",
        sentence="",
        scope=one.scope,
        collections=[*one.collections],
        method=one.method,
        repair=one.repair,
        actor=one.actor,
        position=one.position,
        started_at=utc_text(one.started_at),
        ended_at=None if end is None else utc_text(end[0]),
        why=end[1] or None if end else None,
        total=one.compared if end is not None and not end[1] else one.count,
        compared=one.compared,
        agreeing=one.compared - one.differing - many,
        records=one.records,
        differing=one.differing,
        unread=many,
        differences=differences,
        unreadable=unread,
        more=len({each.did for each in differences}) < one.differing or len(unread) < many,
    )
    shape.sentence = sentence(shape, one.unread)
    return shape


def sentence(shape: ReconcileShape, unread: Mapping[str, int]) -> str:
    """The answer in one line; `unread` counts the repositories that were not read by kind."""
    whose = "its server" if shape.compared == 1 else "their servers"
    begin = f"{_count(shape.compared, 'repository', 'repositories')} compared with {whose}"
    if shape.state == "running":
        of = "" if shape.total is None else f" of {shape.total:,}"
        begin = f"{shape.compared:,}{of} repositories compared so far"
    elif shape.state == "ended" and not shape.compared:
        return f"Nothing to compare: none is synced or empty yet ({shape.scope})"
    agree = "agrees" if shape.agreeing == 1 else "agree"
    records = _count(shape.records, "record", "records")
    parts = [f"{shape.agreeing:,} {agree} to the record ({records})"]
    if shape.differing:
        parts.append(_differing(shape))
    failed = {kind: n for kind, n in unread.items() if kind != ACCOUNT}
    if failed:
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in sorted(failed.items()))
        parts.append(f"{sum(failed.values()):,} could not be read ({kinds})")
    if left_out := unread.get(ACCOUNT, 0):
        parts.append(f"{left_out:,} left out: the account is not active")
    if shape.differing and shape.repair:
        parts.append("what differs is fetched again: compare once more when it is synced")
    if shape.why is not None:
        parts.append(f"not all: {shape.why}")
    return f"{begin}: {'; '.join(parts)}"


def _differing(shape: ReconcileShape) -> str:
    by_repo: dict[str, list[DifferenceShape]] = {}
    for one in shape.differences:
        by_repo.setdefault(one.did, []).append(one)
    named = [_of_one(did, parts) for did, parts in [*by_repo.items()][:NAMED_MAX]]
    if more := shape.differing - len(named):
        named.append(f"and {more:,} more")
    verb = "differs" if shape.differing == 1 else "differ"
    return f"{shape.differing:,} {verb}: {', '.join(named)}"


def _of_one(did: str, parts: Sequence[DifferenceShape]) -> str:
    missing, extra, different, dead = (
        sum(getattr(one, name) for one in parts)
        for name in ("missing", "extra", "different", "dead_letters")
    )
    hint = f"backfillctl repo {did}"
    if missing and dead:
        letters = _count(dead, "dead letter", "dead letters")
        hint = f"{letters} may explain it: backfillctl dead-letters ls; {hint}"
    if any(one.newest is None or one.newest < one.rev for one in parts):
        hint = f"its server has a newer commit than we: news may be under way; {hint}"
    return f"{did} -{missing:,} +{extra:,} ~{different:,} ({hint})"


def _differences(event: ReposCompared, position: int) -> list[DifferenceShape]:
    return [
        DifferenceShape(
            unpack_one(one.repo), one.collection, one.missing, one.extra, one.different,
            one.samples, one.dead, one.rev, one.newest, position,
        )
        for one in event.differing
    ]  # fmt: skip


def _unread(event: ReposCompared, position: int) -> list[UnreadShape]:
    return [
        UnreadShape(unpack_one(one.repo), one.kind, one.message, position) for one in event.unread
    ]


def _count(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"
