"""A page of a listing, as data."""

from msgspec import Struct

from backfilld_events.ids import Did


class Page(Struct, frozen=True):
    """One page, in the relay's order, duplicates kept; `malformed` are entries that are no DIDs.

    `cursor` None: the listing ends here; a short or empty page proves nothing.
    """

    dids: list[Did]
    malformed: list[str]
    cursor: str | None
