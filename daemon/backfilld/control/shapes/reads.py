"""The bodies of what is only asked: records, events, Tap, relays.

Pure, and imported by the command line too: nothing heavy here.
"""

from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType


class LabelShape(Struct):
    """A label that a record gives itself. `cts` is empty: a self-label has no time of its own.
    Source: com.atproto.label.defs#selfLabels."""

    src: str
    uri: str
    val: str
    cts: str = ""


class RecordShape(Struct):
    """One record of GET /admin/records."""

    uri: str
    did: str
    collection: str
    rkey: str
    cid: str
    rev: str
    indexed_at: str
    record: Raw
    labels: list[LabelShape]


class Records(Struct):
    """GET /admin/records. No cursor: there is no more."""

    records: list[RecordShape]
    cursor: str | UnsetType = UNSET


class Collections(Struct):
    """GET /admin/records/collections: those that have records, by name."""

    collections: list[str]


class Deleted(Struct):
    """DELETE /admin/records/collection. `deleted` null: it goes on by itself as `job_id`, and the
    log has each portion."""

    deleted: int | None
    job_id: str | UnsetType = UNSET


class EventShape(Struct):
    """One event of GET /admin/events: HappyView's fields, and ours beside them. `id` is the
    position in the log; `type` and `stream` are what the log calls it."""

    id: str
    event_type: str
    severity: str
    actor_did: str | None
    subject: str | None
    detail: dict[str, Any]
    created_at: str
    actor: str
    type: str
    stream: str


class Events(Struct):
    """GET /admin/events. No cursor: there is no more. A page that is not full, and has a cursor,
    is as far as one request looks."""

    events: list[EventShape]
    cursor: str | UnsetType = UNSET


class EventCount(Struct):
    """GET /admin/events/count. Not `exact`: there are at least so many."""

    count: int
    exact: bool


class CursorsShape(Struct):
    """How far Tap has come. `firehose` is the last sequence that it handled since it started; 0:
    none yet. `list_repos` is empty unless it lists the whole network."""

    firehose: int
    list_repos: str


class TrendShape(Struct):
    """How fast what waits in Tap's outbox grows (above zero) or shrinks, over so many seconds."""

    outbox_per_s: float
    over_s: float


class TapLimits(Struct):
    """What we ask of Tap at most. `batch_max` is what it takes at once."""

    batch_size: int
    batch_max: int
    info_rate: int
    stats_interval_s: float


class FilterShape(Struct):
    """How a collection fares with Tap's filter. `state`: `sent`; `coming`, when the Tap that we run
    is started with it; `unseen`, nothing of it came yet; `dropped`, so many repositories that were
    found for it are `fetched`, and nothing of it ever came; `unasked`, it comes and nobody asks for
    it. `ignored` are records that came while nobody asked."""

    collection: str
    state: str
    records: int
    ignored: int
    fetched: int


class TapFilters(Struct):
    """The collections that we want, and those that Tap sends: null, for only a Tap that we run is
    known. `line` is what Tap's environment should have, empty when nothing is wanted."""

    wanted: list[str]
    actual: list[str] | None
    sentence: str
    line: str = ""
    collections: list[FilterShape] = []


class ChildShape(Struct):
    """The Tap that we run. `state`: `running`; `waiting`, it ended or could not be started, and is
    `again_at`; `idle`, there is nothing to run it for. `since` it is so. `cpu_s` is how long it
    kept a processor busy. `failures` are ends in a row that we did not ask for, `last_words` what
    it said before the last end."""

    state: str
    sentence: str
    pid: int | None
    since: str | None
    again_at: str | None
    memory_bytes: int | None
    cpu_s: float | None
    failures: int
    last_words: str | None


class StallShape(Struct):
    """Something of Tap that stands still: `kind` is a stable word. `next` is what happens by
    itself, `you_may` what may be done, `data` whether any is lost."""

    kind: str
    since: str
    sentence: str
    next: str
    you_may: str
    data: str


class WaitShape(Struct):
    """A job that waits for a relay, after `attempt` tries."""

    job_id: str
    kind: str
    message: str
    attempt: int
    since: str
    retry_at: str


class RelayShape(Struct):
    """One relay, as the jobs that are under way know it. `last_answer_at` null: it has answered
    none of them yet. `cooling_down_until` is set while it has us wait for our rate."""

    url: str
    configured: bool
    last_answer_at: str | None
    cooling_down_until: str | None
    waiting: list[WaitShape]


class Version(Struct):
    """GET /admin/version: of the daemon, and of what it stands on."""

    version: str
    python: str
    sqlite: str
