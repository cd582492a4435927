"""What a job would be, told by earlier ones: how many repositories, how long. Pure.

The one rule: every number names the jobs it rests on; what is not known is null, never 0.
"""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from backfilld_events.folds.job import Job
from backfilld_events.row import utc_text

from .. import words
from ..shapes.progress import DurationShape, ExpectedShape, RefetchShape, SourceShape
from . import progress
from .progress import MINUTE_S

_WHY = {
    "too_early": "not known: no earlier job tells how fast it goes",
    "no_progress": "not known: no earlier job tells how fast it goes",
    "too_uneven": "earlier jobs were too uneven to say",
    "nothing_left": "nothing to do",
}


class Past(NamedTuple):
    """An earlier job, how many repositories it found, and when (unix seconds) it handed over how
    many."""

    job: Job
    repos: int
    batches: list[tuple[float, int]]


def exactly(count: int) -> ExpectedShape:
    """The accounts that are named."""
    many = words.counted(count, "account is named", "accounts are named")
    return ExpectedShape(count, "exact", f"{many}.", [])


def nothing(why: str) -> ExpectedShape:
    """The job would fail at once."""
    return ExpectedShape(None, "unknown", f"Nothing would be looked for: {why}.", [])


def expected(whole: Past | None, parts: Sequence[Past | None]) -> ExpectedShape:
    """By the last job that listed the same collections, or else by the last of each of them."""
    if whole is not None:
        return ExpectedShape(
            whole.repos, "estimate", f"About {whole.repos:,}, as in {_named(whole)}.",
            [_source(whole)],
        )  # fmt: skip
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return ExpectedShape(None, "unknown", "Not known: no job has listed all of this yet.", [])
    most = sum(part.repos for part in known)
    named = ", ".join(_named(part) for part in known)
    sentence = f"At most {most:,}, as in {named}; who has several of them is counted once only."
    return ExpectedShape(most, "at_most", sentence, [_source(part) for part in known])


def refetched(mode: str, known: int) -> RefetchShape:
    """What a job of this mode would take out of Tap: `known` are such now."""
    them = words.counted(known, "repository", "repositories")
    if mode == "add":
        return RefetchShape(0, "None: what Tap has stays as it is.")
    if mode == "refetch":
        anew = (
            f"{them}, in portions; rows that do not come again are removed." if known else "none."
        )
        return RefetchShape(known, f"Tap has to let go of and fetch anew: {anew}")
    what = f"{them} now known" if known else "none now known"
    return RefetchShape(None, f"Those alone that Tap fetched without the collection: {what}.")


def duration(repos: int | None, past: Sequence[Past]) -> DurationShape:
    """By the rates at which earlier jobs handed over."""
    if repos is None:
        return DurationShape(None, None, "not known: nor is how many there are", "unknown", [])
    used = [(one, paces(one)) for one in past]
    paced = [pace for _, some in used for pace in some]
    sources = [_source(one) for one, some in used if some]
    if repos == 0:
        known = progress.Range(withheld="nothing_left")
    elif not paced:
        known = progress.Range(withheld="too_early")
    else:
        known = progress.spread(paced if len(paced) > 1 else paced * 2, repos)
    low, high, withheld = known
    if withheld is None:
        text = progress.text(low or 0, high or 0)
    else:
        text = _WHY[withheld] + (f"; at least {progress.duration(low)}" if low else "")
    return DurationShape(low, high, text, withheld, sources)


def paces(past: Past) -> list[float]:
    """Repositories a second that a job handed over, of each whole minute in which it handed over
    any; of all its time, if that is less than two minutes."""
    job, batches = past.job, past.batches
    whole_s = (job.ended_at or job.started_at) - job.started_at
    if not batches or whole_s <= 0:
        return []
    if whole_s < 2 * MINUTE_S:
        return [sum(n for _, n in batches) / whole_s]
    first = batches[0][0]  # what it took is before it, so that time begins with its end
    by_minute: dict[int, int] = {}
    for at, n in batches[1:]:
        minute = ceil((at - first) / MINUTE_S)
        by_minute[minute] = by_minute.get(minute, 0) + n
    last = max(by_minute, default=0)
    full = [n / MINUTE_S for minute, n in by_minute.items() if 0 < minute < last]
    return full or [sum(n for _, n in batches) / whole_s]


def _named(past: Past) -> str:
    return f"job {past.job.id[:8]} of {_ended(past)[:10]}"


def _ended(past: Past) -> str:
    return utc_text(past.job.ended_at or past.job.started_at)


def _source(past: Past) -> SourceShape:
    return SourceShape(past.job.id, list(past.job.collections), _ended(past), past.repos)
