"""What a page says aloud to who listens instead of looking. Pure.

State changes at once, progress every QUIET_S at most; what has not changed is not said again.
"""

from typing import NamedTuple

QUIET_S = 30.0
PROGRESS_MAX = 3  # jobs; a list of more is not listened to


class Saying(NamedTuple):
    """A job as it would be told: its id, its state's word and sentence, how far it is."""

    id: str
    state: str
    sentence: str
    progress: str


class Voice:
    """Decides what is said next. The first look says nothing: the page has just been read."""

    def __init__(self) -> None:
        self._states: dict[str, str] | None = None
        self._progress: dict[str, str] = {}
        self._spoke_at = 0.0

    def __call__(self, jobs: list[Saying], now: float) -> str:
        """What to say at `now` (seconds); "": nothing."""
        before, self._states = self._states, {job.id: job.state for job in jobs}
        if before is None:
            self._spoke_at = now
            self._progress = {job.id: job.progress for job in jobs}
            return ""
        told = [
            f"Job {job.id[:8]} is {job.state.replace('_', ' ')}. {job.sentence}"
            for job in jobs
            if before.get(job.id, job.state) != job.state
        ]
        if not told and now - self._spoke_at >= QUIET_S:
            told = [
                f"Job {job.id[:8]}: {job.progress}."
                for job in jobs
                if self._progress.get(job.id) != job.progress
            ][:PROGRESS_MAX]
        if told:
            self._spoke_at = now
            self._progress = {job.id: job.progress for job in jobs}
        return " ".join(told)
