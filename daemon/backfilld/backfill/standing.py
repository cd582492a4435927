"""How a job stands: its state, and what it waits for. Pure; the words are those of docs/states.md.

A job is stalled when no lane can do anything until somebody answers: a lane that has no work, or
no room for more, does not keep it running.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from backfilld_events.folds.job import Job, Outcome, Waiting

from . import plan
from .plan import Limits

State = Literal["pending", "running", "stalled", "pausing", "paused", "cancelling"] | Outcome


class Scene(NamedTuple):
    """What a job's state depends on besides itself: the limits, how many jobs are ahead of each
    that waits for its turn, and which have a step under way. `frozen`: the log does not verify,
    and nothing is done."""

    limits: Limits
    ahead: Mapping[str, int] = {}
    busy: frozenset[str] = frozenset()
    frozen: bool = False


class Standing(NamedTuple):
    """`waiting` is the lane that is due first, when the state is stalled; `ahead` counts the jobs
    that have their turn before it, when it is pending. `held_up`: see plan.held_up, or by the log;
    `with_tap` is how many repositories Tap has work with then."""

    state: State
    waiting: Waiting | None = None
    ahead: int = 0
    held_up: Literal["room", "filter", "log"] | None = None
    with_tap: int = 0


def scene(
    jobs: Mapping[str, Job], limits: Limits, busy: frozenset[str], *, frozen: bool = False
) -> Scene:
    """The scene of all jobs that have not ended, by id."""
    running, waiting = plan.in_turn(jobs.values(), limits, busy)
    return Scene(limits, {job.id: len(running) + n for n, job in enumerate(waiting)}, busy, frozen)


def standing(job: Job, scene: Scene) -> Standing:
    """How the job stands, as the log has it."""
    if job.outcome is not None:
        return Standing(job.outcome)
    if scene.frozen and (job.paused is None or job.cancel is not None):
        return Standing("stalled", held_up="log")
    if job.cancel is not None:
        return Standing("cancelling")
    if job.paused is not None:
        return Standing("pausing" if job.id in scene.busy else "paused")
    if job.id in scene.ahead:
        return Standing("pending", ahead=scene.ahead[job.id])
    if (waiting := plan.stalled(job, scene.limits)) is not None:
        return Standing("stalled", waiting)
    held_up = plan.held_up(job, scene.limits)
    begun = job.begun or job.discovered or held_up
    return Standing(
        "running" if begun else "pending", held_up=held_up, with_tap=scene.limits.unsettled
    )
