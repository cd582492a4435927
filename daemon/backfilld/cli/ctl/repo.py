"""backfillctl repo: one account's whole history."""

from urllib.parse import quote

import click

from ...control.shapes.repos import Account, Line
from .. import say
from . import text
from .frame import Ctl, read
from .verbs import verb

LINES_MAX = 1_000


@verb(
    "repo",
    ("backfillctl repo alice.example.com", "by its handle"),
    ("backfillctl repo did:plc:ewvi7nxzyoun6zhxrhs64oiz", "by its DID"),
    ("backfillctl repo alice.example.com --before 41207", "what was before that event"),
)
@click.argument("account", metavar="DID|HANDLE")
@click.option(
    "--before", type=click.IntRange(min=1), metavar="N", help="History before the event N."
)
@click.option(
    "-n", "limit", type=click.IntRange(1, LINES_MAX), default=100, help="How many lines (100)."
)
def repo(ctl: Ctl, account: str, before: int | None, limit: int) -> int:
    """Tell how one account stands, and all that happened to it, the newest last."""
    if not account.strip():
        raise click.UsageError("a blank value names no account")
    path = f"/admin/repos/{quote(account.strip().removeprefix('@'), safe='')}"
    body = ctl.patient(60.0).get(path, before=before, limit=limit)
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    told = read(body, Account)
    say.out(_head(ctl, told))
    for label, value in _facts(told):
        say.out(text.wrapped(label, value, None))
    if told.before is not None:
        ctl.aside(f"older: --before {told.before} (the history is whole from there on)")
    for line in told.history:
        say.out(_told(line))
    return say.OK


def _head(ctl: Ctl, told: Account) -> str:
    names = [told.did]
    names += [f"@{told.handle}"] if told.handle else []
    names += [told.pds_endpoint] if told.pds_endpoint else []
    stands = [
        f"{ctl.paint(one.state.upper(), _colour(one.state))} for {one.collection}"
        for one in told.standings
        if one.collection is not None
    ]
    return "  ".join([*names, ", ".join(stands) or ctl.paint(told.state.upper(), "yellow")])


def _facts(told: Account) -> list[tuple[str, str]]:
    jobs = [f"{one.job[:8]} {one.state}" for one in told.standings if one.job is not None]
    tap = told.tap
    facts = [("Now", told.sentence), ("Next", told.next)]
    if tap is not None:
        facts.append(("Tap", f"said {tap.state} {text.since(tap.at)} (#{tap.position})"))
    if told.asked_next is not None:
        facts.append(("Asked", f"again {text.moment(told.asked_next)}"))
    if told.account not in (None, "active"):
        facts.append(("Account", str(told.account)))
    records = text.count(told.records, "record", "records")
    removed = f", {told.removed:,} removed by hand" if told.removed else ""
    facts.append(("Records", f"{records} here{removed}"))
    if jobs:
        facts.append(("Jobs", " · ".join(jobs)))
    return facts


def _told(line: Line) -> str:
    is_said = line.actor == "system" or f"by {line.actor}" in line.says
    by = "" if is_said else f" (by {line.actor})"
    return f" {text.moment(line.at)}  #{line.position}  {line.says}{by}"


def _colour(state: str) -> str:
    return {"synced": "green", "empty": "green", "failed": "red"}.get(state, "yellow")
