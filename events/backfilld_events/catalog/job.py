"""What happens to a backfill job. Stream: `job/<id>`.

The names in `TYPES` and the fields here are the storage format: they are never renamed, only
added to under a new schema version with an upcast.
"""

from typing import Literal

from msgspec import Struct

from ..ids import Did, Nsid

Lane = Literal["discovery", "hand-off"]
Mode = Literal["add", "refetch", "auto"]


class ListedFrom(Struct, frozen=True, forbid_unknown_fields=True):
    """A place in a relay's listing. A cursor means something to its relay alone."""

    relay: str
    cursor: str


class JobStarted(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A job was accepted. It lists `collections` in this order, unless DIDs follow as given.

    `asked_for` keeps what the person or the lexicon named: no collection means all record
    lexicons of that moment; `asked_did` is set for exactly one account. `given`: the DIDs were
    named, and stand in DidsGiven; `digest` is then the SHA-256 of `ids.pack` of them, sorted, by
    which equal jobs are told. `mode`: `add` hands over, and lets Tap ignore those it has; `refetch`
    has it fetch those anew; `auto` only those that it fetched without one of these collections.
    Jobs of higher `priority` have their turn first. `idempotency_key`: the same key of the same
    actor, the same job; `request` is then a SHA-256 of what was asked.
    `listed_from`: an earlier job listed up to here, and this one looks for what came since.
    `retries`: the id of the job whose failed repositories these are, `kinds` of which kinds.
    Version 2 added the fields from `priority` on, version 3 those from `retries` on, and modes
    other than `add`.
    """

    collections: list[Nsid]
    asked_for: Nsid | None
    asked_did: Did | None
    given: bool
    mode: Mode
    priority: int = 0
    reason: str = ""
    idempotency_key: str | None = None
    digest: bytes | None = None
    listed_from: ListedFrom | None = None
    request: bytes | None = None
    retries: str | None = None
    kinds: list[str] = []


class DidsGiven(Struct, frozen=True, forbid_unknown_fields=True):
    """The DIDs the person named, in place of a listing; ordinals as in PageDiscovered."""

    first: int
    count: int
    dids: bytes


class JobPickedUp(Struct, frozen=True, forbid_unknown_fields=True):
    """The daemon started and found this job with work left: waits end, cursors are doubted."""


class PageDiscovered(Struct, frozen=True, forbid_unknown_fields=True):
    """The relay listed one page of repositories that hold the collection.

    `dids` are packed (`ids.pack`), in the relay's order, duplicates kept: the page is evidence.
    They take the ordinals `first .. first + count` of the job. `cursor` asks for the next page;
    None: there is no more. `malformed` are entries that are no DIDs, shortened; they take no
    ordinal. Source: com.atproto.sync.listReposByCollection.
    """

    collection: Nsid
    relay: str
    first: int
    count: int
    cursor: str | None
    dids: bytes
    malformed: list[str]


class ListingRestarted(Struct, frozen=True, forbid_unknown_fields=True):
    """A resumed listing said "no more" at its first request; a rebuilt directory says the same
    of a cursor it does not know, so the listing starts again without one."""

    collection: Nsid
    relay: str


class ListingFailed(Struct, frozen=True, forbid_unknown_fields=True):
    """This relay is given up for this collection; `next_relay` is asked from the start, if any."""

    collection: Nsid
    relay: str
    kind: str
    message: str
    attempts: int
    next_relay: str | None


class AttemptFailed(Struct, frozen=True, forbid_unknown_fields=True):
    """One try of a lane's step failed; the next is due at `retry_at` (unix seconds).

    `kind` is a word of `discovery.failures` or `sources.failures`; `peer` is the address asked;
    `attempt` counts from 1 for this step.
    """

    lane: Lane
    peer: str
    kind: str
    message: str
    attempt: int
    retry_at: float


class BatchHandedOff(Struct, frozen=True, forbid_unknown_fields=True):
    """Tap accepted the DIDs with the ordinals `first .. upto`."""

    first: int
    upto: int
    tap: str


class JobEstimated(Struct, frozen=True, forbid_unknown_fields=True):
    """For the first time it can be said how long it takes until every DID is handed over: from
    `low_s` to `high_s` seconds from now. Kept, so that it can be held against what came of it."""

    low_s: int
    high_s: int


class JobPaused(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody stopped the job for a while. What is under way is finished, and nothing begun."""

    reason: str


class JobResumed(Struct, frozen=True, forbid_unknown_fields=True):
    """A paused job goes on where it stopped."""

    reason: str


class JobCancelAsked(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody ends the job. JobCancelled follows when nothing of it is under way."""

    reason: str


class JobCancelled(Struct, frozen=True, forbid_unknown_fields=True):
    """The job ended because somebody asked for it. What was handed over stays in Tap."""

    discovered: int
    handed_off: int


class JobCompleted(Struct, frozen=True, forbid_unknown_fields=True):
    """Every listing ended and every DID was handed over; `malformed` or `failed_listings` not
    empty or zero: completed with errors."""

    discovered: int
    handed_off: int
    malformed: int
    failed_listings: list[Nsid]


class JobFailed(Struct, frozen=True, forbid_unknown_fields=True):
    """The job ended with nothing useful done. `why` is a sentence for people."""

    code: str
    why: str


JobEvent = (
    JobStarted
    | DidsGiven
    | JobPickedUp
    | PageDiscovered
    | ListingRestarted
    | ListingFailed
    | AttemptFailed
    | BatchHandedOff
    | JobEstimated
    | JobPaused
    | JobResumed
    | JobCancelAsked
    | JobCancelled
    | JobCompleted
    | JobFailed
)

TYPES: dict[str, type[JobEvent]] = {
    "job.started": JobStarted,
    "job.dids-given": DidsGiven,
    "job.picked-up": JobPickedUp,
    "job.page-discovered": PageDiscovered,
    "job.listing-restarted": ListingRestarted,
    "job.listing-failed": ListingFailed,
    "job.attempt-failed": AttemptFailed,
    "job.batch-handed-off": BatchHandedOff,
    "job.estimated": JobEstimated,
    "job.paused": JobPaused,
    "job.resumed": JobResumed,
    "job.cancel-asked": JobCancelAsked,
    "job.cancelled": JobCancelled,
    "job.completed": JobCompleted,
    "job.failed": JobFailed,
}
