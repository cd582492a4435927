"""One record as its account's server has it now.

The one rule: it is the word of that server, over https: the signature of the repository is not
verified, and the CID is not held against the content. The rev is asked for before the record, so
that what is found is never older than its rev says; whatever happens to it later has a newer one.
Source: com.atproto.repo.getRecord, com.atproto.sync.getLatestCommit.
"""

from msgspec import Raw, Struct

from backfilld_events.ids import BadId, Cid, Did, Nsid, Rev, Rkey, parse_cid, shown

from ..asking import Answer, decoded, failure_of, said
from ..clock import Clock
from ..failures import Failure
from .documents import pds_of
from .identity import Identity
from .pds import PdsClient

METHOD = "com.atproto.repo.getRecord"
RECORD_BYTES_MAX = 8 * 2**20  # a block of the protocol's largest size, as JSON


class RecordNow(Struct, frozen=True):
    """A record not before `rev`; `cid` and `body` (JSON, as it came) None: it is not there."""

    rev: Rev
    cid: Cid | None
    body: bytes | None


class PdsRecord(Struct):
    """The answer of getRecord, whose URI and CID have been checked."""

    uri: str
    value: Raw
    cid: str = ""


class _Refusal(Struct):
    error: str = ""
    message: str = ""


class Records:
    """Single records of strangers."""

    def __init__(self, identity: Identity, pds: PdsClient, clock: Clock) -> None:
        self._identity, self._pds, self._clock = identity, pds, clock

    async def now(self, did: Did, collection: Nsid, rkey: Rkey) -> RecordNow:
        """The record as it is. Raises Failure, also for an account that its server does not show:
        of such a one it is not known whether the record is there."""
        at = pds_of(await self._identity.document(did, fresh=True))
        rev = await self._pds.latest_rev(at, did)
        asked = {"repo": did, "collection": collection, "rkey": rkey}
        answer = await self._pds.answer(at, METHOD, asked, RECORD_BYTES_MAX)
        if is_missing(answer):
            return RecordNow(rev, None, None)
        record = record_in(answer, f"at://{did}/{collection}/{rkey}", self._clock())
        body = bytes(record.value)
        if not body.startswith(b"{") or not _is_text(body):
            raise Failure("bad_answer", "the record is no JSON object")
        return RecordNow(rev, parse_cid(record.cid), body)


def record_in(answer: Answer, uri: str, now: float) -> PdsRecord:
    """The record `uri` that a server answered with. Raises Failure."""
    if is_missing(answer):
        raise Failure("not_found", f"there is no record {uri} ({said(answer)})")
    if answer.status != 200:
        raise failure_of(answer, now)
    record = decoded(answer, PdsRecord)
    if record.uri != uri:  # a PDS may pass the question on to somebody else
        raise Failure("bad_answer", f"asked for {uri}, the PDS answered {shown(record.uri)}")
    try:
        parse_cid(record.cid)
    except BadId as error:
        raise Failure("bad_answer", str(error)) from error
    return record


def _is_text(body: bytes) -> bool:
    """Whether it is UTF-8: what is passed over as a whole was not looked into."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_missing(answer: Answer) -> bool:
    """Whether the PDS says that it has no such record: it says so too of an account that it does
    not have or does not show. The reference PDS answers 400, others 404."""
    if answer.status == 200:
        return False
    try:
        body = decoded(answer, _Refusal)
    except Failure:
        return answer.status == 404
    return (
        answer.status == 404
        or body.error == "RecordNotFound"
        or body.message.startswith("Could not locate record")
    )
