"""Questions to the servers where repositories are.

The one rule: the server is a stranger. What it says is bounded and held against what was asked;
its limits are obeyed (`manners`), and its failures are Failures, tried again only where that helps.
Sources: com.atproto.repo.listRecords; com.atproto.sync.getRepo, getLatestCommit, getRepoStatus.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated

import httpx
import trio
from msgspec import Meta, Struct

from backfilld_events.ids import (
    BadId,
    Cid,
    Did,
    Nsid,
    Rev,
    Rkey,
    parse_cid,
    parse_rev,
    parse_rkey,
    shown,
)

from ..asking import Answer, Into, ask, decoded, failure_of, wait_of
from ..clock import Clock
from ..failures import Failure
from .identity import WITHIN_S
from .manners import Manners

TRIES = 3
AGAIN_S = 2.0  # after a failure that may pass
LIMITED_S = 10.0  # after a 429 that does not say how long: some have no headers at all
PAGE_MAX = 100
PAGE_RECORDS_MAX = 1_000  # some servers send more than they are asked for
PAGE_BYTES_MAX = 16 * 2**20  # a usual page has 25 KB; records of 1 MB are asked for one by one
ANSWER_BYTES_MAX = 64 * 2**10
CURSOR_CHARS_MAX = 2048
REPO_BYTES_MAX = 2**30
REPO_WITHIN_S = 900.0

_PASSES = frozenset({"timeout", "cut", "server_error"})


class RecordsPage(Struct, frozen=True):
    """Some records of a collection; `cursor` asks for the next page, None: there is no more."""

    records: list[tuple[Rkey, Cid]]
    cursor: str | None


class _Record(Struct):
    uri: str
    cid: str


class _Records(Struct):
    records: Annotated[list[_Record], Meta(max_length=PAGE_RECORDS_MAX)]
    cursor: str | None = None


class _Commit(Struct):
    rev: str


class _Status(Struct):
    active: bool
    status: str = ""


class _Refusal(Struct):
    error: str = ""


class PdsClient:
    """Asks PDSes. `at` is an address as documents.pds_of gives it."""

    def __init__(
        self, strangers: httpx.AsyncClient, clock: Clock, manners: Manners | None = None
    ) -> None:
        self._strangers, self._clock = strangers, clock
        self._manners = manners or Manners()

    async def page(
        self,
        at: str,
        did: Did,
        collection: Nsid,
        *,
        limit: int,
        cursor: str | None,
        reverse: bool,
    ) -> RecordsPage:
        """A page of the records of a collection, unsigned. Raises Failure."""
        params = {"repo": did, "collection": collection, "limit": str(limit)}
        params |= {"reverse": "true"} if reverse else {}
        params |= {} if cursor is None else {"cursor": cursor}
        answer = await self._ask(at, "com.atproto.repo.listRecords", params, PAGE_BYTES_MAX)
        page = decoded(answer, _Records)
        if len(page.cursor or "") > CURSOR_CHARS_MAX:
            raise Failure("bad_answer", f"a cursor of over {CURSOR_CHARS_MAX:,} characters")
        begin = f"at://{did}/{collection}/"
        return RecordsPage([_keyed(one, begin) for one in page.records], page.cursor)

    async def latest_rev(self, at: str, did: Did) -> Rev:
        """The rev of the repository's newest commit. Raises Failure."""
        answer = await self._ask(at, "com.atproto.sync.getLatestCommit", {"did": did})
        try:
            return parse_rev(decoded(answer, _Commit).rev)
        except BadId as error:
            raise Failure("bad_answer", str(error)) from error

    async def inactive(self, at: str, did: Did) -> str | None:
        """What the server calls the account if it is not active there; None: it is. Raises
        Failure."""
        try:
            answer = await self._ask(at, "com.atproto.sync.getRepoStatus", {"did": did})
        except _Refused as refusal:
            if refusal.name == "RepoNotFound":
                return "not there"
            raise
        found = decoded(answer, _Status)
        return None if found.active else shown(found.status or "not active")[1:-1]

    async def repo(self, at: str, did: Did, into: Into) -> None:
        """The whole repository as a CAR, handed on piece by piece; `into` may raise Failure. It is
        asked for once: whoever tries again begins anew. Raises Failure."""
        await self._ask(
            at, "com.atproto.sync.getRepo", {"did": did}, REPO_BYTES_MAX, REPO_WITHIN_S, into
        )

    async def answer(
        self,
        at: str,
        method: str,
        params: Mapping[str, str],
        body_max: int,
        within_s: float = WITHIN_S,
        into: Into | None = None,
    ) -> Answer:
        """What it answers to one question, whatever the status. Raises Failure."""
        async with self._manners.turn(at):
            answer = await ask(
                self._strangers,
                "GET",
                f"{at}/xrpc/{method}",
                body_max=body_max,
                within_s=within_s,
                params=params,
                into=into,
            )
        is_last = answer.headers.get("ratelimit-remaining", "").strip() == "0"
        if answer.status == 429 or (answer.status == 200 and is_last):
            self._manners.leave_alone(at, wait_of(answer.headers, self._clock()) or LIMITED_S)
        return answer

    async def _ask(
        self,
        at: str,
        method: str,
        params: Mapping[str, str],
        body_max: int = ANSWER_BYTES_MAX,
        within_s: float = WITHIN_S,
        into: Into | None = None,
    ) -> Answer:
        for left in reversed(range(TRIES)):
            try:
                return await self._once(at, method, params, body_max, within_s, into)
            except Failure as failure:
                passes = failure.kind in _PASSES and into is None
                if not left or not (passes or failure.kind == "rate_limited"):
                    raise
                await trio.sleep(AGAIN_S if passes else 0)
        raise AssertionError("the last try returns or raises")

    async def _once(
        self,
        at: str,
        method: str,
        params: Mapping[str, str],
        body_max: int,
        within_s: float,
        into: Into | None,
    ) -> Answer:
        answer = await self.answer(at, method, params, body_max, within_s, into)
        if answer.status != 200:
            raise _refusal(answer, self._clock())
        return answer


class _Refused(Failure):
    """A refusal with the name that the protocol gives it."""

    name = ""


def _refusal(answer: Answer, now: float) -> Failure:
    if answer.status == 501:
        return Failure("not_offered", "its server does not do that")
    failure = failure_of(answer, now)
    if failure.kind != "refused":
        return failure
    refused = _Refused("refused", failure.message, failure.retry_after)
    with suppress(Failure):
        refused.name = decoded(answer, _Refusal).error
    return refused


def _keyed(record: _Record, begin: str) -> tuple[Rkey, Cid]:
    if not record.uri.startswith(begin):
        raise Failure("bad_answer", f"asked for {begin}…, the PDS answered {shown(record.uri)}")
    try:
        return parse_rkey(record.uri[len(begin) :]), parse_cid(record.cid)
    except BadId as error:
        raise Failure("bad_answer", str(error)) from error
