"""How each collection was listed last: what tells when to look again, and from where."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from ..catalog.job import ListedFrom
from ..ids import Nsid
from .job import Job


class Listed(Struct, frozen=True):
    """The last job that listed the collection to its end, or that somebody cancelled.

    `position` is that of the job's first event, `at` (unix seconds) its end; 0.0: there was none.
    `place` is where its listing stood at the end (None: nothing is known to be listed); `partial`
    how many jobs in a row looked only at what came after such a place. `failed_at`: a later job
    could not list it, and ended then.
    """

    position: int
    at: float
    place: ListedFrom | None = None
    partial: int = 0
    failed_at: float | None = None


_NEVER = Listed(0, 0.0)


def ended(listed: Mapping[Nsid, Listed], job: Job) -> Mapping[Nsid, Listed]:
    """`listed` when a job has ended. A job that was cancelled may have found repositories that it
    did not hand over: the place where it stood is not kept."""
    at, outcome = job.ended_at, job.outcome
    if job.given or at is None:
        return listed
    failed = {one.collection for one in job.failed_listings}
    after = dict(listed)
    for collection in job.collections:
        before = listed.get(collection, _NEVER)
        if outcome in ("completed", "completed_with_errors") and collection not in failed:
            partial = 0 if job.listed_from is None else before.partial + 1
            place = job.listing_ends.get(collection)
            after[collection] = Listed(job.position, at, place, partial)
        elif outcome == "cancelled":
            after[collection] = replace(before, position=job.position, at=at, failed_at=None)
        else:
            after[collection] = replace(before, position=job.position, failed_at=at)
    return after
