"""Lexicons: upload, list, show, forget."""

import msgspec
from litestar import Response, delete, get, post
from litestar.params import FromPath, RawBody
from litestar.types import ControllerRouterHandler
from msgspec import Raw, Struct

from backfilld_events import ids
from backfilld_events.folds.lexicon import Lexicon
from backfilld_events.ids import Nsid

from ...backfill.commands import DeleteLexicon, UploadLexicon
from ...lexicons import LexiconFault, parse
from .. import present
from ..door import Asked, Door, actor
from ..problems import BadRequest, decoded, nsid_of
from ..shapes import LexiconBody, LexiconDetail, LexiconShape, LexiconUploadedShape
from ..uploads import take_in, unparsed

_ACTIONS = (None, "create", "update", "delete", "upsert")
_UNUSED = ("action", "token_cost", "script", "index_hook")


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @post("/admin/lexicons", status_code=201, opt={"body": LexiconBody})
    async def upload(body: RawBody, request: Asked) -> Response[LexiconUploadedShape]:
        """Takes in a lexicon; a record lexicon with `backfill` starts a job in the same append."""
        data = decoded(body, LexiconBody)
        try:
            document = parse(bytes(data.lexicon_json))
        except LexiconFault as fault:
            raise unparsed(fault) from fault
        if data.action not in _ACTIONS:
            raise BadRequest(
                400,
                f"invalid action {ids.shown(data.action)}: "
                "must be create, update, delete, or upsert",
                "bad-request", "or leave it out: it does nothing here", "action",
            )  # fmt: skip
        target = nsid_of(data.target_collection, "target_collection")
        taken = await take_in(door, request, UploadLexicon(document, data.backfill, target))
        unused = [name for name in _UNUSED if getattr(data, name) is not None]
        shape = LexiconUploadedShape(
            id=document.id,
            revision=taken.revision,
            backfill_job_id=taken.job_id,
            backfill_error=taken.job_error,
            position=taken.rows[0].position,
            warnings=[
                *(f"{name} is HappyView's and does nothing here" for name in unused),
                *taken.warnings,
            ],
        )
        return Response(shape, status_code=201 if taken.is_new else 200)

    @get("/admin/lexicons")
    async def lexicons() -> list[LexiconShape]:
        """All lexicons, by id."""
        held = door.journal.state.lexicons.values()
        there = sorted((one for one in held if not one.deleted), key=lambda one: one.nsid)
        return [await _shape(door, one) for one in there]

    @get("/admin/lexicons/{nsid:str}")
    async def lexicon(nsid: FromPath[str]) -> LexiconDetail:
        """One lexicon with its document."""
        found = door.journal.state.lexicons.get(Nsid(nsid))
        if found is None or found.deleted:
            raise BadRequest(404, f"lexicon '{nsid[:317]}' not found", "lexicon-not-found")
        return await door.views.lexicon(found)

    @delete("/admin/lexicons/{nsid:str}")
    async def forget(nsid: FromPath[str], request: Asked) -> None:
        """Forgets a lexicon; its records and Tap's repositories stay."""
        await door.desk.submit(DeleteLexicon(Nsid(nsid)), actor(request))

    return [upload, lexicons, lexicon, forget]


class _Main(Struct):
    record: Raw


class _Defs(Struct):
    main: _Main


class _Document(Struct):
    defs: _Defs


async def _shape(door: Door, lexicon: Lexicon) -> LexiconShape:
    """As a list shows it: with the schema of a record, which stands in its document."""
    shape = present.lexicon_shape(lexicon)
    if lexicon.is_record:
        text = (await door.views.lexicon(lexicon)).lexicon_json
        shape.record_schema = msgspec.json.decode(text, type=_Document).defs.main.record
    return shape
