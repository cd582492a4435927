"""Lexicons: upload, list, show, forget."""

from litestar import Response, delete, get, post
from litestar.types import ControllerRouterHandler

from backfilld_events import ids
from backfilld_events.catalog.job import JobStarted
from backfilld_events.ids import Nsid
from backfilld_events.row import Row

from ...backfill.commands import DeleteLexicon, UploadLexicon
from ...lexicons import LexiconFault, parse
from .. import present
from ..door import Asked, Door, actor
from ..problems import BadRequest, decoded, nsid_of
from ..shapes import (
    LexiconBody,
    LexiconDetail,
    LexiconShape,
    LexiconUploadedShape,
)


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @post("/admin/lexicons")
    async def upload(body: bytes, request: Asked) -> Response[LexiconUploadedShape]:
        """Takes in a lexicon; a record lexicon with `backfill` starts a job in the same append."""
        data = decoded(body, LexiconBody)
        try:
            document = parse(bytes(data.lexicon_json))
        except LexiconFault as fault:
            raise BadRequest(400, str(fault), fault.code, fault.hint, fault.path) from fault
        if data.action not in (None, "create", "update", "delete", "upsert"):
            raise BadRequest(
                400, f"invalid action: {ids.shown(data.action)}", "bad-request",
                "create, update, delete or upsert", "action",
            )  # fmt: skip
        target = nsid_of(data.target_collection, "target_collection")
        command = UploadLexicon(document, data.backfill, target)
        done = await door.desk.submit(command, actor(request))
        shape = _uploaded(done.rows, data, document.kind)
        return Response(shape, status_code=201 if shape.revision == 1 else 200)

    @get("/admin/lexicons")
    async def lexicons() -> list[LexiconShape]:
        """All lexicons, by id."""
        return present.lexicons(door.journal.state)

    @get("/admin/lexicons/{nsid:str}")
    async def lexicon(nsid: str) -> LexiconDetail:
        """One lexicon with its document."""
        found = door.journal.state.lexicons.get(Nsid(nsid))
        if found is None or found.deleted:
            raise BadRequest(404, f"lexicon '{nsid[:317]}' not found", "lexicon-not-found")
        return await door.views.lexicon(found)

    @delete("/admin/lexicons/{nsid:str}")
    async def forget(nsid: str, request: Asked) -> None:
        """Forgets a lexicon; its records and Tap's repositories stay."""
        await door.desk.submit(DeleteLexicon(Nsid(nsid)), actor(request))

    return [upload, lexicons, lexicon, forget]


def _uploaded(rows: list[Row], body: LexiconBody, kind: str) -> LexiconUploadedShape:
    first = rows[0].event
    job = next((row for row in rows if isinstance(row.event, JobStarted)), None)
    warnings = [
        f"{name} is HappyView's and does nothing here"
        for name in ("action", "token_cost", "script", "index_hook")
        if getattr(body, name) is not None
    ]
    if body.backfill and kind != "record":
        warnings.append(f"no job was started: this is a {kind} lexicon, it has no records")
    return LexiconUploadedShape(
        id=rows[0].stream.removeprefix("lexicon/"),
        revision=getattr(first, "revision", 0),
        backfill_job_id=None if job is None else job.stream.removeprefix("job/"),
        position=rows[0].position,
        warnings=warnings,
    )
