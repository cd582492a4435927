"""Bodies about repositories that failed, and about another try for them.

Pure, and imported by the command line too: nothing heavy here.
"""

from msgspec import UNSET, Struct, UnsetType

from .progress import Reason

CAP = 10_000  # HappyView keeps so many; we keep all
MESSAGE_CHARS_MAX = 220


class ErrorShape(Struct):
    """One failure: HappyView's fields, and ours after `last_at`. `did` is what the relay listed
    where that is no DID, and null for a listing. `attempts` counts failed tries. `next_attempt_at`
    is about when it is tried again by itself; null: it is not. `position`: the event that says
    so."""

    did: str | None
    collection: str | None
    phase: str
    kind: str
    message: str
    attempts: int
    last_at: str
    next_attempt_at: str | None
    what_to_do: str
    position: int


class KindShape(Struct):
    """How many failed in one way, and whether to try once more may help."""

    kind: str
    count: int
    retryable: bool
    what_to_do: str


class Errors(Struct):
    """GET /admin/backfill/{id}/errors. `counts` has the kinds that there are, in HappyView's order,
    then ours. No cursor: there is no more."""

    errors: list[ErrorShape]
    cursor: str | None
    counts: list[KindShape]
    capped: bool = False
    cap: int = CAP


class RetryBody(Struct, forbid_unknown_fields=True):
    """POST /admin/backfill/{id}/retry-failed. No field at all: all of which another try may help.
    `kinds`: those of these kinds, final ones too. `dids`: these accounts (DIDs or handles)."""

    kinds: list[str] | None = None
    dids: list[str] | None = None
    reason: Reason | None = None


class Retried(Struct):
    """Its answer: the new job, how many repositories it is for, and how many failures it leaves
    out, by the reason. `joined`: the job was there already."""

    id: str
    status: str
    state: str
    retries: str
    retried_repos: int
    skipped: dict[str, int]
    position: int
    joined: bool | UnsetType = UNSET
