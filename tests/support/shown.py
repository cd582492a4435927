"""Jobs as pages show them."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from backfilld.backfill.plan import Limits
from backfilld.backfill.standing import Scene
from backfilld.control.present import job_detail, job_shape
from backfilld.control.shapes import JobDetail
from backfilld_events.folds.job import Job
from backfilld_events.projections.classes import Class

from .given import POSTS, given, handed_off, page, started

SCENE = Scene(Limits(relays=("https://relay1.example",)))


def job(*events: Any, **changes: Any) -> Job:
    """A job of POSTS after these events, with these fields changed."""
    return replace(given(started(POSTS), *events), **changes)


def half_way() -> Job:
    """Its listing has ended; half of what it found is handed over."""
    return job(page(0, 40, cursor=None), handed_off(20))


def detail(of: Job, classes: Mapping[Class, int] | None = None, records: int = 0) -> JobDetail:
    """The job as the API tells it."""
    counts = dict(classes or {})
    row = job_shape(of, records, counts, SCENE)
    return job_detail(of, row, counts, SCENE, [], (), 0.0)
