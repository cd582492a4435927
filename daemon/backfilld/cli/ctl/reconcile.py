"""backfillctl reconcile: our rows compared with the servers where the repositories are."""

import re
import time
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import click

from ...control.shapes.reconcile import SAMPLE, SAMPLE_MAX, ReconcileShape
from .. import say
from . import text
from .faults import Fault
from .frame import TIMEOUT_S, Ctl, read
from .options import NSID
from .outages import Patience
from .verbs import verb

PATH = "/admin/reconcile"
CHOOSING_S = 120.0  # a sample of 100,000 is looked up one by one
POLL_S, POLL_S_MAX = 0.25, 5.0
_JOB = re.compile(r"last|[0-9a-f-]+")


@verb(
    "reconcile",
    ("backfillctl reconcile net.example.score", f"a sample of {SAMPLE} repositories"),
    ("backfillctl reconcile last --all", "all that the newest job found"),
    ("backfillctl reconcile --did did:plc:ewvi7nxzyoun6zhxrhs64oiz", "one account"),
    ("backfillctl reconcile net.example.score --method repo", "by signed repositories"),
    ("backfillctl reconcile --follow 5c0a", "one that was begun"),
)
@click.argument("what", metavar="[NSID|JOB]", required=False, type=NSID)
@click.option(
    "--did", "dids", multiple=True, metavar="DID", help="This account or handle; repeatable."
)
@click.option(
    "--sample",
    type=click.IntRange(1, SAMPLE_MAX),
    metavar="N",
    help=f"So many repositories, by chance; {SAMPLE} if nothing is said.",
)
@click.option("--seed", metavar="TEXT", help="The same seed, the same sample; it is in the answer.")
@click.option("--all", "everything", is_flag=True, help="All repositories.")
@click.option(
    "--method",
    type=click.Choice(["list", "repo"]),
    default="list",
    help="list: the server's word; repo: the signed repository, verified.",
)
@click.option("--repair", is_flag=True, help="Fetch again what differs.")
@click.option("--follow", metavar="ID", help="Wait for one that was begun; begin none.")
@click.option("--stop", metavar="ID", help="Break one off.")
def reconcile(
    ctl: Ctl, what: str | None, dids: tuple[str, ...], sample: int | None, seed: str | None,
    everything: bool, method: str, repair: bool, follow: str | None, stop: str | None,
) -> int:  # fmt: skip
    """Compare rows with the servers where the repositories are, and say in one line what differs.
    Exit 7 if something does, or if nothing could be compared."""
    asked: dict[str, Any] = {"method": method, "repair": repair}
    if what is not None:
        asked["job" if _JOB.fullmatch(what) else "collection"] = what
    if dids:
        asked["dids"] = list(dids)
    if sample is not None:
        asked["sample"] = sample
    if seed is not None:
        asked["seed"] = seed
    if everything:
        asked["all"] = True
    runs = [run for run in (follow, stop) if run is not None]
    if runs and (len(asked) > 2 or repair or method != "list" or len(runs) > 1):
        raise click.UsageError("--follow and --stop go with nothing else")
    if "" in runs:
        raise click.UsageError("a blank id names no comparison")
    if stop is not None:
        ctl.delete(_path(stop))
        return _told(ctl, ctl.get(_path(stop)))
    if follow is not None:
        return _told(ctl, _ended(ctl, follow))
    body = ctl.patient(CHOOSING_S).post(PATH, asked)
    return _told(ctl, _ended(ctl, read(body, ReconcileShape).id))


def _told(ctl: Ctl, body: Any) -> int:
    one = read(body, ReconcileShape)
    if ctl.as_data:
        ctl.put(body)
    else:
        say.out(one.sentence)
    is_empty = one.compared > 0 and one.unread == one.compared
    return say.HONEST_NO if one.differing or is_empty or one.why is not None else say.OK


def _ended(ctl: Ctl, run: str) -> Any:
    """The comparison when it has ended. A daemon that is restarted meanwhile is waited for."""
    deadline = float("inf") if ctl.timeout_s is None else time.monotonic() + ctl.timeout_s
    asking = replace(ctl, timeout_s=min(ctl.timeout_s or TIMEOUT_S, TIMEOUT_S), line=None)
    again = f"look again: backfillctl reconcile --follow {text.clean(run)}"
    wait_s, patience, before = POLL_S, Patience(ctl), -1
    try:
        while True:
            if (body := patience.answer(lambda: asking.get(_path(run)))) is not None:
                one = read(body, ReconcileShape)
                if one.state != "running":
                    return body
                if one.compared != before and not ctl.as_data:
                    ctl.aside(f"{text.now()} {one.sentence}")
                before = one.compared
            if time.monotonic() + wait_s > deadline:
                raise Fault(
                    f"not ended within {text.duration(ctl.timeout_s or 0)}; it goes on",
                    "timeout", again, say.TIMED_OUT,
                )  # fmt: skip
            time.sleep(wait_s)
            wait_s = min(wait_s * 1.5, POLL_S_MAX)
    except KeyboardInterrupt:
        raise Fault("The comparison goes on.", "interrupted", again, say.INTERRUPTED) from None


def _path(run: str) -> str:
    return f"{PATH}/{quote(run, safe='')}"
