"""Tap's HTTP side: hand over DIDs and take them out, ask about one, read the counters.

Facts of Tap (indigo 4b983a7) that bind here: an empty list is a 500; a DID is not checked; the
colons in /info/<did> must be literal; an unknown or deleted repository is a 404; the counts of
repositories and records are full scans inside Tap; a list is removed one DID at a time, with no
transaction around it.
"""

import re
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec import Meta, Struct

from backfilld_events.ids import TID_PATTERN, Did

from ...asking import Answer, ask, decoded, failure_of
from ...clock import Clock
from ...failures import Failure

BODY_BYTES_MAX = 1 << 20
DOCUMENT_BYTES_MAX = 64 * 2**10  # a usual one has 1 KB
DIDS_MAX = 3_640  # in one /repos/add: nine variables each, of the 32,766 that SQLite takes
REMOVED_AT_ONCE = 100  # each is a transaction or more inside Tap, and WITHIN_S is for all of them
WITHIN_S = 60.0  # counts on a big Tap, and a batch while it is busy, take seconds
RESOLVED_WITHIN_S = 15.0  # Tap asks the host of the account's own handle, and waits for ever

_USUAL_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._:-]{1,253}", re.ASCII)  # of a name or an address

_Number = Annotated[int, Meta(ge=0, le=2**53)]


class RepoInfo(Struct, frozen=True):
    """One repository as Tap sees it; `state` is `unknown` when it does not know it. `retries` are
    the tries that failed since the last that did not."""

    state: Annotated[str, Meta(pattern=r"^[a-z_]{1,32}\Z")]
    error: str = ""
    rev: Annotated[str, Meta(pattern=rf"^({TID_PATTERN})?\Z")] = ""
    records: _Number = 0
    retries: _Number = 0


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


class _Service(Struct):
    id: object = None
    serviceEndpoint: object = None


class _Document(Struct):
    id: str
    service: list[_Service] | None = None


class TapHttp:
    """A Tap by its address. The client carries timeouts and password."""

    def __init__(self, client: httpx.AsyncClient, url: str, clock: Clock) -> None:
        self._client, self.url, self._clock = client, url, clock

    async def hand_over(self, dids: Sequence[Did]) -> None:
        """Gives DIDs to Tap (at most DIDS_MAX at once; it ignores those it has). Raises Failure."""
        if not dids:
            return
        await self._ask("POST", "/repos/add", msgspec.json.encode({"dids": dids}))

    async def remove(self, dids: Sequence[Did]) -> None:
        """Takes DIDs out of Tap, any number, in batches; it ignores those it does not have. Their
        events that wait in its outbox still come, and a fetch under way goes on. Raises Failure;
        the first ones of the list may then be out, so ask again for all of it."""
        for at in range(0, len(dids), REMOVED_AT_ONCE):
            batch = dids[at : at + REMOVED_AT_ONCE]
            await self._ask("POST", "/repos/remove", msgspec.json.encode({"dids": batch}))

    async def info(self, did: Did) -> RepoInfo:
        """What Tap knows of a repository. Raises Failure."""
        answer = await self._answer("GET", f"/info/{did}")
        if answer.status == 404:
            return RepoInfo(state="unknown")
        if answer.status != 200:
            raise failure_of(answer, self._clock())
        return decoded(answer, RepoInfo)

    async def resolve(self, did: Did) -> str | None:
        """The host of an account's PDS, with its port unless it is the usual one; None: its DID
        document names no PDS that could be asked. A DID that is not to be found is a
        `server_error`, as everything else that goes wrong at Tap's look-up. Raises Failure."""
        answer = await self._ask(
            "GET", f"/resolve/{did}", body_max=DOCUMENT_BYTES_MAX, within_s=RESOLVED_WITHIN_S
        )
        document = decoded(answer, _Document)
        if document.id != did:
            raise Failure("bad_answer", f"the DID document is of {document.id}, not of {did}")
        return _pds_host(document)

    async def repo_count(self) -> int:
        """How many repositories Tap knows; a full count inside Tap. Raises Failure."""
        return await self._count("repo-count", "repo_count")

    async def outbox_buffer(self) -> int:
        """How many events Tap holds that nobody has acked. Raises Failure."""
        return await self._count("outbox-buffer", "outbox_buffer")

    async def counters(self) -> Counters:
        """All four counts; slow on a big Tap. Raises Failure."""
        return Counters(
            repo_count=await self.repo_count(),
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

    async def _ask(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        body_max: int = BODY_BYTES_MAX,
        within_s: float = WITHIN_S,
    ) -> Answer:
        answer = await self._answer(method, path, content, body_max, within_s)
        if answer.status != 200:
            raise failure_of(answer, self._clock())
        return answer

    async def _answer(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        body_max: int = BODY_BYTES_MAX,
        within_s: float = WITHIN_S,
    ) -> Answer:
        return await ask(
            self._client,
            method,
            self.url + path,
            body_max=body_max,
            within_s=within_s,
            content=content,
        )


def _pds_host(document: _Document) -> str | None:
    """By the service that Tap takes: the first one named atproto_pds, whatever its type."""
    for one in document.service or []:
        if isinstance(one.id, str) and one.id.partition("#")[2] == "atproto_pds":
            return _host(one.serviceEndpoint)
    return None


def _host(url: object) -> str | None:
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        name, port = parts.hostname, parts.port
    except ValueError:  # no number where a port should be, a bracket without its other half
        return None
    if not name or parts.scheme not in _USUAL_PORTS or not _HOST.fullmatch(name):
        return None
    return name if port in (None, _USUAL_PORTS[parts.scheme]) else f"{name}:{port}"
