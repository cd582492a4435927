"""backfillctl start: begins a backfill job."""

import json

import click

from ...control.shapes import Started
from .. import say
from . import text, words
from .frame import Ctl, read, verb
from .progress import attend
from .words import Target


@verb(
    "start",
    ("backfillctl start net.example.score", "all repositories that have it"),
    ("backfillctl start --did did:plc:ewvi7nxzyoun6zhxrhs64oiz", "one account"),
    ("backfillctl start --all", "every lexicon with backfill on"),
    ("backfillctl start net.example.score --wait synced --timeout 2h", "wait for the end"),
)
@click.argument("nsid", required=False)
@click.option("--did", "dids", multiple=True, metavar="DID", help="This account; repeatable.")
@click.option("--all", "everything", is_flag=True, help="All record lexicons.")
@click.option(
    "--wait",
    type=click.Choice(["completed", "synced"]),
    help="Stay until all is handed to Tap, or until all records are here.",
)
def start(
    ctl: Ctl, nsid: str | None, dids: tuple[str, ...], everything: bool, wait: Target | None
) -> int:
    """Start a backfill. NSID names the collection, whose lexicon must be there."""
    request = json.dumps(_request(nsid, dids, everything)).encode()
    body = ctl.post("/admin/backfill", request)
    started = read(body, Started)
    if started.state == "failed":
        if ctl.as_data:
            ctl.put(body)
        else:
            say.out(f"Job {started.id} {ctl.paint('failed', 'red')}: {started.error or ''}")
        return say.HONEST_NO
    if ctl.as_data and (ctl.jsonl or wait is None):
        ctl.put(body)
    if not ctl.as_data:
        say.out(f"Started job {started.id}: {_what(started, dids)}.")
        if not ctl.quiet and wait is None:
            say.out(f"Watch: backfillctl watch {words.short(started.id)}")
    return say.OK if wait is None else attend(ctl, started.id, wait, aside=True)


def _request(nsid: str | None, dids: tuple[str, ...], everything: bool) -> dict[str, object]:
    if everything and (nsid is not None or dids):
        raise click.UsageError("--all goes with no NSID and no --did")
    if not everything and nsid is None and not dids:
        raise click.UsageError("nothing is named: give an NSID, --did DID, or --all for everything")
    if any(not value.strip() for value in (*dids, *([] if nsid is None else [nsid]))):
        raise click.UsageError("a blank value names nothing, and never everything")
    request: dict[str, object] = {} if nsid is None else {"collection": nsid}
    if len(dids) == 1:
        request["did"] = dids[0]
    elif dids:
        request["dids"] = dids
    return request


def _what(started: Started, dids: tuple[str, ...]) -> str:
    names = ", ".join(started.collections)
    if dids:
        return f"hands {text.count(len(set(dids)), 'account', 'accounts')} to Tap, for {names}"
    return f"lists the repositories that have {names}, and hands them to Tap"
