"""The state that decides what happens next, as a fold over the log.

`State` holds what is small and alive: unfinished jobs, lexicons, the source. What is asked for by
people (ended jobs, repositories) stands in the projections.
"""

from collections.abc import Mapping
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from ..catalog import Event
from ..catalog.index import RecordsCommitted
from ..catalog.job import JobEvent, JobStarted
from ..catalog.lexicon import LexiconEvent
from ..catalog.service import ServiceEvent
from ..catalog.source import SourceEvent
from ..ids import Nsid
from ..row import Row
from . import job, lexicon
from .job import Job
from .lexicon import Lexicon
from .source import Source, evolve_index, evolve_source


class State(Struct, frozen=True):
    """Folded up to and with `position`. `jobs` are those not ended, by id."""

    position: int = 0
    jobs: Mapping[str, Job] = {}
    lexicons: Mapping[Nsid, Lexicon] = {}
    source: Source = Source()


INITIAL = State()


def evolve(state: State, row: Row, event: Event) -> State:
    """The state after `row`, whose payload is `event`.

    An ended job is dropped, and a fact that comes after its end (a page that was under way)
    changes nothing: it stands in the log.
    """
    state = replace(state, position=row.position)
    match event:
        case RecordsCommitted():
            return replace(state, source=evolve_index(state.source, event))
        case _ if isinstance(event, JobEvent):
            return _job(state, row, event)
        case _ if isinstance(event, LexiconEvent):
            one = lexicon.evolve(state.lexicons.get(event.nsid), event, row.position, row.at)
            return replace(state, lexicons={**state.lexicons, event.nsid: one})
        case _ if isinstance(event, SourceEvent):
            return replace(state, source=evolve_source(state.source, event, row.at))
        case _ if isinstance(event, ServiceEvent):
            return state
        case _:
            assert_never(event)


def job_after(state: State, row: Row, event: JobEvent) -> Job | None:
    """The job of `row` after it; None when the job had ended before."""
    job_id = row.stream.removeprefix("job/")
    before = state.jobs.get(job_id)
    if isinstance(event, JobStarted):
        return job.start(
            job_id, event, actor=row.actor, cause=row.cause, position=row.position, at=row.at
        )
    return None if before is None else job.evolve(before, event, row.at)


def _job(state: State, row: Row, event: JobEvent) -> State:
    after = job_after(state, row, event)
    if after is None:
        return state
    jobs = {**state.jobs, after.id: after}
    if after.ended_at is not None:
        del jobs[after.id]
    return replace(state, jobs=jobs)
