"""The directory of DIDs and the servers of repositories, as far as a comparison asks them.

The one rule: what is listed is the world as it is now, in whatever state Tap is.
Sources: a PLC directory's GET /:did; com.atproto.repo.listRecords,
com.atproto.sync.getLatestCommit and getRepoStatus of the reference PDS.
"""

from backfilld_events.ids import Nsid

from .echo import json_of
from .http import Answer, Cut, Hang, Request, Response
from .seeded import Fate
from .tap.fetching import pds_of
from .world import World

_XRPC = "/xrpc/com.atproto."
_PAGE = 50  # records, when nobody says how many
_FAULTS: dict[Fate, Answer] = {
    "pds_hangs": Hang(),
    "pds_resets": Cut(),
    "pds_500": json_of(500, {"error": "InternalServerError"}),
    "pds_502": Response(502),
}


class Servers:
    """All that a world has."""

    def __init__(self, world: World) -> None:
        self._world = world

    def is_up(self, host: str) -> bool:
        """Whether a server of repositories listens at this address, as `World.host` has it."""
        is_one = host.endswith(".pds.test") and host != "http://down.pds.test"
        return is_one and self._world.pds(host).fate != "pds_down"

    async def directory(self, request: Request) -> Answer:
        """Answers as the directory: the document of an account."""
        did = request.path[1:]
        pds, ordinal = pds_of(self._world, did), self._world.ordinal(did)
        if pds is None or ordinal is None:
            return json_of(404, {"message": f"DID not registered: {did}"})
        service = {
            "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": pds,
        }  # fmt: skip
        handle = f"at://{self._world.handle(ordinal)}"
        return json_of(200, {"id": did, "alsoKnownAs": [handle], "service": [service] * bool(pds)})

    async def pds(self, request: Request) -> Answer:
        """Answers as the server of an account."""
        did = request.first("did") or request.first("repo")
        ordinal = self._world.ordinal(did)
        if ordinal is None:
            return _refusal("RepoNotFound", did)
        if (fault := _FAULTS.get(self._world.met(ordinal))) is not None:
            return fault
        status = self._world.status(ordinal)
        if request.path == f"{_XRPC}sync.getRepoStatus":
            return json_of(200, {"did": did, "active": status == "active", "status": status})
        if status != "active":
            return _refusal("RepoNotFound", did)
        if request.path == f"{_XRPC}sync.getLatestCommit":
            return json_of(200, {"cid": "bafyrei", "rev": self._world.rev(ordinal)})
        if request.path == f"{_XRPC}repo.listRecords":
            return self._page(request, did, ordinal)
        return json_of(501, {"error": "MethodNotImplemented"})

    def _page(self, request: Request, did: str, ordinal: int) -> Response:
        nsid, cursor = Nsid(request.first("collection")), request.first("cursor")
        oldest_first = request.first("reverse") == "true"
        found = [one for one in self._world.records(ordinal) if one.collection == nsid]
        found.sort(key=lambda one: one.rkey, reverse=not oldest_first)
        if cursor:
            found = [
                one for one in found if (one.rkey > cursor if oldest_first else one.rkey < cursor)
            ]
        page = found[: int(request.first("limit") or _PAGE)]
        records = [{"uri": f"at://{did}/{one.path}", "cid": one.cid, "value": {}} for one in page]
        return json_of(200, {"records": records} | ({"cursor": page[-1].rkey} if page else {}))


def _refusal(error: str, did: str) -> Response:
    return json_of(400, {"error": error, "message": f"Could not find repo: {did}"})
