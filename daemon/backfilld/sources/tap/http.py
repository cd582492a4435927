"""Tap's HTTP side: hand over DIDs, ask about one, read the counters.

Facts of Tap (indigo 4b983a7) that bind here: an empty list is a 500; a DID is not checked; the
colons in /info/<did> must be literal; an unknown or deleted repository is a 404; the counts of
repositories and records are full scans inside Tap.
"""

from collections.abc import Sequence
from typing import Annotated

import httpx
import msgspec
from msgspec import Meta, Struct

from backfilld_events.ids import TID_PATTERN, Did

from ...asking import Answer, ask, decoded, failure_of
from ...clock import Clock
from ...failures import Failure

BODY_BYTES_MAX = 1 << 20
DIDS_MAX = 3_640  # in one /repos/add: nine variables each, of the 32,766 that SQLite takes
WITHIN_S = 60.0  # counts on a big Tap, and a batch while it is busy, take seconds


_Number = Annotated[int, Meta(ge=0, le=2**53)]


class RepoInfo(Struct, frozen=True):
    """One repository as Tap sees it; `state` is `unknown` when it does not know it."""

    state: Annotated[str, Meta(pattern=r"^[a-z_]{1,32}\Z")]
    error: str = ""
    rev: Annotated[str, Meta(pattern=rf"^({TID_PATTERN})?\Z")] = ""
    records: _Number = 0


class Cursors(Struct, frozen=True):
    """How far Tap has come: the last sequence of the firehose that it handled since it started, 0
    if none; and where it is in a listing of the whole network, if it does that."""

    firehose: _Number = 0
    list_repos: Annotated[str, Meta(max_length=2048)] = ""


class Counters(Struct, frozen=True):
    """Tap's own counts. The outbox buffer is what it has not yet been acked for."""

    repo_count: int
    record_count: int
    outbox_buffer: int
    resync_buffer: int


class _Count(Struct):
    repo_count: _Number | None = None
    record_count: _Number | None = None
    outbox_buffer: _Number | None = None
    resync_buffer: _Number | None = None


class TapHttp:
    """A Tap by its address. The client carries timeouts and password."""

    def __init__(self, client: httpx.AsyncClient, url: str, clock: Clock) -> None:
        self._client, self.url, self._clock = client, url, clock

    async def hand_over(self, dids: Sequence[Did]) -> None:
        """Gives DIDs to Tap (at most DIDS_MAX at once; it ignores those it has). Raises Failure."""
        if not dids:
            return
        await self._ask("POST", "/repos/add", msgspec.json.encode({"dids": dids}))

    async def info(self, did: Did) -> RepoInfo:
        """What Tap knows of a repository. Raises Failure."""
        answer = await ask(
            self._client,
            "GET",
            f"{self.url}/info/{did}",
            body_max=BODY_BYTES_MAX,
            within_s=WITHIN_S,
        )
        if answer.status == 404:
            return RepoInfo(state="unknown")
        if answer.status != 200:
            raise failure_of(answer, self._clock())
        return decoded(answer, RepoInfo)

    async def outbox_buffer(self) -> int:
        """How many events Tap holds that nobody has acked. Raises Failure."""
        return await self._count("outbox-buffer", "outbox_buffer")

    async def counters(self) -> Counters:
        """All four counts; slow on a big Tap. Raises Failure."""
        return Counters(
            repo_count=await self._count("repo-count", "repo_count"),
            record_count=await self._count("record-count", "record_count"),
            outbox_buffer=await self.outbox_buffer(),
            resync_buffer=await self._count("resync-buffer", "resync_buffer"),
        )

    async def cursors(self) -> Cursors:
        """How far it has come. Raises Failure."""
        return decoded(await self._ask("GET", "/stats/cursors"), Cursors)

    async def _count(self, name: str, field: str) -> int:
        answer = await self._ask("GET", f"/stats/{name}")
        found: int | None = getattr(decoded(answer, _Count), field)
        if found is None:
            raise Failure("bad_answer", f"/stats/{name} has no number {field}")
        return found

    async def _ask(self, method: str, path: str, content: bytes | None = None) -> Answer:
        answer = await ask(
            self._client,
            method,
            self.url + path,
            body_max=BODY_BYTES_MAX,
            within_s=WITHIN_S,
            content=content,
        )
        if answer.status != 200:
            raise failure_of(answer, self._clock())
        return answer
