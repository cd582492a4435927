"""What a person, a script, a lexicon or the schedule may ask of the backfill, as data."""

import hashlib
from collections.abc import Sequence

from msgspec import Struct

from backfilld_events import ids
from backfilld_events.catalog.job import ListedFrom, Mode
from backfilld_events.ids import Cid, Did, Nsid

from ..lexicons import Document

PART_DIDS_MAX = 50_000  # in one event: 750 KB


class Accounts(Struct, frozen=True):
    """Accounts by name: `count` of them, in the order given, in `parts` of at most PART_DIDS_MAX:
    (how many, packed with `ids.pack`). `digest` is the SHA-256 of them all packed, sorted; `only`
    is set for exactly one."""

    count: int
    parts: tuple[tuple[int, bytes], ...]
    digest: bytes
    only: Did | None


def packed(dids: Sequence[Did]) -> Accounts:
    """The accounts `dids`, at least one, each named once. Of 100,000 it takes 100 ms: it is made
    before the decision, so that a thread can do it."""
    digest = hashlib.sha256(ids.pack(sorted(dids))).digest()
    parts = [dids[at : at + PART_DIDS_MAX] for at in range(0, len(dids), PART_DIDS_MAX)]
    packed_parts = tuple((len(part), ids.pack(part)) for part in parts)
    return Accounts(len(dids), packed_parts, digest, dids[0] if len(dids) == 1 else None)


class Retry(Struct, frozen=True):
    """The earlier job, what it was for, and the kinds of failure; none: any that is retryable.
    `named`: instead, these of its accounts were named; Accounts.digest of them."""

    job_id: str
    collections: tuple[Nsid, ...]
    kinds: tuple[str, ...] = ()
    named: bytes | None = None


class StartJob(Struct, frozen=True):
    """Start a job. No collection: all record lexicons. `accounts`: these instead of the relay's
    listing. Jobs of higher `priority` go first. `idempotency_key`: asked again by the same actor
    with the same key it is the same job. `listed_from`: look only for what the relay lists after
    it. `retries`: these accounts failed in an earlier job. `cause`: the position of what led to
    it."""

    collection: Nsid | None = None
    accounts: Accounts | None = None
    mode: Mode = "auto"
    retries: Retry | None = None
    priority: int = 0
    reason: str = ""
    idempotency_key: str | None = None
    listed_from: ListedFrom | None = None
    cause: int | None = None


class PauseJob(Struct, frozen=True):
    """Begin no further step of a job."""

    job_id: str
    reason: str = ""


class ResumeJob(Struct, frozen=True):
    """Go on with a paused job."""

    job_id: str
    reason: str = ""


class CancelJob(Struct, frozen=True):
    """End a job; what it has handed over stays in Tap."""

    job_id: str
    reason: str = ""


class FoundOn(Struct, frozen=True):
    """Where on the network a lexicon was found."""

    authority: Did
    uri: str
    cid: Cid


class UploadLexicon(Struct, frozen=True):
    """Take in a lexicon document; a record lexicon with `backfill` starts a job by itself, unless
    whoever brings it may not (`may_start`). `found_on`: it was fetched, not uploaded."""

    document: Document
    backfill: bool
    target_collection: Nsid | None = None
    may_start: bool = True
    found_on: FoundOn | None = None
    mode: Mode = "auto"


class DeleteLexicon(Struct, frozen=True):
    """Forget a lexicon; its records stay."""

    nsid: Nsid


class CreateKey(Struct, frozen=True):
    """Make a key for a script. `digest` is the SHA-256 of the key, `prefix` its beginning, `parent`
    the id of the key by which it is asked for, `at` when: unix seconds."""

    name: str
    prefix: str
    digest: bytes
    permissions: tuple[str, ...]
    at: float
    expires_at: float | None = None
    parent: str | None = None


class RevokeKey(Struct, frozen=True):
    """Make a key of no more use."""

    key_id: str


Command = (
    StartJob | PauseJob | ResumeJob | CancelJob
    | UploadLexicon | DeleteLexicon
    | CreateKey | RevokeKey
)  # fmt: skip
