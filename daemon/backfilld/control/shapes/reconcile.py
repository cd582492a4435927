"""Bodies about comparisons with the servers where the repositories are."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

SAMPLE = 100  # repositories, when nobody says how many
SAMPLE_MAX = 100_000
SEED_CHARS_MAX = 64


class ReconcileBody(Struct, forbid_unknown_fields=True):
    """POST /admin/reconcile. Which repositories: those of `dids` (DIDs or handles), else a
    `sample` of those that were found for the `collection` or by the `job` and are synced or empty,
    or `all` of them. Neither collection nor job: every record lexicon, and all repositories. The
    same `seed` and the same log, the same sample. `method`:
    `list` takes the server's word, `repo` reads the signed repository. `repair`: what differs is
    fetched again."""

    collection: str | None = None
    job: Annotated[str, Meta(min_length=1)] | None = None  # a blank one would fit any
    dids: list[str] | None = None
    sample: Annotated[int, Meta(ge=1, le=SAMPLE_MAX)] | None = None
    seed: Annotated[str, Meta(pattern=rf"^[!-~]{{1,{SEED_CHARS_MAX}}}\Z")] | None = None
    all: bool = False
    method: Literal["list", "repo"] = "list"
    repair: bool = False


class DifferenceShape(Struct):
    """A repository that differs in a collection: records `missing` here, here and not there
    (`extra`), of another version here than there (`different`); some of their rkeys, each after
    `-`, `+` or `~`. `dead_letters` of it may explain what is missing. `rev` is the server's,
    `newest` that of our rows; position: the event that says so."""

    did: str
    collection: str
    missing: int
    extra: int
    different: int
    samples: list[str]
    dead_letters: int
    rev: str
    newest: str | None
    position: int


class UnreadShape(Struct):
    """A repository that was not compared. `kind` is `account` if it was left out because its
    account is not active."""

    did: str
    kind: str
    message: str
    position: int


class ReconcileShape(Struct):
    """A comparison: GET /admin/reconcile/{id}. `state` is running, ended or broken_off; `total` is
    null as long as it is not known. `agreeing`, `differing` and `unread` add up to `compared`.
    The lists have the first hundred repositories of each, or some more; if there are `more`, the
    log has all: GET /admin/log?stream=reconcile/{id}."""

    id: str
    state: str
    sentence: str
    scope: str
    collections: list[str]
    method: str
    repair: bool
    actor: str
    position: int
    started_at: str
    ended_at: str | None
    why: str | None
    total: int | None
    compared: int
    agreeing: int
    records: int
    differing: int
    unread: int
    differences: list[DifferenceShape]
    unreadable: list[UnreadShape]
    more: bool
