"""A repository that Tap is to be asked about, as data."""

from msgspec import Struct

from ..ids import Did
from .classes import Ask


class Asked(Struct, frozen=True):
    """A repository to ask Tap about, with its last answer: state, error, rev, records, retries.
    `unsure`: whether all of it is here may be known once Tap's outbox is empty. `host` is that
    of its PDS, `before` the rev that it had when it was taken out of Tap last; None: not known.
    `mended`: that was because it differed."""

    id: int
    did: Did
    ask: Ask
    unsure: bool
    last: tuple[str | None, str | None, str | None, int | None, int]
    host: str | None = None
    before: str | None = None
    handle: str | None = None
    mended: bool = False
