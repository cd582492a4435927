"""Reads a repository where it lives, one way or the other.

The one rule: what a server refuses is not believed before its account was looked up anew: one that
moved away looks deactivated at its old server. Then the server is asked what became of the account,
since a refused listing never says why.
"""

from collections.abc import Sequence
from typing import NamedTuple

import trio

from backfilld_events.catalog.reconcile import Method
from backfilld_events.ids import Did, Nsid, Rev

from ..failures import Failure
from ..network.documents import DidDocument, pds_of
from ..network.identity import Identity
from ..network.pds import PdsClient
from .compare import Rows
from .listing import listed
from .whole import Whole

LOOK_UPS = 3  # of one DID, while the directory says that it is too much
LOOK_UP_WAIT_S = 10.0
LOOK_UP_WAIT_S_MAX = 60.0
LISTED_WITHIN_S = 3600.0  # at five pages a second 200,000 records take 7 minutes

_MAY_BE_GONE = frozenset({"refused", "server_error", "not_found"})
ACCOUNT = "account"  # the kind of what is left out because its account is not active


class Unreadable(Exception):
    """A repository that cannot be compared: `kind` is a failures.Kind, or ACCOUNT."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


class Theirs(NamedTuple):
    """The records of a repository as its server has them; `rev` is not newer than what they show,
    None if it was not asked for."""

    rows: Rows
    rev: Rev | None


class Reader:
    """Reads repositories of strangers."""

    def __init__(self, identity: Identity, pds: PdsClient, whole: Whole) -> None:
        self._identity, self._pds, self._whole = identity, pds, whole

    async def where(self, did: Did) -> str:
        """The server of its repository. Raises Unreadable."""
        try:
            return pds_of(await self._document(did))
        except Failure as failure:
            raise Unreadable(failure.kind, failure.message) from failure

    async def read(
        self, did: Did, collections: Sequence[Nsid], method: Method, *, with_rev: bool
    ) -> Theirs:
        """Its records of these collections. Raises Unreadable."""
        try:
            document = await self._document(did)
            try:
                return await self._read(document, collections, method, with_rev=with_rev)
            except Failure as first:
                failure = first
            fresh = await self._document(did, fresh=True)
            if fresh != document:
                return await self._read(fresh, collections, method, with_rev=with_rev)
            if failure.kind in _MAY_BE_GONE and (
                word := await self._pds.inactive(pds_of(fresh), did)
            ):
                raise Unreadable(ACCOUNT, f"its server says: the account is {word}") from failure
        except Failure as last:
            failure = last
        raise Unreadable(failure.kind, failure.message) from failure

    async def _read(
        self, document: DidDocument, collections: Sequence[Nsid], method: Method, *, with_rev: bool
    ) -> Theirs:
        at = pds_of(document)
        if method == "repo":
            return Theirs(*await self._whole.read(at, document, collections))
        with trio.move_on_after(LISTED_WITHIN_S):  # every page can bring something, and be slow
            rev = await self._pds.latest_rev(at, document.did) if with_rev else None
            rows = {nsid: await listed(self._pds, at, document.did, nsid) for nsid in collections}
            return Theirs(rows, rev)
        raise Failure("timeout", f"its records were not listed within {LISTED_WITHIN_S:g} s")

    async def _document(self, did: Did, *, fresh: bool = False) -> DidDocument:
        for left in reversed(range(LOOK_UPS)):
            try:
                return await self._identity.document(did, fresh=fresh)
            except Failure as failure:
                if failure.kind != "rate_limited" or not left:
                    raise
                await trio.sleep(min(failure.retry_after or LOOK_UP_WAIT_S, LOOK_UP_WAIT_S_MAX))
        raise AssertionError("the last try returns or raises")
