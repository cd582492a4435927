"""The bodies of the API, as HappyView has them; fields of ours stand beside, none is renamed.

Pure, and imported by the command line too: nothing heavy here.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from .log import LogShape
from .progress import ActionShape, EstimateShape, EtasShape, LanesShape, RatesShape, Reason
from .reads import ChildShape, CursorsShape, StallShape, TapFilters, TapLimits, TrendShape

PRIORITY_MAX = 1000


class StartBody(Struct, forbid_unknown_fields=True):
    """POST /admin/backfill. No field at all: every record lexicon. `did` and `dids` are DIDs or
    handles. `mode`: `add` leaves what Tap has as it is, `refetch` has it fetch that anew, `auto`
    only what it fetched without the collection; else it is that of the configuration."""

    collection: str | None = None
    did: str | None = None
    dids: list[str] | None = None
    mode: Literal["auto", "add", "refetch"] | None = None
    priority: Annotated[int, Meta(ge=-PRIORITY_MAX, le=PRIORITY_MAX)] | None = None
    reason: Reason | None = None


class Started(Struct):
    """Its answer, as soon as the job's first event is durable; `total_repos` when it was asked to
    wait. `joined`: the job was there already."""

    id: str
    status: str
    state: str
    collections: list[str]
    position: int
    error: str | UnsetType = UNSET
    joined: bool | UnsetType = UNSET
    total_repos: int | UnsetType = UNSET


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
    ahead: int = 0  # jobs that have their turn before it
    retries: str | None = None  # the job whose failed repositories these are
    kinds: list[str] = []  # of which kinds, if they were named


class JobDetail(JobShape, kw_only=True):
    """GET /admin/backfill/{id}. `failures` has the first 1,000; `failures_total` counts all. `next`
    is what happens by itself. `retried_by` are the jobs for what failed in this one."""

    lanes: LanesShape
    rates: RatesShape
    eta: EtasShape
    estimate: EstimateShape | None
    next: str
    actions: list[ActionShape]
    failures: list[FailureShape]
    failures_total: int
    retried_by: list[str] = []


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
    """Its answer. `backfill_job_id` is the job that began with it, if any, or the equal one that
    is under way; `backfill_error` says why one that was wanted did not."""

    id: str
    revision: int
    backfill_job_id: str | None
    position: int
    warnings: list[str]
    backfill_error: str | None = None


class LexiconShape(Struct):
    """One lexicon in a list. `lexicon_type` is HappyView's word, which calls everything that is no
    record, query or procedure `definitions`; `kind` is ours."""

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
    kind: str = ""
    record_schema: Any = UNSET


class LexiconDetail(LexiconShape):
    """GET /admin/lexicons/{id}. Of `script` and `index_hook` there is never one."""

    lexicon_json: Any = None
    script: None = None
    index_hook: None = None


class ChannelShape(Struct):
    """The channel to Tap."""

    connected: bool
    since: str | None
    why: str | None
    unacked: int


class TapStats(Struct):
    """GET /admin/tap/stats. The counts, the resync buffer and the cursors are as of `observed_at`,
    `age_s` ago; the outbox as of `outbox_at`. A `trend` or cursors that are not known are null."""

    repo_count: int
    record_count: int
    outbox_buffer: int
    resync_buffer: int
    observed_at: str
    age_s: float
    url: str
    channel: ChannelShape
    outbox_at: str = ""
    cursors: CursorsShape | None = None
    trend: TrendShape | None = None


class TapHealth(Struct):
    """Whether Tap answers: `up`, `down` with the reason, or `unknown` as long as nobody asked."""

    state: str
    why: str | None


class TapShape(Struct):
    """GET /admin/tap. `stats` are the last that Tap told, with their age; null: none yet. `child`
    is the Tap that we run; null: we run none."""

    url: str
    health: TapHealth
    channel: ChannelShape
    limits: TapLimits
    filters: TapFilters
    stats: TapStats | None
    child: ChildShape | None = None


class CollectionCount(Struct):
    """How many records of a collection are in the index."""

    collection: str
    count: int


class Stats(Struct):
    """GET /admin/stats."""

    total_records: int
    collections: list[CollectionCount]


class LeftShape(Struct):
    """At least so many `repos` have not the records that they should, and nothing more is done
    about it by itself; one of them is `did`."""

    repos: int
    did: str


class Health(Struct):
    """GET /admin/health: is anything wrong, in one sentence, and the jobs that are under way or
    ended lately. `status` is `ok`, `degraded`, or `broken`: the log does not verify, and the answer
    is 503. `stalls` is what stands still, the worst first; `quiet` says why nothing comes just now,
    when that is usual, and is empty else; `differing` is null when no repository is. `restored`:
    the index is a backup of then, and not all of it was fetched anew since."""

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
    stalls: list[StallShape] = []
    quiet: str = ""
    differing: LeftShape | None = None
    restored: str | None = None


class Problem(Struct, omit_defaults=True):
    """Every refusal: `error` for people, `code` for programs, `hint` for what to do now.
    `message`: where HappyView has a word in `error` and the text here, for a permission."""

    error: str
    code: str
    hint: str | None = None
    field: str | None = None
    message: str | None = None


class TapDown(Problem, kw_only=True):
    """The answer in place of TapStats when Tap gives none: what it told last, null if nothing."""

    last: TapStats | None
