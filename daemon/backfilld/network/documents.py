"""DID documents: whose they are, by which handle, on which server. Pure.

Source: atproto.com/specs/did; the older form of documents has relative ids.
"""

from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from backfilld_events.ids import BadId, Did, Handle, parse_handle, shown

from ..failures import Failure

DOCUMENT_BYTES_MAX = 64 * 2**10  # a usual one has 1 KB
_HANDLE = "at://"


class SigningKey(Struct, frozen=True):
    """The key of a repository as the document writes it; nothing is checked."""

    type: str
    multibase: str


class DidDocument(Struct, frozen=True):
    """What we want to know of one. `handle` is claimed, until it is found to lead back here;
    `pds` is what the document says, see `pds_of`."""

    did: Did
    handle: Handle | None
    pds: str | None
    key: SigningKey | None = None


class _Service(Struct):
    id: object = None
    type: object = None
    serviceEndpoint: object = None


class _Method(Struct):
    id: object = None
    type: object = None
    publicKeyMultibase: object = None


class _Body(Struct):
    id: str
    alsoKnownAs: list[object] | None = None
    service: list[_Service] | None = None
    verificationMethod: list[_Method] | None = None


def read(body: bytes, did: Did) -> DidDocument:
    """The document of `did`. Raises Failure."""
    try:
        found = msgspec.json.decode(body, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Failure("bad_answer", f"the DID document cannot be read: {error}") from error
    if found.id != did:
        raise Failure("bad_answer", f"the DID document is of {shown(found.id)}, not of {did}")
    return DidDocument(
        did,
        _handle(found.alsoKnownAs or []),
        _pds(found.service or []),
        _key(found.verificationMethod or []),
    )


def pds_of(document: DidDocument) -> str:
    """Where its repository is: scheme, host and perhaps a port. Raises Failure."""
    if document.pds is None:
        raise Failure("not_found", f"the document of {document.did} names no PDS")
    try:
        parts = urlsplit(document.pds)
        usual = parts.port != 0 and parts.username is None and parts.password is None
    except ValueError:
        parts, usual = urlsplit(""), False
    rest = parts.path not in ("", "/") or parts.query or parts.fragment
    if not usual or not parts.hostname or rest or parts.scheme not in ("http", "https"):
        raise Failure("bad_answer", f"{shown(document.pds)} is no address of a PDS")
    return f"{parts.scheme}://{parts.netloc.lower()}"  # one host has one name: it is asked politely


def _handle(names: list[object]) -> Handle | None:
    for name in names:
        if isinstance(name, str) and name.startswith(_HANDLE):
            try:
                return parse_handle(name.removeprefix(_HANDLE))
            except BadId:
                continue
    return None


def _pds(services: list[_Service]) -> str | None:
    for one in services:
        ours = isinstance(one.id, str) and one.id.endswith("#atproto_pds")
        if ours and one.type == "AtprotoPersonalDataServer":
            return one.serviceEndpoint if isinstance(one.serviceEndpoint, str) else None
    return None


def _key(methods: list[_Method]) -> SigningKey | None:
    for one in methods:
        if isinstance(one.id, str) and one.id.endswith("#atproto"):
            kind, key = one.type, one.publicKeyMultibase
            usual = isinstance(kind, str) and isinstance(key, str)
            return SigningKey(str(kind), str(key)) if usual else None
    return None
