"""Why a repository is not here, as one word of a fixed list, from what Tap says of it.

The words are HappyView's twelve, and some of ours. Tap keeps the text of Go's and indigo's errors
(indigo 4b983a7, cmd/tap, as they were seen); what is not known to us is `other`, never guessed.
"""

import re
from enum import IntEnum
from typing import Final

from msgspec import Struct


class Fault(IntEnum):
    """The number is the storage form; `word` is what people and scripts read."""

    NONE = 0
    DNS_FAILURE = 1
    CONNECTION_FAILED = 2
    TIMEOUT = 3
    PDS_SERVER_ERROR = 4
    RATE_LIMITED = 5
    DID_DOC_NOT_FOUND = 6
    DID_DOC_FORBIDDEN = 7
    DID_DOC_INVALID = 8
    REPO_NOT_FOUND = 9
    REPO_DEACTIVATED = 10
    REPO_TAKENDOWN = 11
    OTHER = 12
    RATE_PARKED = 13
    VERIFY_FAILED = 14
    TOO_LARGE = 15
    REPO_UNREADABLE = 16
    FORGOTTEN = 17
    HANDOFF_REFUSED = 18
    LISTING_FAILED = 19

    @property
    def word(self) -> str:
        """The kind, as the API and the CLI write it."""
        return self.name.lower()


class Meaning(Struct, frozen=True):
    """`retryable`: to try once more by itself may help. `what_to_do` is a sentence for people."""

    retryable: bool
    what_to_do: str


_AGAIN = "Tap tries again by itself; backfillctl retry does it at once"
_FINAL = "nothing: when it fails twice it is taken out of Tap; a new job tries it once more"

MEANINGS: Final[dict[Fault, Meaning]] = {
    Fault.DNS_FAILURE: Meaning(True, f"the name of its server does not resolve. {_AGAIN}"),
    Fault.CONNECTION_FAILED: Meaning(True, f"its server cannot be reached. {_AGAIN}"),
    Fault.TIMEOUT: Meaning(
        True, f"its server did not answer in time. {_AGAIN}; TAP_REPO_FETCH_TIMEOUT gives it longer"
    ),
    Fault.PDS_SERVER_ERROR: Meaning(True, f"its server has an error of its own. {_AGAIN}"),
    Fault.RATE_LIMITED: Meaning(True, f"its server asks for fewer requests. {_AGAIN}"),
    Fault.DID_DOC_NOT_FOUND: Meaning(False, f"the DID is not registered. To do: {_FINAL}"),
    Fault.DID_DOC_FORBIDDEN: Meaning(False, f"the DID was withdrawn. To do: {_FINAL}"),
    Fault.DID_DOC_INVALID: Meaning(False, f"the DID leads to no server. To do: {_FINAL}"),
    Fault.REPO_NOT_FOUND: Meaning(False, f"its server has no such account. To do: {_FINAL}"),
    Fault.REPO_DEACTIVATED: Meaning(
        False, "its owner deactivated the account. To do: nothing; it comes back with the account"
    ),
    Fault.REPO_TAKENDOWN: Meaning(
        False, "its server took the account down. To do: nothing; it comes back with the account"
    ),
    Fault.OTHER: Meaning(False, "read the message, and try: backfillctl retry"),
    Fault.RATE_PARKED: Meaning(
        True, "its server asks for fewer requests, and Tap waits. It is taken up again by itself"
    ),
    Fault.VERIFY_FAILED: Meaning(
        False, "the repository is not signed with the account's key. Its server must mend that"
    ),
    Fault.TOO_LARGE: Meaning(False, "the repository is larger than Tap takes"),
    Fault.REPO_UNREADABLE: Meaning(
        True, f"what its server sent is no whole repository: perhaps it was cut off. {_AGAIN}"
    ),
    Fault.FORGOTTEN: Meaning(
        True, "Tap does not know it: it was removed there, or Tap lost its database. "
        "It is handed over again by itself",
    ),
    Fault.HANDOFF_REFUSED: Meaning(False, "it is no DID; nothing can be fetched for it"),
    Fault.LISTING_FAILED: Meaning(
        True, "the relay did not list the collection to its end: start the job again"
    ),
}  # fmt: skip

_HTTP = re.compile(r"\(HTTP (\d{3})\)(?:: (\w+))?")

_NAMED: Final[dict[str, Fault]] = {
    "RepoNotFound": Fault.REPO_NOT_FOUND,
    "RepoDeactivated": Fault.REPO_DEACTIVATED,
    "RepoTakendown": Fault.REPO_TAKENDOWN,
    "RepoSuspended": Fault.REPO_TAKENDOWN,
    "AccountTakedown": Fault.REPO_TAKENDOWN,
    "AccountDeactivated": Fault.REPO_DEACTIVATED,
}

_NETWORK: Final[tuple[tuple[str, Fault], ...]] = (
    ("no such host", Fault.DNS_FAILURE),
    ("server misbehaving", Fault.DNS_FAILURE),
    ("deadline exceeded", Fault.TIMEOUT),
    ("Client.Timeout", Fault.TIMEOUT),
    ("i/o timeout", Fault.TIMEOUT),
    ("connect:", Fault.CONNECTION_FAILED),
    ("connection reset", Fault.CONNECTION_FAILED),
    ("broken pipe", Fault.CONNECTION_FAILED),
    ("tls:", Fault.CONNECTION_FAILED),
    ("x509:", Fault.CONNECTION_FAILED),
    ("EOF", Fault.CONNECTION_FAILED),
)

_INVALID = ("DID method not supported", "disallowed TLD", "not a simple hostname")


def fault_of(state: str, error: str) -> Fault:
    """The kind of what Tap says: `state` is its word (`unknown` for a 404), `error` its text."""
    if state == "unknown":
        return Fault.FORGOTTEN
    if state == "desynchronized" and not error:
        return Fault.RATE_PARKED  # tap: an empty error means that the host is rate-limiting
    if state != "error":
        return Fault.NONE
    if error.startswith("failed to resolve DID"):
        return _of_identity(error)
    if error.startswith("no PDS endpoint"):
        return Fault.DID_DOC_INVALID
    if error.startswith("failed to get repo"):
        return _of_fetch(error)
    if error.startswith("failed to read repo from CAR"):
        return Fault.REPO_UNREADABLE
    if error.startswith("failed to verify"):
        return Fault.VERIFY_FAILED
    return Fault.OTHER


def _of_identity(error: str) -> Fault:
    if any(text in error for text in _INVALID):
        return Fault.DID_DOC_INVALID
    if "410" in error or "403" in error:
        return Fault.DID_DOC_FORBIDDEN
    if "DID not found" in error or "404" in error:
        return Fault.DID_DOC_NOT_FOUND
    return _of_network(error)


def _of_fetch(error: str) -> Fault:
    if (found := _HTTP.search(error)) is None:
        return Fault.TOO_LARGE if "too large" in error else _of_network(error)
    status, name = int(found[1]), found[2]
    if name in _NAMED:
        return _NAMED[name]
    if status == 429:
        return Fault.RATE_LIMITED
    if status >= 500:
        return Fault.PDS_SERVER_ERROR
    return Fault.OTHER


def _of_network(error: str) -> Fault:
    return next((fault for text, fault in _NETWORK if text in error), Fault.OTHER)


def host_of(error: str) -> str:
    """The server that a text of Tap names; empty when it names none."""
    found = re.search(r'Get "https?://([^/"]{1,253})/', error)
    return found[1] if found else ""
