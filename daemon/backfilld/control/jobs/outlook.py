"""What a job's detail tells besides its row: lanes, rates, how long, what next, what may be done.

Pure but for the words' local zone. The numbers are those of the row, so that no two differ.
"""

from collections.abc import Mapping

from backfilld_events.folds.job import Job
from backfilld_events.projections.classes import Class
from backfilld_events.row import utc_text

from ...backfill.standing import Standing, State
from .. import words
from ..shapes.progress import (
    ActionShape,
    ArrivalShape,
    EstimateShape,
    EtaShape,
    EtasShape,
    LaneShape,
    LanesShape,
    RateShape,
    RatesShape,
)
from . import progress
from .progress import Range, Samples, Withheld

ENDING: tuple[State, ...] = ("cancelling", "cancelled")
PAUSING: tuple[State, ...] = ("pausing", "paused")
_LATER = {Class.HANDED_OFF, Class.ARRIVING}  # with DISCOVERED: what Tap works off by itself
_WITHHELD: dict[Withheld, str] = {
    "ended": "it has ended",
    "listing": "not known while the listing goes on",
    "paused": "not known while paused",
    "stalled": "not known while stalled",
    "pending": "not known before its turn",
    "too_early": "too early to say",
    "no_progress": "not known: nothing moved in the last 15 min",
    "too_uneven": "too uneven to say",
    "nothing_left": "nothing is left",
}


def lanes(job: Job, classes: Mapping[Class, int], handed: int, records: int) -> LanesShape:
    """How far each lane is. `handed` repositories are handed off, each counted once."""
    found, here = sum(classes.values()), words.summed(job, classes).here
    whole = found if job.listed else None
    arrived = here + classes.get(Class.ARRIVING, 0)
    return LanesShape(
        discovery=_lane(found, whole),
        handoff=_lane(handed, whole),
        arrival=ArrivalShape(arrived, whole, _percent(arrived, whole), records),
        synced=_lane(here, whole),
    )


def rates(samples: Samples, now: float) -> RatesShape:
    """How fast each lane is, as of the last sample; `now` as in it."""
    handed_off = progress.rates(samples, lambda one: one.handed_off, only_going=True)
    settled = progress.rates(samples, lambda one: one.settled)
    return RatesShape(
        discovery=_rate(progress.rates(samples, lambda one: one.found, only_going=True)),
        handoff=_rate(handed_off),
        arrival=_rate(progress.rates(samples, lambda one: one.records)),
        synced=_rate(settled),
        minutes=len(settled.minutes),
        age_s=round(max(0.0, now - samples[-1].at), 1) if samples else None,
    )


def etas(job: Job, stands: Standing, classes: Mapping[Class, int], samples: Samples) -> EtasShape:
    """How long until all is handed to Tap, and until all is here."""
    watched_s = progress.watched(samples)
    stopped = _stopped(job, stands.state)
    left = job.discovered - job.handed_off
    added = words.summed(job, classes)
    later = sum(classes.get(kind, 0) for kind in _LATER)
    if job.outcome is None:
        later += classes.get(Class.DISCOVERED, 0)
    settled = progress.rates(samples, lambda one: one.settled)
    synced = Range(withheld=stopped) if stopped and job.outcome is None else progress.eta(
        settled.minutes, left=later, done=added.total - added.open, watched_s=watched_s
    )  # fmt: skip
    out = {kind: classes.get(kind, 0) for kind in (Class.PARKED, Class.FAILED, Class.HELD)}
    left_out = {kind.name.lower(): n for kind, n in out.items() if n}
    return EtasShape(
        completed=_eta(completion(job, stands, samples), left, {}),
        synced=_eta(synced, later, left_out),
    )


def completion(job: Job, stands: Standing, samples: Samples) -> Range:
    """How long until every repository is handed to Tap."""
    if stopped := _stopped(job, stands.state):
        return Range(withheld=stopped)
    handed_off = progress.rates(samples, lambda one: one.handed_off, only_going=True)
    left, watched_s = job.discovered - job.handed_off, progress.watched(samples)
    return progress.eta(handed_off.minutes, left=left, done=job.handed_off, watched_s=watched_s)


def first_estimate(job: Job) -> EstimateShape | None:
    """What was said of a job's end when it could first be said, and what came of it."""
    said = job.estimate
    if said is None:
        return None
    text = progress.text(said.low_s, said.high_s)
    sentence = f"At {words.moment(said.at)} it was to take {text} more"
    took_s = None if job.ended_at is None else round(job.ended_at - said.at)
    if took_s is not None:
        sentence += f"; it took {progress.duration(took_s)}"
    return EstimateShape(utc_text(said.at), said.low_s, said.high_s, took_s, f"{sentence}.")


def comes_next(job: Job, stands: Standing, classes: Mapping[Class, int]) -> str:
    """What happens next by itself."""
    match stands.state:
        case "pending" if stands.ahead:
            ahead = words.counted(stands.ahead, "job is", "jobs are")
            return f"It begins by itself when its turn comes: {ahead} ahead."
        case "pending":
            return "It begins by itself."
        case "running" if stands.held_up is not None:
            return "It goes on by itself, as soon as that is so."
        case "running":
            return "It goes on by itself until every repository is handed to Tap."
        case "stalled" if stands.held_up == "log":
            return "Nothing, until you decide what becomes of the log: docs/audit.md."
        case "stalled" if stands.waiting is not None:
            when = words.moment(stands.waiting.retry_at)
            if stands.waiting.kind == "unauthorized":
                return f"It tries again {when}; that helps only when the password is right."
            return f"It tries again {when}, and goes on by itself where it stopped."
        case "pausing":
            return "It is paused when the step that is under way is over."
        case "paused":
            return "Nothing, until somebody resumes it."
        case "cancelling":
            return "It ends when the step that is under way is over."
        case _:
            return _after_the_end(job, classes)


def _after_the_end(job: Job, classes: Mapping[Class, int]) -> str:
    held = classes.get(Class.HELD, 0)
    coming = words.summed(job, classes).open - held
    said = []
    if coming > 0:
        many = words.counted(coming, "repository", "repositories")
        said.append(f"Tap sends what is missing of {many}.")
    if held and job.mode != "add":
        many = words.counted(held, "repository is", "repositories are")
        said.append(f"{many} taken out of Tap and put in again, to be fetched anew.")
    return " ".join(said) or "Nothing: the job has ended."


def actions(state: State, ended: bool, *, frozen: bool = False) -> list[ActionShape]:
    """What may be done now; for the rest, why not. `frozen`: the log does not verify."""
    over = f"it has ended: {state}" if ended else None
    over = over or ("the log does not verify" if frozen else None)
    ending = over or ("it is being cancelled" if state in ENDING else None)
    paused = state in PAUSING
    return [
        _action("pause", ending or ("it is paused" if paused else None)),
        _action("resume", ending or (None if paused else "it is not paused")),
        _action("cancel", ending),
    ]


def note(state: str, handed: int) -> str:
    """What a pause, a resumption or a cancellation does not change. `handed` as in `lanes`."""
    if state not in (*PAUSING, *ENDING):
        return "It goes on where it stopped."
    if handed == 0:
        return "Nothing was handed to Tap."
    it = words.counted(handed, "repository", "repositories")
    return f"Tap goes on with the {it} it already has."


def _stopped(job: Job, state: State) -> Withheld | None:
    if job.outcome is not None or state in ENDING:
        return "ended"
    if state in PAUSING:
        return "paused"
    if state in ("stalled", "pending"):
        return "stalled" if state == "stalled" else "pending"
    return None if job.listed else "listing"


def _lane(done: int, whole: int | None) -> LaneShape:
    return LaneShape(done, whole, _percent(done, whole))


def _percent(done: int, whole: int | None) -> int | None:
    return min(100, done * 100 // whole) if whole else None


def _rate(known: progress.Rates) -> RateShape:
    now, typical = known.now, known.typical
    return RateShape(
        None if now is None else round(now, 2), None if typical is None else round(typical, 2)
    )


def _eta(known: Range, left: int, left_out: dict[str, int]) -> EtaShape:
    low, high, withheld = known
    if withheld is not None:
        text = _WITHHELD[withheld]
        if low:
            text += f"; at least {progress.duration(low)}"
    else:
        text = progress.text(low or 0, high or 0)
        text += "".join(f", not counting {n:,} {kind}" for kind, n in left_out.items())
    return EtaShape(low, high, text, withheld, left, left_out)


def _action(name: str, why_not: str | None) -> ActionShape:
    return ActionShape(name, why_not is None, why_not)
