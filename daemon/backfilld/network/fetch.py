"""Finds a lexicon on the network: DNS names the account, its document the PDS, there is the record.

The one rule: the document is that of the account that DNS names for exactly this authority, and is
checked as an upload is. It is the word of that account's PDS, over https: the signature of the
repository is not verified. Nothing is cached, for changes of DNS are announced nowhere.
Source: atproto.com/specs/lexicon (publication), com.atproto.repo.getRecord.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import httpx
import msgspec
import trio
from msgspec import Struct

from backfilld_events.ids import Cid, Did, Nsid, parse_cid, shown

from ..asking import ask
from ..clock import Clock
from ..failures import Busy, Failure
from ..lexicons import Document, parse
from .dns import Dns
from .documents import pds_of
from .identity import WITHIN_S, Identity
from .names import LEXICON_SCHEMA, did_in, lexicon_name
from .record import METHOD, record_in

RECORD_BYTES_MAX = 2**20
AT_ONCE = 16
TURN_WITHIN_S = 5.0

Step = Literal["dns", "did", "record", "document"]


class FoundLexicon(Struct, frozen=True):
    """A lexicon as its authority publishes it."""

    document: Document
    authority: Did
    uri: str
    cid: Cid


class NotFetched(Exception):
    """A lexicon could not be fetched: at which step, and what was so."""

    def __init__(self, step: Step, failure: Failure) -> None:
        super().__init__(failure.message)
        self.step, self.kind, self.message = step, failure.kind, failure.message


class Lexicons:
    """Lexicons of the network."""

    def __init__(
        self, dns: Dns, identity: Identity, strangers: httpx.AsyncClient, clock: Clock
    ) -> None:
        self._dns, self._identity = dns, identity
        self._strangers, self._clock = strangers, clock
        self._slots = trio.CapacityLimiter(AT_ONCE)

    async def find(self, nsid: Nsid) -> FoundLexicon:
        """The lexicon of that name. Raises NotFetched, lexicons.LexiconFault, failures.Busy: too
        many others are looked up."""
        with trio.move_on_after(TURN_WITHIN_S) as turn:
            await self._slots.acquire()
        if turn.cancelled_caught:
            raise Busy
        try:
            return await self._found(nsid)
        finally:
            self._slots.release()

    async def _found(self, nsid: Nsid) -> FoundLexicon:
        with _at("dns"):
            name = lexicon_name(nsid)
            authority = did_in(await self._dns.texts(name), name)
        with _at("did"):
            pds = pds_of(await self._identity.document(authority, fresh=True))
        with _at("record"):
            answer = await ask(
                self._strangers,
                "GET",
                f"{pds}/xrpc/{METHOD}",
                body_max=RECORD_BYTES_MAX,
                within_s=WITHIN_S,
                params={"repo": authority, "collection": LEXICON_SCHEMA, "rkey": nsid},
            )
            record = record_in(answer, f"at://{authority}/{LEXICON_SCHEMA}/{nsid}", self._clock())
        document = parse(bytes(record.value))
        with _at("document"):
            _published(document, bytes(record.value), nsid)
        return FoundLexicon(document, authority, record.uri, parse_cid(record.cid))


class _Typed(Struct):
    type: object = msgspec.field(name="$type", default=None)


@contextmanager
def _at(step: Step) -> Iterator[None]:
    try:
        yield
    except Failure as failure:
        raise NotFetched(step, failure) from failure


def _published(document: Document, text: bytes, nsid: Nsid) -> None:
    kind = msgspec.json.decode(text, type=_Typed).type
    if kind != LEXICON_SCHEMA:
        raise Failure("bad_answer", f"the record's $type is {shown(kind)}, not {LEXICON_SCHEMA}")
    if document.id != nsid:
        raise Failure("bad_answer", f"the record holds the lexicon {document.id}")
    if document.warnings:
        raise Failure("bad_answer", document.warnings[0])
