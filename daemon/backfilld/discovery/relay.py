"""Asks a relay which repositories hold a collection, one page at a time.

The one rule: a page is evidence. Every entry comes back, in order, duplicates too; entries that
are no DIDs come back apart. Nothing is assumed of an account but that this relay listed it.
Source: com.atproto.sync.listReposByCollection, and how collectiondir and rainbow serve it.
"""

import httpx
from msgspec import Struct

from backfilld_events.ids import Did, Nsid, all_plc, is_did, shown

from ..asking import Answer, ask, decoded, failure_of, said
from ..clock import Clock
from ..failures import Failure
from .page import Page

METHOD = "com.atproto.sync.listReposByCollection"
BODY_BYTES_MAX = 8 * 2**20  # a page of 2,000 is 84 KB; of 2,000 of the longest DIDs, 4 MB
CURSOR_CHARS_MAX = 4096


class _Repo(Struct):
    did: object = None


class _Body(Struct):
    repos: list[_Repo]
    cursor: str | None = None


class Relay:
    """Any relay, by its address; the client is the caller's, with its timeouts."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock, within_s: float) -> None:
        """`within_s` is for a whole request."""
        self._client, self._clock, self._within_s = client, clock, within_s

    async def list_page(self, relay: str, collection: Nsid, cursor: str | None, size: int) -> Page:
        """The page after `cursor`, of at most about `size` DIDs. Raises Failure."""
        params = {"collection": collection, "limit": str(size)}
        if cursor is not None:
            params["cursor"] = cursor
        answer = await ask(
            self._client,
            "GET",
            f"{relay}/xrpc/{METHOD}",
            body_max=BODY_BYTES_MAX,
            within_s=self._within_s,
            params=params,
        )
        if answer.status != 200:
            text = said(answer)
            if answer.status in (404, 405, 501) or "No service configured" in text:
                raise Failure("not_offered", f"this relay does not offer {METHOD} ({text})")
            raise failure_of(answer, self._clock())
        return _page(answer)


def _page(whole: Answer) -> Page:
    answer = decoded(whole, _Body)
    if answer.cursor is not None and len(answer.cursor) > CURSOR_CHARS_MAX:
        raise Failure("bad_answer", f"a cursor of {len(answer.cursor):,} characters")
    entries = [repo.did for repo in answer.repos]
    if all_plc(entries):
        return Page([*entries], [], answer.cursor or None)
    dids: list[Did] = []
    malformed: list[str] = []
    for entry in entries:
        if is_did(entry):
            dids.append(entry)
        else:
            malformed.append(shown(entry))
    return Page(dids, malformed, answer.cursor or None)
