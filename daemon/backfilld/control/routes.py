"""The API's routes: HappyView's paths and shapes, over the desk (commands) and the views (reads).

The one rule: an answer is given when what it says is durable. Who asked is the peer of the
socket, and stands in the log as the actor.
"""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import msgspec
import trio
from litestar import Request, Response, delete, get, post
from litestar.params import Parameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from backfilld_events import ids
from backfilld_events.catalog.job import JobStarted
from backfilld_events.ids import BadId, Did, Nsid
from backfilld_events.row import Row, utc_text

from .. import __version__
from ..backfill.commands import DeleteLexicon, StartJob, UploadLexicon
from ..backfill.desk import Desk
from ..config import Config
from ..journal import Journal
from ..lexicons import LexiconFault, parse
from . import views as views_module
from .problems import BadRequest, decoded
from .shapes import (
    ChannelShape,
    Health,
    JobDetail,
    JobShape,
    LexiconBody,
    LexiconDetail,
    LexiconShape,
    LexiconUploadedShape,
    LogShape,
    Records,
    StartBody,
    Started,
    Stats,
    TapStats,
)
from .tapstats import TapCounters
from .views import Views

LOG_PAGE = 500
JOBS_IN_HEALTH = 20

Asked = Request[Any, Any, Any]


class Door:
    """What the routes need. `config` is asked for at each request, since a reload changes it."""

    def __init__(
        self,
        desk: Desk,
        journal: Journal,
        views: Views,
        counters: TapCounters,
        config: Callable[[], Config],
        unacked: Callable[[], int],
        rebuilt: bool,
        stop: trio.Event,
    ) -> None:
        self.desk, self.journal, self.views, self.counters = desk, journal, views, counters
        self.config, self.unacked, self.rebuilt, self.stop = config, unacked, rebuilt, stop

    def channel(self) -> ChannelShape:
        """The channel to Tap, as the log has it."""
        source = self.journal.state.source
        return ChannelShape(
            connected=source.connected,
            since=None if source.since is None else utc_text(source.since),
            why=source.why or None,
            unacked=self.unacked(),
        )


def actor(request: Asked) -> str:
    """Who is asking: the user at the other end of the socket."""
    peer = request.scope.get("state", {}).get("peer")
    return "unknown" if peer is None else f"uid:{peer.uid}"


def routes(door: Door) -> list[ControllerRouterHandler]:
    """All of them."""
    return [*_backfill(door), *_lexicons(door), *_reads(door), *_log(door)]


def _backfill(door: Door) -> list[ControllerRouterHandler]:
    @post("/admin/backfill", status_code=201)
    async def start(body: bytes, request: Asked) -> Started:
        """Starts a job; answers as soon as its first event is durable."""
        rows = await door.desk.submit(_command(decoded(body, StartBody)), actor(request))
        detail = await _the_job(door, rows[0].stream.removeprefix("job/"))
        return Started(
            id=detail.id,
            status="failed" if detail.state == "failed" else "pending",
            state=detail.state if detail.state == "failed" else "pending",
            collections=detail.collections,
            position=rows[-1].position,
            error=msgspec.UNSET if detail.error is None else detail.error,
        )

    @get("/admin/backfill/status")
    async def jobs() -> list[JobShape]:
        """Every job, newest first."""
        return await door.views.jobs()

    @get("/admin/backfill/{job_id:str}")
    async def job(job_id: str) -> JobDetail:
        """One job: by its id, a unique beginning of it, or `last`."""
        return await _the_job(door, job_id)

    return [start, jobs, job]


def _lexicons(door: Door) -> list[ControllerRouterHandler]:
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
        target = _nsid(data.target_collection, "target_collection")
        command = UploadLexicon(document, data.backfill, target)
        rows = await door.desk.submit(command, actor(request))
        shape = _uploaded(rows, data, document.kind)
        return Response(shape, status_code=201 if shape.revision == 1 else 200)

    @get("/admin/lexicons")
    async def lexicons() -> list[LexiconShape]:
        """All lexicons, by id."""
        return views_module.lexicons(door.journal.state)

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


def _reads(door: Door) -> list[ControllerRouterHandler]:
    @get("/health", media_type="text/plain")
    async def alive() -> str:
        """That the daemon answers at all."""
        return "ok"

    @get("/admin/health")
    async def health() -> Health:
        """Is anything wrong, in one sentence."""
        shown = await door.views.jobs(JOBS_IN_HEALTH)
        stats = await door.views.stats()
        channel, config = door.channel(), door.config()
        status, verdict = _verdict(shown, channel)
        return Health(
            status=status,
            verdict=verdict,
            version=__version__,
            tap_url=config.tap.url,
            channel=channel,
            relays=list(config.relay.urls),
            records=stats.total_records,
            dead_letters=await door.views.dead_letters(),
            log=LogShape(door.journal.state.position, door.rebuilt),
            jobs=shown,
        )

    @get("/admin/tap/stats")
    async def tap_stats() -> TapStats:
        """Tap's counters; the outbox buffer tells how much is queued."""
        every_s = float(door.config().tap.stats_interval)
        return await door.counters.stats(door.channel(), every_s)

    @get("/admin/stats")
    async def stats() -> Stats:
        """Records in the index, by collection."""
        return await door.views.stats()

    @get("/admin/records")
    async def records(
        collection: str,
        limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
        cursor: str | None = None,
    ) -> Records:
        """Records of a collection, newest first."""
        return await door.views.records(collection, limit, cursor)

    return [alive, health, tap_stats, stats, records]


def _log(door: Door) -> list[ControllerRouterHandler]:
    @get("/admin/log")
    async def log(
        after: Annotated[int, Parameter(ge=0)] = 0,
        tail: Annotated[int, Parameter(ge=0, le=10_000)] = 0,
        stream: str | None = None,
        event_type: Annotated[str | None, Parameter(query="type")] = None,
        limit: Annotated[int, Parameter(ge=1, le=1_000_000)] = 1_000_000,
        follow: bool = False,
    ) -> Stream:
        """Events as JSON, one a line: after a position, or the last `tail`; with `follow` it goes
        on until one of the two sides ends."""
        start = await door.views.tail(tail, stream, event_type) if tail else after
        lines = _lines(door, start, stream, event_type, limit, follow)
        return Stream(lines, media_type="application/x-ndjson")

    return [log]


async def _lines(
    door: Door, after: int, stream: str | None, event_type: str | None, limit: int, follow: bool
) -> AsyncIterator[bytes]:
    while limit > 0:
        news = door.journal.watch()
        end = door.journal.state.position
        page = await door.views.log(after, stream, event_type, min(limit, LOG_PAGE))
        for row in page:
            yield msgspec.json.encode(row) + b"\n"
        limit -= len(page)
        if len(page) == LOG_PAGE:
            after = int(str(page[-1]["position"]))
            continue
        if not follow:
            return
        after = max(end, int(str(page[-1]["position"])) if page else 0)
        while not news.is_set():
            if door.stop.is_set():
                return
            with trio.move_on_after(1):
                await news.wait()


async def _the_job(door: Door, job_id: str) -> JobDetail:
    detail = await door.views.job(job_id)
    if detail is None:
        raise BadRequest(
            404, "backfill job not found", "job-not-found",
            "name it by its id or a beginning that fits one job; see backfillctl jobs",
        )  # fmt: skip
    return detail


def _command(body: StartBody) -> StartJob:
    given = [*([body.did] if body.did is not None else []), *(body.dids or [])]
    if body.dids is not None and not any(entry.strip() for entry in given):
        raise BadRequest(
            400, "no valid accounts given: every entry was blank", "bad-request",
            "name DIDs, or leave dids out to ask the relay", "dids",
        )  # fmt: skip
    dids: list[Did] = []
    bad: list[str] = []
    for entry in given:
        if ids.is_did(entry):
            dids.append(Did(entry))
        else:
            bad.append(ids.shown(entry))
    if bad:
        raise BadRequest(
            400, f"not a DID: {', '.join(bad)}", "bad-did",
            "a DID looks like did:plc:ewvi7nxzyoun6zhxrhs64oiz", "did",
        )  # fmt: skip
    return StartJob(_nsid(body.collection, "collection"), tuple(dict.fromkeys(dids)))


def _nsid(value: str | None, field: str) -> Nsid | None:
    if value is None:
        return None
    try:
        return ids.parse_nsid(value)
    except BadId as error:
        raise BadRequest(400, str(error), "bad-nsid", "name one collection", field) from error


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


def _verdict(jobs: list[JobShape], channel: ChannelShape) -> tuple[str, str]:
    stalled = [job for job in jobs if job.state == "stalled"]
    if stalled:
        return "degraded", f"{len(stalled)} of the jobs cannot go on. {stalled[0].sentence}"
    if not channel.connected:
        why = channel.why or "it has not been reached yet"
        return "degraded", f"No records come in: the channel to Tap is down ({why})."
    running = sum(job.completed_at is None for job in jobs)
    syncing = sum(job.sync.state == "syncing" for job in jobs if job.completed_at is not None)
    if running or syncing:
        return "ok", f"{running} jobs under way, {syncing} more waiting for records from Tap."
    return "ok", "Nothing is waiting."
