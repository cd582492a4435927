"""What Tap gets when it looks an account up and fetches its repository, in its words. Pure."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

from backfilld_events.ids import BadId, parse_handle

from ..changes import Record
from ..seeded import Fate
from ..world import World

_NO_WEB_TLDS = ("local", "arpa", "invalid", "localhost", "internal", "example", "onion", "alt")
_REFUSALS: dict[Fate, str] = {
    "deactivated": "RepoDeactivated: Repo has been deactivated: ",
    "takendown": "RepoTakendown: Repo has been takendown: ",
    "suspended": "RepoSuspended: Repo has been suspended: ",
    "deleted": "RepoNotFound: Could not find repo for DID: ",
}
_EMPTY_BYTES = (
    "failed to flush final batch: json: error calling MarshalJSON for type atdata.Bytes: "
    "tried to marshal nil $bytes"
)


class Snapshot(NamedTuple):
    """A repository as it was when it was fetched."""

    rev: str
    records: Sequence[Record]


class Failed(NamedTuple):
    """`error` as Tap stores it; None: the host said 429, or had just said so to another fetch.
    `host` is the PDS that was asked, if one was."""

    error: str | None
    host: str | None = None


def no_such_did(did: str) -> str:
    """Why a DID that is no account of the world does not resolve."""
    parts = did.split(":", 2)
    method = parts[1].lower() if len(parts) > 1 else ""
    name = parts[2] if len(parts) > 2 else ""
    if method == "plc":
        return "DID not found: PLC directory 404"
    if method != "web":
        return f"DID method not supported: {method}"
    try:
        parse_handle(name)
    except BadId:
        return f"did:web identifier not a simple hostname: {name}"
    if name.rpartition(".")[2].lower() in _NO_WEB_TLDS:
        return f"did:web hostname has disallowed TLD: {name}"
    return "DID not found: DNS NXDOMAIN"


def fetch(world: World, did: str) -> Snapshot | Failed:
    """A getRepo at the account's PDS, now."""
    ordinal = world.ordinal(did)
    if ordinal is None or (fate := world.fate(ordinal)) == "not_on_plc":
        return Failed(f"failed to resolve DID: {no_such_did(did)}")
    host = world.host(ordinal)
    if world.says_429(ordinal):
        return Failed(None, host)
    if fate == "pds_down":
        url = f"{host}/xrpc/com.atproto.sync.getRepo?did={quote(did, safe='')}"
        why = "dial tcp 127.0.0.1:80: connect: connection refused"
        return Failed(f'failed to get repo: Get "{url}": {why}', host)
    if fate == "empty_bytes":
        return Failed(_EMPTY_BYTES, host)
    if (refusal := _REFUSALS.get(fate)) is not None:
        error = f"failed to get repo: API request failed (HTTP 400): {refusal}{did}"
        return Failed(error, host)
    return Snapshot(world.rev(ordinal), world.records(ordinal))
