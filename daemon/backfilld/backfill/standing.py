"""How a job stands: its state, and what it waits for. Pure; the words are those of docs/states.md.

A job is stalled when no lane can do anything until somebody answers: a lane that has no work, or
no room for more, does not keep it running.
"""

from typing import Literal, NamedTuple

from backfilld_events.folds.job import Job, Outcome, Waiting

from .plan import Limits, may_discover, may_hand_off

State = Literal["pending", "running", "stalled"] | Outcome


class Standing(NamedTuple):
    """`waiting` is the lane that is due first, when the state is stalled."""

    state: State
    waiting: Waiting | None = None


def standing(job: Job, limits: Limits) -> Standing:
    """How the job stands, as the log has it. A try that is under way ends no stall; its success
    does."""
    if job.outcome is not None:
        return Standing(job.outcome)
    lanes: list[Waiting | None] = []
    if may_discover(job, limits):
        lanes.append(job.discovery)
    if may_hand_off(job, limits):
        lanes.append(job.hand_off)
    stuck = [lane for lane in lanes if lane is not None]
    if stuck and len(stuck) == len(lanes):
        return Standing("stalled", min(stuck, key=lambda lane: lane.retry_at))
    begun = job.discovered or job.listing.pages or job.listings_ended or job.failed_listings
    return Standing("running" if begun else "pending")
