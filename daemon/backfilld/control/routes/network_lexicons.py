"""Lexicons of the network: look one up, take one in, list and forget those that were taken in."""

from litestar import delete, get, post
from litestar.params import FromPath, RawBody
from litestar.types import ControllerRouterHandler
from msgspec import Raw

from backfilld_events.folds.lexicon import Lexicon
from backfilld_events.ids import BadId, Nsid, parse_nsid, shown
from backfilld_events.row import utc_text

from ...backfill.commands import DeleteLexicon, FoundOn, UploadLexicon
from ...failures import Busy
from ...lexicons import LexiconFault
from ...network.fetch import FoundLexicon, NotFetched, Step
from ...network.names import LEXICON_SCHEMA, lexicon_name
from ..door import Asked, Door, actor
from ..problems import BadRequest, decoded, network_busy, nsid_of
from ..shapes.network import (
    NetworkLexiconAdded,
    NetworkLexiconBody,
    NetworkLexiconShape,
    ResolvedLexicon,
)
from ..uploads import take_in, unparsed

_RETRY = frozenset({"timeout", "server_error", "unreachable", "rate_limited", "cut"})


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @post("/admin/network-lexicons", status_code=201, opt={"body": NetworkLexiconBody})
    async def add(body: RawBody, request: Asked) -> NetworkLexiconAdded:
        """Fetches a lexicon from where its authority publishes it, and takes it in."""
        data = decoded(body, NetworkLexiconBody)
        nsid = _nsid(data.nsid)
        target = nsid_of(data.target_collection, "target_collection")
        found = await _found(door, nsid)
        on = FoundOn(found.authority, found.uri, found.cid)
        command = UploadLexicon(found.document, data.backfill, target, found_on=on)
        taken = await take_in(door, request, command)
        return NetworkLexiconAdded(
            nsid=nsid,
            authority_did=found.authority,
            revision=taken.revision,
            backfill_job_id=taken.job_id,
            backfill_error=taken.job_error,
            position=taken.rows[0].position,
            uri=found.uri,
            cid=found.cid,
            warnings=taken.warnings,
        )

    @get("/admin/network-lexicons")
    async def added() -> list[NetworkLexiconShape]:
        """Those that were taken in from the network, by NSID."""
        held = door.journal.state.lexicons.values()
        return [_shape(one) for one in sorted(held, key=lambda one: one.nsid) if _is_added(one)]

    @get("/admin/network-lexicons/resolve/{nsid:str}")
    async def resolve(nsid: FromPath[str]) -> ResolvedLexicon:
        """Fetches a lexicon and shows it; nothing is kept."""
        found = await _found(door, _nsid(nsid))
        return ResolvedLexicon(
            nsid=found.document.id,
            authority_did=found.authority,
            type=found.document.kind,
            lexicon_json=Raw(found.document.text),
            uri=found.uri,
            cid=found.cid,
        )

    @delete("/admin/network-lexicons/{nsid:str}")
    async def forget(nsid: FromPath[str], request: Asked) -> None:
        """Forgets a lexicon that came from the network; its records stay."""
        found = door.journal.state.lexicons.get(Nsid(nsid))
        if found is None or not _is_added(found):
            raise BadRequest(
                404, f"network lexicon '{shown(nsid)[1:-1]}' not found", "lexicon-not-found",
                "one that was uploaded is forgotten by DELETE /admin/lexicons/…",
            )  # fmt: skip
        await door.desk.submit(DeleteLexicon(found.nsid), actor(request))

    return [add, added, resolve, forget]


async def _found(door: Door, nsid: Nsid) -> FoundLexicon:
    """The lexicon out there. Raises BadRequest."""
    try:
        return await door.network.lexicons.find(nsid)
    except LexiconFault as fault:
        raise unparsed(fault) from fault
    except Busy as error:
        raise network_busy() from error
    except NotFetched as failure:
        status = 400 if failure.step in ("dns", "document") else 502
        if failure.step == "record" and failure.kind == "not_found":
            status = 404
        text = f"could not fetch {nsid}: {failure.message}"
        if failure.step == "document":
            text = f"failed to parse lexicon: {failure.message}"
        code = f"lexicon-{failure.step}-{failure.kind.replace('_', '-')}"
        raise BadRequest(status, text, code, _hint(failure, nsid), "nsid") from failure


def _hint(failure: NotFetched, nsid: Nsid) -> str:
    if failure.kind in _RETRY:
        return "try again later"
    if failure.kind == "not_allowed":
        return "only public hosts are asked; identity.allow_hosts is for development"
    hints: dict[Step, str] = {
        "dns": f"its authority publishes it by a TXT record of {lexicon_name(nsid)}: did=DID",
        "did": "the account that DNS names has no document that leads to its records",
        "record": f"its authority has to publish it as a record {LEXICON_SCHEMA}/{nsid}",
        "document": "whoever published it has to correct it",
    }
    return f"{hints[failure.step]}; you may upload a copy: backfillctl lexicon add FILE"


def _nsid(text: str) -> Nsid:
    try:
        return parse_nsid(text)
    except BadId as error:
        raise BadRequest(400, str(error), "bad-nsid", "name one lexicon", "nsid") from error


def _is_added(lexicon: Lexicon) -> bool:
    return lexicon.authority is not None and not lexicon.deleted


def _shape(lexicon: Lexicon) -> NetworkLexiconShape:
    return NetworkLexiconShape(
        nsid=lexicon.nsid,
        authority_did=lexicon.authority or "",
        target_collection=lexicon.target_collection,
        last_fetched_at=utc_text(lexicon.updated_at),
        created_at=utc_text(lexicon.created_at),
    )
