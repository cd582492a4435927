"""The bodies of the API, as HappyView has them; fields of ours stand beside, none is renamed.

Pure, and imported by the command line too: nothing heavy here.
"""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

DIDS_MAX = 100_000  # plain DIDs in one request


class StartBody(Struct, forbid_unknown_fields=True):
    """POST /admin/backfill. No field at all: every record lexicon."""

    collection: str | None = None
    did: str | None = None
    dids: Annotated[list[str], Meta(max_length=DIDS_MAX)] | None = None


class Started(Struct):
    """Its answer, as soon as the job's first event is durable."""

    id: str
    status: str
    state: str
    collections: list[str]
    position: int
    error: str | UnsetType = UNSET


class SyncShape(Struct):
    """Did the records arrive? Beside `state`, never folded into it. `classes` counts each
    repository once; `open` is what may still come."""

    state: str
    sentence: str
    active: int
    failed: int
    gone: int
    open: int
    classes: dict[str, int]


class WaitingShape(Struct):
    """What a lane waits for."""

    lane: str
    peer: str
    kind: str
    message: str
    attempt: int
    since: str
    retry_at: str


class FailureShape(Struct):
    """A repository whose records are not here, with the reason and the event that says so."""

    did: str
    kind: str
    reason: str
    position: int


class JobShape(Struct):
    """A job. The fields up to `recent_completions_limit` are HappyView's."""

    id: str
    collection: str | None
    did: str | None
    status: str
    total_repos: int
    processed_repos: int
    total_records: int
    error: str | None
    started_at: str
    completed_at: str | None
    created_at: str
    stage: str
    resolved_repos: int
    scope: str
    discovery_complete: bool
    recent_completions_limit: int | None
    # ours
    state: str
    sentence: str
    reason: str | None
    waiting_until: str | None
    waiting: list[WaitingShape]
    since: str
    collections: list[str]
    mode: str
    priority: int
    why: str | None
    actor: str
    cause: int | None
    position: int
    malformed: int
    sync: SyncShape


class JobDetail(JobShape):
    """GET /admin/backfill/{id}. `failures` has the first 1,000; `failures_total` counts all."""

    failures: list[FailureShape]
    failures_total: int


class LexiconBody(Struct, forbid_unknown_fields=True):
    """POST /admin/lexicons. The fields after `target_collection` are HappyView's own; they are
    taken, and `warnings` says that they do nothing here."""

    lexicon_json: Raw
    backfill: bool = True
    target_collection: str | None = None
    action: str | None = None
    token_cost: int | None = None
    script: str | None = None
    index_hook: str | None = None


class LexiconUploadedShape(Struct):
    """Its answer. `backfill_job_id` is the job that began with it, if any."""

    id: str
    revision: int
    backfill_job_id: str | None
    position: int
    warnings: list[str]


class LexiconShape(Struct):
    """One lexicon in a list."""

    id: str
    revision: int
    lexicon_type: str
    backfill: bool
    action: str | None
    target_collection: str | None
    source: str
    authority_did: str | None
    last_fetched_at: str | None
    created_at: str
    updated_at: str
    token_cost: int | None
    has_script: bool
    has_index_hook: bool
    record_schema: Any = UNSET


class LexiconDetail(LexiconShape):
    """GET /admin/lexicons/{id}."""

    lexicon_json: Any = None


class ChannelShape(Struct):
    """The channel to Tap."""

    connected: bool
    since: str | None
    why: str | None
    unacked: int


class TapStats(Struct):
    """GET /admin/tap/stats. The counts are as of `observed_at`; the buffers as of now."""

    repo_count: int
    record_count: int
    outbox_buffer: int
    resync_buffer: int
    observed_at: str
    age_s: float
    url: str
    channel: ChannelShape


class CollectionCount(Struct):
    """How many records of a collection are in the index."""

    collection: str
    count: int


class Stats(Struct):
    """GET /admin/stats."""

    total_records: int
    collections: list[CollectionCount]


class RecordShape(Struct, omit_defaults=True):
    """One record of GET /admin/records."""

    uri: str
    did: str
    collection: str
    rkey: str
    cid: str
    rev: str
    indexed_at: str
    record: Raw
    labels: list[Any]


class Records(Struct):
    """GET /admin/records. No cursor: there is no more."""

    records: list[RecordShape]
    cursor: str | UnsetType = UNSET


class LogShape(Struct):
    """Where the log stands; whether this start had to make the projections anew."""

    position: int
    projections_rebuilt: bool


class Health(Struct):
    """GET /admin/health: is anything wrong, in one sentence, and the jobs that are under way or
    ended lately."""

    status: str
    verdict: str
    version: str
    tap_url: str
    channel: ChannelShape
    relays: list[str]
    records: int
    dead_letters: int
    log: LogShape
    jobs: list[JobShape]


class Problem(Struct, omit_defaults=True):
    """Every refusal: `error` for people, `code` for programs, `hint` for what to do now."""

    error: str
    code: str
    hint: str | None = None
    field: str | None = None
