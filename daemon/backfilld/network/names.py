"""Names in DNS and on the web that lead to an account. Pure.

Sources: atproto.com/specs/handle, /did and /lexicon (authority); did:web of the W3C.
"""

from collections.abc import Collection, Iterable

from backfilld_events.ids import BadId, Did, Handle, Nsid, all_plc, parse_did, parse_handle, shown

from ..failures import Failure

LEXICON_SCHEMA = Nsid("com.atproto.lexicon.schema")

# of these a handle can never be; `test` is for development
_TLDS_REFUSED = frozenset(
    ("alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion", "test")
)
_DID_WEB = "did:web:"


def lexicon_name(nsid: Nsid) -> str:
    """The name whose TXT record says who speaks for `nsid`: its authority alone, no parent."""
    authority, _, _ = nsid.rpartition(".")
    return "_lexicon." + ".".join(reversed(authority.lower().split(".")))


def handle_name(handle: Handle) -> str:
    """The name whose TXT record says whose `handle` is."""
    return f"_atproto.{handle}"


def public_handle(text: str, *, development: bool) -> Handle:
    """`text` as a handle that may be looked up. Raises BadId."""
    handle = parse_handle(text)
    tld = handle.rpartition(".")[2]
    if tld in _TLDS_REFUSED and not (development and tld == "test"):
        raise BadId("a handle", text, f"no account can have one under .{tld}")
    return handle


def did_in(texts: Iterable[str], name: str) -> Did:
    """The DID that the TXT records of `name` say. Raises Failure: `not_found` for none."""
    said = {text.removeprefix("did=") for text in texts if text.startswith("did=")}
    if not said:
        raise Failure("not_found", f"no TXT record of {name} says did=…")
    if len(said) > 1:
        raise Failure("bad_answer", f"the TXT records of {name} name {len(said)} different DIDs")
    return supported(said.pop())


def supported(text: object) -> Did:
    """`text` as a DID of the two methods that are in use. Raises Failure."""
    try:
        did = parse_did(text)
    except BadId as error:
        raise Failure("bad_answer", str(error)) from error
    if not (all_plc([did]) or did.startswith(_DID_WEB)):
        raise Failure("bad_answer", f"{shown(did)} is neither a did:plc nor a did:web")
    return did


def web_document(did: Did, allowed: Collection[str]) -> str:
    """Where the document of a did:web is. A port is for hosts in `allowed`, and these speak http.
    Raises Failure."""
    host, mark, port = did.removeprefix(_DID_WEB).partition("%3A")
    if f"{host}:{port}" in allowed:
        return f"http://{host}:{port}/.well-known/did.json"
    if mark:
        raise Failure("bad_answer", f"{shown(did)} has a port; a did:web is a host name alone")
    try:
        host = public_handle(host, development=bool(allowed))
    except BadId as error:
        raise Failure("bad_answer", str(error)) from error
    return f"https://{host}/.well-known/did.json"
