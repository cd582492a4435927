"""Where a job stands in the listing of one collection."""

from msgspec import Struct

from ..catalog.job import ListedFrom


class Listing(Struct, frozen=True, gc=False):
    """Where the listing of one collection stands at one relay (None: the first configured one).

    `landmark` is a cursor seen earlier, moved on at page 1, 2, 4, 8 ...: to meet it again means
    that the relay goes in a circle, however long. `asked` is the cursor that brought the last page
    with entries: asked again it brings some, unless the directory was rebuilt. `doubted`: the
    daemon was restarted since the last page, so that it may have been.
    """

    relay: str | None = None
    cursor: str | None = None
    pages: int = 0
    empty_pages: int = 0
    landmark: str | None = None
    asked: str | None = None
    last_page_at: float = 0.0
    doubted: bool = False


def begins(place: ListedFrom | None) -> Listing:
    """Where a listing begins; what an earlier job left off at is doubted."""
    if place is None:
        return Listing()
    return Listing(relay=place.relay, cursor=place.cursor, doubted=True)
