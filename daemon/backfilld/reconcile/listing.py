"""The records of a collection as their server lists them, page by page.

The one rule: a listing is as complete as its server's paging. So it ends where the server says that
there is no more, or a page brings nothing new; what would never end is a failure.
Source: com.atproto.repo.listRecords, of which servers have made several protocols: some know no
`reverse`, some cursors are inclusive, some come with the last page and some do not.
"""

from backfilld_events.ids import Cid, Did, Nsid, Rkey

from ..failures import Failure
from ..network.pds import PAGE_MAX, PdsClient

RECORDS_MAX = 200_000  # of a collection in one repository, on either side: 60 MB
EMPTY_PAGES_MAX = 3


async def listed(pds: PdsClient, at: str, did: Did, collection: Nsid) -> dict[Rkey, Cid]:
    """All records of the collection. Oldest first where the server can: what is written meanwhile
    then comes behind what was read. Raises Failure."""
    try:
        return await _listed(pds, at, did, collection, reverse=True)
    except Failure as failure:
        if failure.kind != "refused":
            raise
    return await _listed(pds, at, did, collection, reverse=False)


async def _listed(
    pds: PdsClient, at: str, did: Did, collection: Nsid, *, reverse: bool
) -> dict[Rkey, Cid]:
    found: dict[Rkey, Cid] = {}
    cursor, limit, empty = None, PAGE_MAX, 0
    while True:
        try:
            page = await pds.page(at, did, collection, limit=limit, cursor=cursor, reverse=reverse)
        except Failure as failure:
            if failure.kind != "too_large" or limit == 1:
                raise
            limit //= 10
            continue
        before = len(found)
        found.update(page.records)
        enough(len(found))
        if page.cursor is None or (page.records and len(found) == before):
            return found
        if page.cursor == cursor:
            raise Failure("cursor_repeated", "its server sends the same cursor again and again")
        empty = 0 if page.records else empty + 1
        if empty > EMPTY_PAGES_MAX:
            raise Failure("empty_pages", "its server sends empty pages without an end")
        cursor = page.cursor


def enough(records: int) -> None:
    """Raises Failure for more records than are compared of one collection in a repository."""
    if records > RECORDS_MAX:
        raise Failure("too_large", f"over {RECORDS_MAX:,} records: that many are not compared")
