"""What the API tells of a job besides its row: how far, how fast, how long, what next, what may be
done; the bodies of its verbs; and what a job would be, before it is one.

Pure, and imported by the command line too: nothing heavy here.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

REASON_CHARS_MAX = 500

Reason = Annotated[str, Meta(max_length=REASON_CHARS_MAX)]


class LaneShape(Struct):
    """One of the ways of a repository. `of` and `percent` are null while the total is not known;
    100 is said of a whole only."""

    done: int
    of: int | None
    percent: int | None


class ArrivalShape(LaneShape):
    """Repositories of which something came, and the records that came."""

    records: int


class LanesShape(Struct):
    """The four, in the order in which a repository passes them."""

    discovery: LaneShape
    handoff: LaneShape
    arrival: ArrivalShape
    synced: LaneShape


class RateShape(Struct):
    """A second: in the last minute, and the median of the last 15 minutes. Null: not known."""

    now: float | None
    typical: float | None


class RatesShape(Struct):
    """Repositories a second; `arrival` is records a second. `minutes` is how many whole minutes
    have been watched, `age_s` how long ago the last look was; null: none yet."""

    discovery: RateShape
    handoff: RateShape
    arrival: RateShape
    synced: RateShape
    minutes: int
    age_s: float | None


class EtaShape(Struct):
    """How long it takes from now: a range, or why none is given. `left` repositories are counted
    in, those in `left_out` are not."""

    low_s: int | None
    high_s: int | None
    text: str
    withheld: str | None
    left: int
    left_out: dict[str, int]


class EtasShape(Struct):
    """Until all is handed to Tap, and until all records are here."""

    completed: EtaShape
    synced: EtaShape


class EstimateShape(Struct):
    """The first estimate of a job's end, in seconds from `at`, and how long it took in truth."""

    at: str
    low_s: int
    high_s: int
    took_s: int | None
    sentence: str


class ActionShape(Struct):
    """What may be done now, or why not."""

    action: str
    allowed: bool
    why_not: str | None


class VerbBody(Struct, forbid_unknown_fields=True):
    """POST /admin/backfill/{id}/pause, resume, cancel. It may be left out."""

    reason: Reason | None = None


class VerbDone(Struct):
    """Its answer. `note` says what Tap goes on with; `position` is that of the event which was
    written, null if there was nothing to do."""

    id: str
    status: str
    state: str
    note: str
    position: int | None


class SourceShape(Struct):
    """An earlier job on which a number of a plan rests."""

    job_id: str
    collections: list[str]
    completed_at: str
    repos: int


class ExpectedShape(Struct):
    """How many repositories: `exact` for those that are named, `estimate` from an earlier job,
    `at_most` when jobs of one collection each are added up, `unknown` with `repos` null."""

    repos: int | None
    how: str
    sentence: str
    sources: list[SourceShape]


class DurationShape(Struct):
    """How long until all is handed to Tap, by the rates of earlier jobs; as EtaShape."""

    low_s: int | None
    high_s: int | None
    text: str
    withheld: str | None
    sources: list[SourceShape]


class RefetchShape(Struct):
    """How many repositories would be taken out of Tap, to be fetched anew; null: not known."""

    repos: int | None
    sentence: str


class Plan(Struct):
    """POST /admin/backfill?dry_run=1: what the job would be. Nothing was written."""

    dry_run: bool
    collections: list[str]
    accounts: int | None
    expected: ExpectedShape
    duration: DurationShape
    would_join: str | None
    error: str | UnsetType = UNSET
    mode: str = "auto"
    refetch: RefetchShape | None = None
