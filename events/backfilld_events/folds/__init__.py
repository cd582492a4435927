"""The state that decides what happens next, as a fold over the log.

`State` holds what is small and alive: unfinished jobs, lexicons, the source. What is asked for by
people (ended jobs, repositories) stands in the projections.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from .. import catalog, codec
from ..catalog import (
    ChildEvent,
    ControlEvent,
    Event,
    IndexEvent,
    JobEvent,
    LexiconEvent,
    NotifyEvent,
    ReconcileEvent,
    SourceEvent,
)
from ..catalog.index import RecordsCommitted
from ..catalog.job import JobStarted
from ..ids import Nsid
from ..row import Row
from . import child, control, job, lexicon, notify, reconcile
from . import listed as listings
from .child import Child
from .control import Control
from .job import Job
from .lexicon import Lexicon
from .listed import Listed
from .notify import Notices
from .reconcile import Reconcile
from .source import Source, evolve_index, evolve_source


class State(Struct, frozen=True):
    """Folded up to and with `position`. `jobs` are those not ended, by id; `listed` is how each
    collection was listed last, `notices` what people are to be told, `child` the Tap that we run,
    `reconciles` the comparisons under way, by id."""

    position: int = 0
    jobs: Mapping[str, Job] = {}
    lexicons: Mapping[Nsid, Lexicon] = {}
    source: Source = Source()
    control: Control = Control()
    listed: Mapping[Nsid, Listed] = {}
    notices: Notices = Notices()
    child: Child = Child()
    reconciles: Mapping[str, Reconcile] = {}


INITIAL = State()


def evolve(state: State, row: Row, event: Event) -> State:
    """The state after `row`, whose payload is `event`.

    An ended job is dropped, and a fact that comes after its end (a page that was under way)
    changes nothing: it stands in the log.
    """
    return _EVOLVE[type(event)](state, row, event)


def replay(rows: Iterable[Row], state: State = INITIAL) -> State:
    """`state` after `rows`, which follow on it: from INITIAL, all of a log up to some position.

    What a fold's snapshot is held against. Raises codec.Undecodable.
    """
    readers = codec.Readers()
    for row in rows:
        state = evolve(state, row, readers.decode(row.type, row.schema, row.payload))
    return state


def job_after(state: State, row: Row, event: JobEvent) -> Job | None:
    """The job of `row` after it; None when the job had ended before."""
    job_id = row.stream.removeprefix("job/")
    if type(event) is JobStarted:
        return job.start(
            job_id, event, actor=row.actor, cause=row.cause, position=row.position, at=row.at
        )
    before = state.jobs.get(job_id)
    if before is None:
        return None
    return job.evolve(before, event, row.at, row.actor, row.position)


def _job(state: State, row: Row, event: JobEvent) -> State:
    after = job_after(state, row, event)
    if after is None:
        return _nothing(state, row, event)
    jobs = dict(state.jobs)  # a third of what {**jobs, id: after} costs
    jobs[after.id] = after
    door, listed, notices = state.control, state.listed, state.notices
    if after.ended_at is not None:
        del jobs[after.id]
        listed, notices = listings.ended(listed, after), notify.ended(notices, after)
    if type(event) is JobStarted and event.idempotency_key is not None:
        name = control.asked_as(row.actor, event.idempotency_key)
        door = control.remember(door, name, control.Asked(after.id, event.request))
    return State(
        row.position,
        jobs,
        state.lexicons,
        state.source,
        door,
        listed,
        notices,
        state.child,
        state.reconciles,
    )


def _lexicon(state: State, row: Row, event: LexiconEvent) -> State:
    one = lexicon.evolve(state.lexicons.get(event.nsid), event, row.position, row.at)
    lexicons = {**state.lexicons, event.nsid: one}
    return replace(state, position=row.position, lexicons=lexicons)


def _source(state: State, row: Row, event: SourceEvent) -> State:
    return _sourced(state, row, evolve_source(state.source, event, row.at, row.position))


def _index(state: State, row: Row, event: IndexEvent) -> State:
    source = evolve_index(state.source, event, actor=row.actor, position=row.position)
    after = _sourced(state, row, source)
    if type(event) is not RecordsCommitted:
        return after
    notices = notify.unreadable(state.notices, event.unreadable)
    return after if notices is state.notices else replace(after, notices=notices)


def _sourced(state: State, row: Row, source: Source) -> State:
    return State(
        row.position,
        state.jobs,
        state.lexicons,
        source,
        state.control,
        state.listed,
        state.notices,
        state.child,
        state.reconciles,
    )


def _control(state: State, row: Row, event: ControlEvent) -> State:
    door = control.evolve(
        state.control,
        event,
        key_id=row.stream.removeprefix("key/"),
        actor=row.actor,
        position=row.position,
        at=row.at,
    )
    return replace(state, position=row.position, control=door)


def _notify(state: State, row: Row, event: NotifyEvent) -> State:
    notices = notify.evolve(state.notices, event, jobs=state.jobs, position=row.position, at=row.at)
    return replace(state, position=row.position, notices=notices)


def _child(state: State, row: Row, event: ChildEvent) -> State:
    one = child.evolve(state.child, event, row.position, row.at)
    return replace(state, position=row.position, child=one)


def _reconcile(state: State, row: Row, event: ReconcileEvent) -> State:
    under_way = reconcile.evolve(
        state.reconciles,
        event,
        run=row.stream.removeprefix("reconcile/"),
        actor=row.actor,
        position=row.position,
        at=row.at,
    )
    return replace(state, position=row.position, reconciles=under_way)


def _nothing(state: State, row: Row, event: Event) -> State:
    return _sourced(state, row, state.source)


# A table, not `match`: a class pattern that does not fit asks msgspec's metaclass, 0.2 us each, a
# union six times that. A test holds it to the catalog.
_EVOLVE: dict[type[Event], Callable[[State, Row, Any], State]] = {
    **dict.fromkeys(catalog.job.TYPES.values(), _job),
    **dict.fromkeys(catalog.lexicon.TYPES.values(), _lexicon),
    **dict.fromkeys(catalog.source.TYPES.values(), _source),
    **dict.fromkeys(catalog.index.TYPES.values(), _index),
    **dict.fromkeys(catalog.service.TYPES.values(), _nothing),
    **dict.fromkeys(catalog.control.TYPES.values(), _control),
    **dict.fromkeys(catalog.notify.TYPES.values(), _notify),
    **dict.fromkeys(catalog.dead.TYPES.values(), _nothing),
    **dict.fromkeys(catalog.child.TYPES.values(), _child),
    **dict.fromkeys(catalog.reconcile.TYPES.values(), _reconcile),
}
