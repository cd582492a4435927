"""backfillctl dead-letters: messages of Tap that could not be used, and what is done about them."""

import base64
from typing import Any
from urllib.parse import quote

import click

from ...control.shapes.dead_letters import IDS_MAX, BulkDone, LetterDetail, Letters, LetterShape
from .. import say
from . import text
from .faults import Fault
from .frame import Ctl, read
from .options import NSID
from .verbs import Verbs, verb

PATH = "/admin/dead-letters"
HANDLE_S = 120.0  # the daemon takes half a minute for a part, and more for a server that is slow
BYTES_SHOWN = 4096


@click.group(
    "dead-letters",
    cls=Verbs,
    examples=[
        ("backfillctl dead-letters ls", "those that nobody has settled"),
        ("backfillctl dead-letters reindex --all", "fetch their records once more"),
    ],
)
def dead_letters() -> None:
    """Look at messages that could not be used, read them or fetch their records once more, put
    them away."""


@verb(
    "ls",
    ("backfillctl dead-letters ls", "newest first, those not settled"),
    ("backfillctl dead-letters ls -c net.example.score --all", "settled ones too"),
    group=dead_letters,
)
@click.option("-c", "--collection", type=NSID, metavar="NSID", help="Of this collection only.")
@click.option("--resolved", is_flag=True, help="Those that are settled instead.")
@click.option("--all", "everything", is_flag=True, help="Settled ones too.")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=50, metavar="N", help="So many; 50 if not said."
)
@click.option("--cursor", metavar="CURSOR", help="The next page, as the one before says.")
def ls(
    ctl: Ctl, collection: str | None, resolved: bool, everything: bool, limit: int,
    cursor: str | None,
) -> int:  # fmt: skip
    """List dead letters."""
    if resolved and everything:
        raise click.UsageError("--all shows settled ones too; say one of both")
    which = "all" if everything else str(resolved).lower()
    body = ctl.get(PATH, collection=collection, resolved=which, limit=limit, cursor=cursor)
    if ctl.as_data:
        ctl.put(body["dead_letters"] if ctl.jsonl else body)
        return say.OK
    page = read(body, Letters)
    rows = [
        (one.id, text.age(one.created_at), _record(one), str(one.attempts), _error(one))
        for one in page.dead_letters
    ]
    if rows:
        say.out(text.table(("ID", "AGE", "RECORD", "TRIES", "WHY IT CANNOT BE READ"), rows))
    else:
        say.out("No dead letters." if everything or resolved else "No open dead letters.")
    if isinstance(page.cursor, str):
        ctl.aside(f"There are more: --cursor {page.cursor}")
    return say.OK


@verb("show", ("backfillctl dead-letters show 17", "with the bytes that came"), group=dead_letters)
@click.argument("letter", metavar="ID")
def show(ctl: Ctl, letter: str) -> int:
    """Show a dead letter, and what came, escaped."""
    body = ctl.get(_path(letter))
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    one = read(body, LetterDetail)
    say.out(f"{one.id}: {_record(one)}, {one.action or 'what happened to it cannot be read'}")
    say.out(f"  {one.error}")
    tries = text.count(one.attempts, "try", "tries")
    say.out(f"  came {text.since(one.created_at)}, {tries}{_settled(one)}")
    kept = "" if one.kept_bytes == one.raw_bytes else f", {one.kept_bytes:,} of them kept"
    say.out(f"  {one.raw_bytes:,} bytes{kept}")
    raw = base64.b64decode(one.raw_base64)
    if raw:
        say.out(text.clean(raw[:BYTES_SHOWN].decode(errors="backslashreplace")))
    if len(raw) > BYTES_SHOWN:
        ctl.aside(f"… all {len(raw):,} with --json, in raw_base64")
    return say.OK


def _handling(name: str, about: str, examples: tuple[tuple[str, str], ...]) -> None:
    """A verb that does something about letters."""

    @verb(name, *examples, group=dead_letters)
    @click.argument("ids", metavar="[ID]...", nargs=-1)
    @click.option("--all", "everything", is_flag=True, help="All that are open.")
    @click.option("-c", "--collection", type=NSID, metavar="NSID", help="With --all: of this one.")
    @click.option("--yes", is_flag=True, help="Do not ask.", hidden=name != "dismiss")
    def handle(
        ctl: Ctl, ids: tuple[str, ...], everything: bool, collection: str | None, yes: bool
    ) -> int:
        if bool(ids) is everything or (collection is not None and not everything):
            raise click.UsageError("name letters by their ids, or say --all, perhaps with -c NSID")
        if name == "dismiss" and everything and not yes:
            again = "backfillctl dead-letters dismiss --all --yes"
            ctl.confirm("Put all of them away?", "nothing more is done about them", again)
        asked: dict[str, Any] = {"all": True, "collection": collection} if everything else {}
        return _told(ctl, name, _done(ctl, name, ids, asked))

    handle.help = about


def _done(ctl: Ctl, action: str, ids: tuple[str, ...], asked: dict[str, Any]) -> dict[str, Any]:
    """Asks part by part, until all is done."""
    patient, path = ctl.patient(HANDLE_S), f"{PATH}/bulk/{action}"
    if ids:
        parts = [
            patient.post(path, {"ids": list(ids[at : at + IDS_MAX])})
            for at in range(0, len(ids), IDS_MAX)
        ]
    else:
        parts = [patient.post(path, asked)]
        while (cursor := parts[-1].get("cursor")) is not None:
            ctl.aside(f"{sum(part['done'] for part in parts):,} done, going on")
            parts.append(patient.post(path, {**asked, "cursor": cursor}))
    return {
        "ok": True,
        "done": sum(part["done"] for part in parts),
        "failed": [one for part in parts for one in part["failed"]],
    }


def _told(ctl: Ctl, action: str, body: dict[str, Any]) -> int:
    if ctl.as_data:
        ctl.put(body)
        return say.HONEST_NO if body["failed"] else say.OK
    done = read(body, BulkDone)
    what = {"retry": "Read again", "reindex": "Fetched again", "dismiss": "Put away"}[action]
    say.out(f"{what}: {done.done:,}. Not: {len(done.failed):,}.")
    for one in done.failed:
        say.out(f"  {one.id}  {one.error}; {one.hint}")
    return say.HONEST_NO if done.failed else say.OK


_handling(
    "retry",
    "Read what came once more, as a newer backfilld may; the index takes in what can be read now.",
    (
        ("backfillctl dead-letters retry 17 18", "these two"),
        ("backfillctl dead-letters retry --all", "after an update of backfilld"),
    ),
)
_handling(
    "reindex",
    "Fetch the record from the account's server and take it in. One that is not there any more is"
    " settled as gone.",
    (
        ("backfillctl dead-letters reindex 17", "one record"),
        ("backfillctl dead-letters reindex --all -c net.example.score", "all of a collection"),
    ),
)
_handling(
    "dismiss",
    "Put letters away: nothing more is done about them. They stay in the list of settled ones.",
    (
        ("backfillctl dead-letters dismiss 17", "one"),
        ("backfillctl dead-letters dismiss --all --yes", "all, without being asked"),
    ),
)


def _record(one: LetterShape) -> str:
    return one.uri or one.did or "not known which"


def _error(one: LetterShape) -> str:
    return f"{one.error} ({one.resolution})" if isinstance(one.resolution, str) else one.error


def _settled(one: LetterShape) -> str:
    if not isinstance(one.resolved_at, str):
        return ", open"
    return f", settled by {one.resolution} {text.since(one.resolved_at)}"


def _path(letter: str) -> str:
    if not letter.isdecimal():  # `count` is another route
        hint = "backfillctl dead-letters ls shows those that are there"
        raise Fault(f"no dead letter {letter!r}", "dead-letter-not-found", hint, say.NOT_FOUND)
    return f"{PATH}/{quote(letter, safe='')}"
