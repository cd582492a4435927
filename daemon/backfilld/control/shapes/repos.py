"""Bodies about the repositories of a job, and about one account's whole history.

Pure, and imported by the command line too: nothing heavy here.
"""

from msgspec import Struct

from .coverage import AsOf


class JobRepo(Struct):
    """One repository of a job: HappyView's fields, then ours. `status` is `completed` when its
    records are here, else `pending`; `state` is its class, since the event at `position`."""

    did: str
    pds_endpoint: str | None
    status: str
    records_fetched: int
    state: str
    since: str
    position: int
    reason: str | None
    collections: list[str]


class JobRepos(Struct):
    """GET /admin/backfill/{id}/repos. No cursor: there is no more."""

    repos: list[JobRepo]
    cursor: str | None


class PdsShape(Struct):
    """How many repositories of a job are on one server, and their records. `pds_endpoint` null: all
    whose server is not known to us, for we learn it only where something is wrong."""

    pds_endpoint: str | None
    total_repos: int
    completed_repos: int
    total_records: int


class PdsSummary(Struct):
    """GET /admin/backfill/{id}/pds-summary. Most repositories first, ties by name, those not known
    last."""

    pds_endpoints: list[PdsShape]


class Standing(Struct):
    """Where the account stands for a collection, or for a job."""

    collection: str | None
    job: str | None
    state: str


class TapAnswer(Struct):
    """What Tap said of the repository last: `state` is its word, `error` its text."""

    state: str
    error: str
    rev: str | None
    records: int
    retries: int
    at: str
    position: int


class Line(Struct):
    """One event of an account's history in words."""

    position: int
    at: str
    says: str
    actor: str


class Account(Struct):
    """GET /admin/repos/{did}: how one account stands, and its history, the newest last. `records`
    are its rows here, `removed` were taken out by hand. `asked_next`: when Tap is asked about it.
    `history` has all from the event `complete_from` on; `before` asks for what is older, null:
    there is no more."""

    did: str
    handle: str | None
    pds_endpoint: str | None
    state: str
    kind: str | None
    since: str
    position: int
    sentence: str
    next: str
    standings: list[Standing]
    account: str | None
    tap: TapAnswer | None
    records: int
    removed: int
    differs: str | None
    asked_next: str | None
    history: list[Line]
    complete_from: int
    before: int | None
    as_of: AsOf
