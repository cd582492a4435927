"""Comparisons with the servers of the repositories: ask for one, look at it, break it off."""

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from litestar import delete, get, post
from litestar.params import FromPath, RawBody
from litestar.types import ControllerRouterHandler

from backfilld_events.catalog.reconcile import ReconcileAsked
from backfilld_events.ids import Did, Nsid, pack, shown

from ...reconcile.choosing import sample
from ...reconcile.reconciler import AT_ONCE_MAX, Ended, TooMany
from ..door import Asked, Door, actor
from ..jobs.accounts import accounts
from ..problems import BadRequest, decoded, nsid_of
from ..shapes.reconcile import SAMPLE, ReconcileBody, ReconcileShape
from ..words import counted
from .jobs import the_job


class _Where(NamedTuple):
    """In which collections, said in words; of a job, its number."""

    collections: list[Nsid]
    words: str
    job: int | None = None


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @post("/admin/reconcile", status_code=201, opt={"body": ReconcileBody})
    async def ask(body: RawBody, request: Asked) -> ReconcileShape:
        """Begins to compare rows with the servers of their repositories; answers as soon as that
        is durable."""
        wanted = decoded(body, ReconcileBody)
        _check(wanted)
        where = await _where(door, wanted)
        dids = await accounts(door.handles, None, wanted.dids) if wanted.dids is not None else None
        asked = await _asked(door, wanted, where, dids)
        try:
            one = await door.reconciler.ask(asked, actor(request))
        except TooMany as error:
            raise BadRequest(
                409, f"{AT_ONCE_MAX} comparisons are under way", "too-many-comparisons",
                "wait for one of them, or break one off: DELETE /admin/reconcile/{id}",
            ) from error  # fmt: skip
        return await _shape(door, one.id)

    @get("/admin/reconcile/{run:str}")
    async def one(run: FromPath[str]) -> ReconcileShape:
        """A comparison, under way or ended."""
        return await _shape(door, run)

    @delete("/admin/reconcile/{run:str}", status_code=200)
    async def break_off(run: FromPath[str], request: Asked) -> ReconcileShape:
        """Ends a comparison; what was compared by then stays in the log."""
        run = (await _shape(door, run)).id
        try:
            await door.reconciler.break_off(run, actor(request))
        except Ended as error:
            raise BadRequest(
                409, "this comparison has ended", "comparison-ended", "there is nothing to do"
            ) from error
        return await _shape(door, run)

    return [ask, one, break_off]


def _check(wanted: ReconcileBody) -> None:
    for given, other, first, second in (
        (wanted.collection, wanted.job, "job", "collection"),
        (wanted.dids, wanted.sample, "sample", "dids"),
        (wanted.dids, wanted.all or None, "all", "dids"),
        (wanted.dids, wanted.seed, "seed", "dids"),
        (wanted.all or None, wanted.sample, "sample", "all"),
        (wanted.all or None, wanted.seed, "seed", "all"),
    ):
        if given is not None and other is not None:
            raise BadRequest(
                400, f"{first} and {second} do not go together", "bad-request",
                f"leave one of them out: {second} says which repositories already", first,
            )  # fmt: skip


async def _where(door: Door, wanted: ReconcileBody) -> _Where:
    if wanted.job is not None:
        job = await the_job(door, wanted.job)
        return _Where([Nsid(one) for one in job.collections], f"job {job.id}", job.position)
    nsid = nsid_of(wanted.collection, "collection")
    if nsid is not None:
        return _Where([nsid], nsid)
    lexicons = door.journal.state.lexicons.values()
    records = sorted(one.nsid for one in lexicons if one.is_record)
    if not records:
        raise BadRequest(
            400, "there is no record lexicon, so there are no records to compare", "no-lexicon",
            "name a collection", "collection",
        )  # fmt: skip
    words = records[0] if len(records) == 1 else f"{len(records)} collections"
    return _Where(records, words)


async def _asked(
    door: Door, wanted: ReconcileBody, where: _Where, dids: Sequence[Did] | None
) -> ReconcileAsked:
    if wanted.all:
        of = await door.views.comparable(where.collections, where.job)
        return _event(wanted, where, f"all {_repositories(of)} of {where.words}", None)
    if dids is None:
        seed = wanted.seed or secrets.token_hex(4)
        size = SAMPLE if wanted.sample is None else wanted.sample
        chosen = await sample(door.views, where.collections, where.job, size, seed)
        part = f"{len(chosen.dids):,} by chance (seed {seed}) of the {_repositories(chosen.of)}"
        part = part if len(chosen.dids) < chosen.of else f"all {_repositories(chosen.of)}"
        return _event(wanted, where, f"{part} of {where.words}", chosen.dids)
    return _event(wanted, where, f"{_repositories(len(dids))} by name, {where.words}", dids)


def _repositories(n: int) -> str:
    return counted(n, "repository", "repositories")


def _event(
    wanted: ReconcileBody, where: _Where, scope: str, dids: Sequence[Did] | None
) -> ReconcileAsked:
    return ReconcileAsked(
        scope=scope,
        collections=where.collections,
        method=wanted.method,
        count=None if dids is None else len(dids),
        dids=pack(dids or ()),
        job=where.job,
        repair=wanted.repair,
    )


async def _shape(door: Door, run: str) -> ReconcileShape:
    found = await door.views.comparison(run) if "*" not in run else None
    if found is None:
        raise BadRequest(
            404, f"no comparison {shown(run)}", "comparison-not-found",
            "its id is in the answer to POST /admin/reconcile, and in the log: reconcile.asked",
        )  # fmt: skip
    return found
