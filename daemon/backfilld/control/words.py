"""The same words everywhere: a job's state and sync as sentences. Pure but for the local zone."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from backfilld_events.folds.job import Job, Waiting
from backfilld_events.projections.classes import OPEN, Class
from backfilld_events.words import counted as counted  # the pages have it from here, too

from ..backfill.standing import Standing, State

SyncState = Literal["waiting", "syncing", "synced", "synced_with_failures"]

NO_TARGET = "no_collections"  # the code of a job for everything, when there is no lexicon


class Sum(NamedTuple):
    """The repositories of a job that count for its sync. `left` are not among them: found by a
    job that was cancelled before it came to them."""

    total: int
    here: int
    open: int
    failed: int
    gone: int
    left: int


def summed(job: Job, classes: Mapping[Class, int]) -> Sum:
    """Adds up the classes."""
    left = classes.get(Class.DISCOVERED, 0) if job.outcome == "cancelled" else 0
    total = sum(classes.values()) - left
    open_ = sum(n for kind, n in classes.items() if kind in OPEN) - left
    failed, gone = classes.get(Class.FAILED, 0), classes.get(Class.GONE, 0)
    return Sum(total, total - open_ - failed - gone, open_, failed, gone, left)


def status(job: Job, state: State) -> str:
    """HappyView's word. A listing that failed for good makes it `failed`: it never ends as a
    success. A job for everything, when there is nothing, is completed there, with an error."""
    if job.failure is not None and job.failure.code == NO_TARGET:
        return "completed"
    if state == "completed_with_errors":
        return "failed" if job.failed_listings else "completed"
    return "running" if state == "stalled" else state


def stage(job: Job, state: State) -> str:
    """HappyView's stage."""
    if job.ended_at is not None:
        return status(job, state)
    if state == "pending":
        return "pending"
    return "resolving_and_fetching" if job.listed else "discovering_repos"


def error(job: Job, repos: int) -> str | None:
    """What went wrong for good, or None. `repos` as in `sentence`."""
    if job.failure is not None:
        if job.failure.code == NO_TARGET:
            return "no backfill-eligible collections"
        return job.failure.why
    if job.outcome == "cancelled" and job.cancel is not None:
        return f"cancelled by {job.cancel.actor}"
    if job.outcome != "completed_with_errors":
        return None
    return sentence(job, Standing(job.outcome), repos)


def sentence(job: Job, stands: Standing, repos: int) -> str:
    """The job's state in one sentence or two. `repos` counts each repository once."""
    match stands.state:
        case "pending" if stands.ahead:
            return f"Waiting for its turn: {counted(stands.ahead, 'job', 'jobs')} ahead."
        case "pending":
            return "Waiting for its turn."
        case "pausing":
            return "Pausing: the step that is under way is finished first."
        case "paused":
            return _paused(job)
        case "cancelling":
            return "Ending: the step that is under way is finished first."
        case "cancelled":
            return _cancelled(job)
        case "running":
            return _running(stands)
        case "stalled" if stands.held_up == "log":
            return (
                "Needs you: the log does not verify, and nothing is done until you decide:"
                " docs/audit.md."
            )
        case "stalled":
            return stalled(stands.waiting) if stands.waiting is not None else ""
        case "completed" if job.look:
            return f"{_looked(job, repos)}."
        case "completed":
            return f"All {counted(repos, 'repository is', 'repositories are')} handed to Tap."
        case "completed_with_errors":
            parts = [_looked(job, repos) if job.look else f"Handed over {repos:,}"]
            if job.malformed:
                parts[0] += f"; {job.malformed:,} refused as malformed"
            parts += [
                f"{failed.collection} could not be listed: not in the result"
                for failed in job.failed_listings
            ]
            return ". ".join(parts) + "."
        case "failed":
            why = job.failure.why if job.failure is not None else ""
            return f"{why.rstrip('.')}. Start again: {start_again(job)}"


def start_again(job: Job, *options: str) -> str:
    """The command that asks for the same once more."""
    asked: list[str] = [job.asked_for] if job.asked_for else []
    if job.asked_did is not None:
        asked += ["--did", job.asked_did]
    elif job.given:
        asked += ["--from FILE"]
    elif not asked:
        asked += ["--all"]
    return " ".join(["backfillctl start", *asked, *options])


def _running(stands: Standing) -> str:
    match stands.held_up:
        case "room":
            many = counted(stands.with_tap, "repository", "repositories")
            return f"Tap has {many} to work on; the next batch goes when some are settled."
        case "filter":
            return "Waiting until the Tap that we run is started with another filter."
    return "Finding repositories and handing them to Tap."


def _looked(job: Job, repos: int) -> str:
    """What a look for new repositories came to: `repos` are new, and they alone are counted."""
    found = counted(job.discovered, "entry", "entries")
    new = counted(repos, "repository is", "repositories are") if repos else "no repository is"
    return f"Listed {found} and handed {_them(job.discovered)} to Tap: {new} new"


def _them(n: int) -> str:
    return "it" if n == 1 else "them"


def _paused(job: Job) -> str:
    if job.paused is None:
        return ""
    why = f": {job.paused.reason!r}" if job.paused.reason else ""
    tap = f" Tap goes on with the {job.handed_off:,} it already has." if job.handed_off else ""
    return f"Paused since {moment(job.paused.at)} by {job.paused.actor}{why}.{tap}"


def _cancelled(job: Job) -> str:
    if job.cancel is None:
        return ""
    why = f": {job.cancel.reason!r}" if job.cancel.reason else ""
    where = f" at {job.handed_off:,} of {job.discovered:,}" if job.discovered else ""
    tap = " Those stay in Tap." if job.handed_off else ""
    return f"Cancelled by {job.cancel.actor}{where}{why}.{tap}"


def stalled(waiting: Waiting) -> str:
    """Who does not answer, since when, and what happens next."""
    who = "Tap" if waiting.lane == "hand-off" else f"relay {waiting.peer}"
    if waiting.kind == "unauthorized":
        return (
            f"Needs you: {who} refuses our password. Set tap.password_file, then restart backfilld."
        )
    return (
        f"Waiting for {who} since {moment(waiting.since)}: {waiting.message}."
        f" Next try {moment(waiting.retry_at)}. Goes on by itself."
    )


def sync(
    job: Job, classes: Mapping[Class, int], silent: Collection[str] = ()
) -> tuple[SyncState, str]:
    """Did the records arrive? The word, and the sentence. An account that is gone is no failure:
    there is nothing left to get. Of the collections `silent` nothing ever came, though what should
    hold them was fetched: that all of it is here nobody can say."""
    total, here, open_, failed, gone, left = summed(job, classes)
    if job.outcome in ("failed", "cancelled") and job.handed_off == 0:
        return "waiting", "Nothing was handed over."
    if job.handed_off == 0 and job.outcome is None:
        return "waiting", "Nothing is handed over yet."
    if job.look and not total and not left:
        if job.outcome is None:
            return "syncing", "No repository is new so far."
        return "synced", "No repository is new: nothing is waited for."
    held = classes.get(Class.HELD, 0)
    lost = f"; {failed:,} failed, each with a reason" if failed else ""
    lost += f"; {counted(gone, 'account is', 'accounts are')} gone" if gone else ""
    lost += f"; {left:,} more were found and never handed over" if left else ""
    lost += f"; {_held(job, held)}" if held else ""
    if open_ or job.outcome is None:
        return "syncing", f"{here:,} of {total:,} are here, or empty{lost}."
    if not job.given and (left_out := sorted(set(silent).intersection(job.collections))):
        return "syncing", _left_out(left_out, here, total)
    if not lost:
        return "synced", f"All {total:,} are here, or empty."
    return "synced_with_failures" if failed else "synced", f"{here:,} are here, or empty{lost}."


def _left_out(collections: Sequence[str], here: int, total: int) -> str:
    return (
        f"{here:,} of {total:,} are fetched, and nothing of {', '.join(collections)} ever came:"
        " Tap's filter seems to lack it. backfillctl tap filters says what to set"
    )


def _held(job: Job, held: int) -> str:
    were = f"{counted(held, 'was', 'were')} with Tap before"
    if job.mode != "add":
        return f"{were}, and {'is' if held == 1 else 'are'} to be fetched again"
    again = start_again(job, "--mode refetch")
    return f"{were}, and Tap does not send their records again; to have them fetched anew: {again}"


def moment(at: float) -> str:
    """A time of day for people, with its zone."""
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S %Z")
