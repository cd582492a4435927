"""Asks a relay which repositories hold a collection, one page at a time.

The one rule: a page is evidence. Every entry comes back, in order, duplicates too; entries that
are no DIDs come back apart. Nothing is assumed of an account but that this relay listed it.
Source: com.atproto.sync.listReposByCollection, and how collectiondir and rainbow serve it.
"""

import httpx
import msgspec
from msgspec import Struct

from backfilld_events.ids import Did, Nsid, is_did, shown

from ..asking import ask, failure_of, said
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


_DECODER = msgspec.json.Decoder(_Body)


class Relay:
    """Any relay, by its address; the client is the caller's, with its timeouts."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock) -> None:
        self._client, self._clock = client, clock

    async def list_page(self, relay: str, collection: Nsid, cursor: str | None, size: int) -> Page:
        """The page after `cursor`, of at most about `size` DIDs. Raises Failure."""
        params = {"collection": collection, "limit": str(size)}
        if cursor is not None:
            params["cursor"] = cursor
        answer = await ask(
            self._client, "GET", f"{relay}/xrpc/{METHOD}", body_max=BODY_BYTES_MAX, params=params
        )
        if answer.status != 200:
            text = said(answer)
            if answer.status in (404, 405, 501) or "No service configured" in text:
                raise Failure("not_offered", f"this relay does not offer {METHOD} ({text})")
            raise failure_of(answer, self._clock())
        return _page(answer.body)


def _page(body: bytes) -> Page:
    try:
        answer = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Failure("bad_answer", f"the page cannot be read: {error}") from error
    if answer.cursor is not None and len(answer.cursor) > CURSOR_CHARS_MAX:
        raise Failure("bad_answer", f"a cursor of {len(answer.cursor):,} characters")
    entries = [repo.did for repo in answer.repos]
    return Page(
        dids=[Did(entry) for entry in entries if isinstance(entry, str) and is_did(entry)],
        malformed=[shown(entry) for entry in entries if not is_did(entry)],
        cursor=answer.cursor or None,
    )
