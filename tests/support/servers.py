"""A PLC directory and PDSes in memory, for httpx: each with ways of its own, as real ones have."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import trio
from benchmarks.tap import repository
from benchmarks.tap.dagcbor import cid_of, encode

from backfilld_events.ids import Cid, Did, Nsid, Rkey

PLC = "http://plc.example"
REV = "3kaaaaaaaaaa2"
Answer = httpx.Response | Exception


class Pds:
    """A server. `records` are what it has, by DID, collection and rkey; the flags are what other
    implementations do: network.md of the protocol, or the docstrings here."""

    def __init__(self, host: str) -> None:
        self.host, self.url = host, f"https://{host}"
        self.records: dict[Did, dict[Nsid, dict[Rkey, Cid]]] = {}
        self.revs: dict[Did, str] = {}
        self.cars: dict[Did, bytes] = {}
        self.inactive: dict[Did, str] = {}
        self.asked: list[str] = []
        self.asked_at: list[float] = []
        self.at_once = self.most_at_once = 0
        self.page_max = 100
        self.takes_s = 0.0
        self.knows_reverse = True
        self.is_inclusive = False  # the cursor's own record comes again
        self.cursor_at_end = True  # a cursor comes with every page that is not empty
        self.says: Callable[[str, httpx.QueryParams], Answer | None] = lambda *_: None

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Answers one request."""
        method = request.url.path.removeprefix("/xrpc/")
        self.asked.append(method.rpartition(".")[2])
        self.asked_at.append(trio.current_time())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await trio.sleep(self.takes_s)
            special = self.says(self.asked[-1], request.url.params)
        finally:
            self.at_once -= 1
        if isinstance(special, Exception):
            raise special
        return special or self._usual(self.asked[-1], request.url.params)

    def _usual(self, method: str, params: httpx.QueryParams) -> httpx.Response:
        did = Did(params.get("did") or params["repo"])
        if method == "getRepoStatus":
            if did not in self.records:
                return refusal("RepoNotFound")
            status = self.inactive.get(did)
            return ok({"did": did, "active": status is None, "status": status or ""})
        if did in self.inactive or did not in self.records:
            return refusal("InvalidRequest", f"Could not find repo: {did}")
        if method == "getLatestCommit":
            return ok({"cid": "bafyreione", "rev": self.revs.get(did, REV)})
        if method == "getRepo":
            return httpx.Response(200, content=self.cars[did])
        return self._page(did, params)

    def _page(self, did: Did, params: httpx.QueryParams) -> httpx.Response:
        if "reverse" in params and not self.knows_reverse:
            return refusal("InvalidRequest", "reverse not supported yet")
        nsid, cursor = Nsid(params["collection"]), params.get("cursor")
        held = sorted(self.records[did].get(nsid, {}).items(), reverse="reverse" not in params)
        if cursor is not None:
            ahead = [rkey for rkey, _ in held]
            at = ahead.index(Rkey(cursor)) + (0 if self.is_inclusive else 1)
            held = held[at:]
        limit = min(int(params["limit"]), self.page_max)
        page = held[:limit]
        body: dict[str, Any] = {
            "records": [
                {"uri": f"at://{did}/{nsid}/{rkey}", "cid": cid, "value": {"$type": nsid}}
                for rkey, cid in page
            ]
        }
        if page and (self.cursor_at_end or len(held) > limit):
            body["cursor"] = page[-1][0]
        return ok(body)


class Servers(httpx.AsyncBaseTransport):
    """All there are."""

    def __init__(self) -> None:
        self.hosts: dict[str, Pds] = {}
        self.documents: dict[str, Any] = {}
        self.looked_up: list[str] = []

    def pds(self, host: str = "pds.example") -> Pds:
        """The server of that name."""
        return self.hosts.setdefault(host, Pds(host))

    def knows(self, did: Did, pds: Pds) -> None:
        """As the directory: the document of an account that signs with a key of its own."""
        key = repository.key_of(did).public_key()
        self.documents[did] = json.loads(repository.document(did, key, pds.url))

    def has(self, did: Did, records: dict[Nsid, dict[Rkey, Cid]], pds: Pds | None = None) -> Pds:
        """An account with these records."""
        server = pds or self.pds()
        self.knows(did, server)
        server.records[did] = records
        return server

    def signs(self, did: Did, paths: list[str], pds: Pds | None = None, rev: str = REV) -> Pds:
        """An account with a signed repository of made-up records."""
        values = [(path, value(path)) for path in paths]
        made = repository.signed(did, rev, values, repository.key_of(did))
        records: dict[Nsid, dict[Rkey, Cid]] = {}
        for path in paths:
            nsid, _, rkey = path.partition("/")
            records.setdefault(Nsid(nsid), {})[Rkey(rkey)] = cid_at(path)
        server = self.has(did, records, pds)
        server.cars[did], server.revs[did] = made.car, rev
        return server

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """httpx's way in."""
        await trio.lowlevel.checkpoint()
        if request.url.host == "plc.example":
            did = request.url.path[1:]
            self.looked_up.append(did)
            found = self.documents.get(did)
            return httpx.Response(404) if found is None else ok(found)
        server = self.hosts.get(request.url.host)
        if server is None:
            raise httpx.ConnectError("nobody listens there", request=request)
        return await server.answer(request)


def value(path: str) -> dict[str, str]:
    """A made-up record."""
    return {"$type": path.partition("/")[0], "text": path}


def cid_at(path: str) -> Cid:
    """The CID of the made-up record at a path."""
    return Cid(str(cid_of(encode(value(path)))))


def ok(body: object) -> httpx.Response:
    """A good answer."""
    return httpx.Response(200, json=body)


def refusal(
    error: str, message: str = "", status: int = 400, headers: dict[str, str] | None = None
) -> httpx.Response:
    """A refusal in the protocol's form."""
    return httpx.Response(status, json={"error": error, "message": message}, headers=headers)
