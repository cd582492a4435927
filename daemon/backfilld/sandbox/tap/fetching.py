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
_ERRORS: dict[Fate, str] = {
    "empty_bytes": "failed to flush final batch: json: error calling MarshalJSON for type "
    "atdata.Bytes: tried to marshal nil $bytes",
    "pds_500": "failed to get repo: API request failed (HTTP 500): InternalServerError: "
    "Internal Server Error",
    "pds_502": "failed to get repo: API request failed (HTTP 502)",
    "bad_signature": "failed to verify signature: cryptographic signature invalid",
    "cut_car": "failed to read repo from CAR: unexpected EOF",
    "empty_car": "failed to read repo from CAR: EOF",
}
_NO_CONNECTION: dict[Fate, str] = {
    "pds_down": "dial tcp 127.0.0.1:80: connect: connection refused",
    "pds_resets": "EOF",
    "pds_hangs": "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
}


class Snapshot(NamedTuple):
    """A repository as it was when it was fetched."""

    rev: str
    records: Sequence[Record]


class Failed(NamedTuple):
    """`error` as Tap stores it; None: the host said 429, or had just said so to another fetch.
    `host` is the PDS that was asked, if one was; `late`: only after Tap's whole patience."""

    error: str | None
    host: str | None = None
    late: bool = False


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


def pds_of(world: World, did: str) -> str | None:
    """The PDS of an account that resolves, as its DID document has it; "" when that names none.
    None: the DID does not resolve."""
    ordinal = world.ordinal(did)
    if ordinal is None or (fate := world.fate(ordinal)) == "not_on_plc":
        return None
    return "" if fate == "no_pds" else world.host(ordinal)


def fetch(world: World, did: str, now: float) -> Snapshot | Failed:
    """A getRepo at the account's PDS, now."""
    host, ordinal = pds_of(world, did), world.ordinal(did)
    if host is None or ordinal is None:
        return Failed(f"failed to resolve DID: {no_such_did(did)}")
    if not host:
        return Failed(f"no PDS endpoint for DID: {did}")
    fate = world.met(ordinal)
    if (why := _NO_CONNECTION.get(fate)) is not None:
        url = f"{host}/xrpc/com.atproto.sync.getRepo?did={quote(did, safe='')}"
        return Failed(f'failed to get repo: Get "{url}": {why}', host, late=fate == "pds_hangs")
    if world.says_429(ordinal, now):
        return Failed(None, host)
    if (error := _ERRORS.get(fate)) is not None:
        return Failed(error, host)
    if (refusal := _REFUSALS.get(fate)) is not None:
        error = f"failed to get repo: API request failed (HTTP 400): {refusal}{did}"
        return Failed(error, host)
    return Snapshot(world.rev(ordinal), world.fetched(ordinal))
