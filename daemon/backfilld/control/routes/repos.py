"""The repositories of a job as HappyView lists them, and one account's whole history."""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, FromQuery, Parameter
from litestar.types import ControllerRouterHandler

from backfilld_events import ids
from backfilld_events.projections.classes import Class

from .. import covered
from ..covered import Sought
from ..door import Door
from ..jobs.accounts import accounts
from ..problems import BadRequest
from ..shapes.repos import Account, JobRepos, PdsSummary
from ..views.events import POSITION_MAX
from .coverage import Limit, after, following, job_of

HISTORY_MAX = 1_000

# HappyView's words; any other that is none of ours either means all, as there
_PHASES = {
    "fetched": (Class.SYNCED, Class.EMPTY),
    "resolved": (Class.HANDED_OFF, Class.ARRIVING, Class.PARKED, Class.HELD),
}


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @get("/admin/backfill/{job_id:str}/repos", opt={"query": ("phase", "did", "cursor", "limit")})
    async def repos(
        job_id: FromPath[str],
        phase: FromQuery[str | None] = None,
        did: FromQuery[str | None] = None,
        cursor: FromQuery[str | None] = None,
        limit: Limit = 50,
    ) -> JobRepos:
        """The repositories of a job, all of them, page by page; of one `phase`, or one `did`."""
        of = await job_of(door, job_id)
        if did is not None:
            return JobRepos(await door.views.repo_of_job(of, ids.pack_one(_did(did))), None)
        cancelled = of.job is not None and of.job.outcome == "cancelled"
        wanted = _phase(phase or "", cancelled=cancelled)
        found, last = await door.views.repos_of_job(of, wanted, after(cursor), limit)
        return JobRepos(found, following(last))

    @get("/admin/backfill/{job_id:str}/pds-summary")
    async def pds_summary(job_id: FromPath[str]) -> PdsSummary:
        """On which servers the repositories of a job are, as far as we know."""
        return PdsSummary(await door.log_views.by_server(await job_of(door, job_id)))

    @get("/admin/repos/{name:str}", opt={"query": ("before", "limit")})
    async def account(
        name: FromPath[str],
        before: Annotated[int | None, Parameter(ge=1, le=POSITION_MAX)] = None,
        limit: Annotated[int, Parameter(ge=1, le=HISTORY_MAX)] = 100,
    ) -> Account:
        """One account by its DID or handle: how it stands, and its history up to the event
        `before`."""
        (did,) = await accounts(door.handles, name, None)
        found = await door.log_views.account(did, before, limit)
        if found is None:
            raise BadRequest(
                404, "No job has ever seen this account", "repo-not-found",
                f"backfill it: backfillctl start --did {did}",
            )  # fmt: skip
        return found

    return [repos, pds_summary, account]


def _phase(word: str, *, cancelled: bool) -> Sought:
    if word in _PHASES:
        return Sought(tuple(int(kind) for kind in _PHASES[word]))
    return covered.sought(word, cancelled=cancelled) or Sought(tuple(int(kind) for kind in Class))


def _did(text: str) -> ids.Did:
    if not ids.is_did(text):
        raise BadRequest(
            400, f"{ids.shown(text)} is not a DID", "bad-request",
            "a DID looks like did:plc:ewvi7nxzyoun6zhxrhs64oiz", "did",
        )  # fmt: skip
    return text
