"""Who an account is: its DID's document, and whose a handle is.

The one rule: a handle belongs to a DID only if each of the two names the other. Documents are kept
for some minutes; whoever acts on a failure of a PDS asks for a fresh one first.
Source: atproto.com/specs/did and /handle; a PLC directory's GET /:did.
"""

from urllib.parse import urljoin

import httpx
import trio

from backfilld_events.ids import Did, Handle

from ..asking import Answer, ask, failure_of
from ..clock import Clock
from ..failures import Failure
from .dns import Dns
from .documents import DOCUMENT_BYTES_MAX, DidDocument, read
from .names import did_in, handle_name, public_handle, supported, web_document
from .recent import Recent

WITHIN_S = 10.0  # for one answer
TTL_S = 300.0
DOCUMENTS_MAX = 10_000
HANDLE_BYTES_MAX = 2048
REDIRECTS_MAX = 3


class Identity:
    """Asks the PLC directory of the configuration (`plc`, trusted as far as that) and hosts of
    strangers (`strangers`, over the guard)."""

    def __init__(
        self,
        plc: httpx.AsyncClient,
        strangers: httpx.AsyncClient,
        dns: Dns,
        plc_url: str,
        allowed: frozenset[str],
        clock: Clock,
    ) -> None:
        self._plc, self._strangers, self._dns = plc, strangers, dns
        self._plc_url, self._allowed, self._clock = plc_url.rstrip("/"), allowed, clock
        self._recent: Recent[Did, DidDocument] = Recent(DOCUMENTS_MAX, TTL_S)

    async def document(self, did: Did, *, fresh: bool = False) -> DidDocument:
        """The document of a did:plc or did:web. Raises Failure."""
        known = None if fresh else self._recent.get(did, trio.current_time())
        if known is not None:
            return known
        if supported(did).startswith("did:plc:"):
            client, url = self._plc, f"{self._plc_url}/{did}"
        else:
            client, url = self._strangers, web_document(did, self._allowed)
        answer = await ask(client, "GET", url, body_max=DOCUMENT_BYTES_MAX, within_s=WITHIN_S)
        if answer.status in (404, 410):  # 410: ended for good, as a PLC directory may say
            raise Failure("not_found", f"there is no document of {did}")
        if answer.status != 200:
            raise failure_of(answer, self._clock())
        document = read(answer.body, did)
        self._recent.put(did, document, trio.current_time())
        return document

    async def did_of(self, name: str) -> Did:
        """The DID that the handle `name` belongs to. Raises Failure, ids.BadId."""
        handle = public_handle(name, development=bool(self._allowed))
        did = await self._said_of(handle)
        document = await self.document(did)
        if document.handle != handle:
            named = document.handle or "no handle"
            raise Failure("bad_answer", f"it leads to {did}, whose document names {named}")
        return did

    async def _said_of(self, handle: Handle) -> Did:
        """What DNS says, and only when it says nothing, what the host says."""
        name = handle_name(handle)
        try:
            texts = await self._dns.texts(name)
        except Failure as failure:
            by_dns = failure
        else:
            try:
                return did_in(texts, name)
            except Failure as failure:
                if failure.kind != "not_found":
                    raise
                by_dns = failure
        try:
            return await self._said_by_host(handle)
        except Failure as failure:
            both = f"{by_dns.message}; by https: {failure.message}"
            raise Failure(failure.kind, both) from failure

    async def _said_by_host(self, handle: Handle) -> Did:
        url = f"https://{handle}/.well-known/atproto-did"
        for _ in range(REDIRECTS_MAX + 1):
            answer = await ask(
                self._strangers, "GET", url, body_max=HANDLE_BYTES_MAX, within_s=WITHIN_S
            )
            location = answer.headers.get("location")
            if location is None or not 300 <= answer.status < 400:
                return self._did_in(answer)
            try:
                url = urljoin(url, location)
            except ValueError as error:  # a host in half a bracket, say
                raise Failure("bad_answer", "it leads to what is no address") from error
        raise Failure("bad_answer", f"more than {REDIRECTS_MAX} redirects")

    def _did_in(self, answer: Answer) -> Did:
        if answer.status == 404:
            raise Failure("not_found", "answered 404")
        if not 200 <= answer.status < 300:
            raise failure_of(answer, self._clock())
        return supported(answer.body.decode(errors="replace").strip())
