"""Bodies about the answer to "do I have everything?", and the repositories behind each number.

Pure, and imported by the command line too: nothing heavy here.
"""

from msgspec import UNSET, Struct, UnsetType

from .errors import KindShape


class AsOf(Struct):
    """The last event that is counted in, and its time."""

    position: int
    at: str


class Behind(Struct):
    """A repository behind a number. `state` is its class, since the event at `position`, and `kind`
    how it failed. `next` is what happens by itself. `pds_endpoint` null: not known to us."""

    did: str
    handle: str | None
    pds_endpoint: str | None
    state: str
    kind: str | None
    since: str
    position: int
    records: int
    sentence: str
    next: str


class Coverage(Struct):
    """GET /admin/coverage and /admin/backfill/{id}/coverage. Each repository is in one of
    `classes`; `kinds` tells the failed ones apart, as GET …/errors does. `open` may still come.
    `unexplained` is `found` less all classes, and must be 0. `differing` repositories have not
    the rows that they should; if not `differing_exact` there are at least so many. `left`: found by
    a job that was cancelled before it came to them, and not open. `listing` is ended, under_way,
    failed, or none: then accounts were named. `complete`: it is everything. Asked for a `class`:
    some of the `repositories` behind that number, and a `cursor` if there are more."""

    job: str | None
    collections: list[str]
    sentence: str
    found: int
    classes: dict[str, int]
    kinds: list[KindShape]
    open: int
    left: int
    unexplained: int
    differing: int
    differing_exact: bool
    lost: str
    as_of: AsOf
    listing: str
    complete: bool
    repositories: list[Behind] | UnsetType = UNSET
    cursor: str | UnsetType | None = UNSET
