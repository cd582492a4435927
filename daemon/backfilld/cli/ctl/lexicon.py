"""backfillctl lexicon: take in, list, show and forget lexicons."""

import json
import sys
from typing import BinaryIO
from urllib.parse import quote

import click

from ...control.shapes import LexiconDetail, LexiconShape, LexiconUploadedShape
from .. import say
from . import text, words
from .faults import Fault
from .frame import Ctl, Verbs, read, verb


@click.group(
    "lexicon",
    cls=Verbs,
    examples=[
        ("backfillctl lexicon add score.json", "take it in, start its backfill"),
        ("backfillctl lexicon ls", "those that are there"),
    ],
)
def lexicon() -> None:
    """Take in, list, show and forget lexicons."""


@verb(
    "add",
    ("backfillctl lexicon add score.json", "a record lexicon starts a backfill"),
    ("backfillctl lexicon add --no-backfill - < score.json", "from stdin, without one"),
    group=lexicon,
)
@click.argument("file", type=click.File("rb"))
@click.option("--no-backfill", is_flag=True, help="Start no job.")
def add(ctl: Ctl, file: BinaryIO, no_backfill: bool) -> int:
    """Take in a lexicon document; `-` reads stdin. backfilld checks it."""
    try:
        document = file.read().decode("utf-8-sig")
        json.loads(document)
    except (ValueError, RecursionError) as error:
        name = text.clean(file.name)
        raise click.UsageError(f"{name} is not JSON: {error}") from error
    # as it is written: the log keeps the document to the letter
    request = f'{{"lexicon_json":{document},"backfill":{json.dumps(not no_backfill)}}}'
    body = ctl.post("/admin/lexicons", request.encode())
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    uploaded = read(body, LexiconUploadedShape)
    say.out(f"Took in {uploaded.id}, revision {uploaded.revision}.")
    if uploaded.backfill_job_id is not None:
        say.out(f"Started job {uploaded.backfill_job_id}.")
        if not ctl.quiet:
            say.out(f"Watch: backfillctl watch {words.short(uploaded.backfill_job_id)}")
    elif not no_backfill and not uploaded.warnings:
        say.out(f"No new job: it has had one. Another: backfillctl start {uploaded.id}")
    for warning in uploaded.warnings:
        ctl.aside(f"warning: {warning}")
    return say.OK


@verb("ls", ("backfillctl lexicon ls", "all lexicons, by id"), group=lexicon)
def ls(ctl: Ctl) -> int:
    """List the lexicons."""
    body = ctl.get("/admin/lexicons")
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    rows = [
        (one.id, str(one.revision), one.lexicon_type, _backfill(one), text.moment(one.updated_at))
        for one in read(body, list[LexiconShape])
    ]
    if rows:
        say.out(text.table(("LEXICON", "REVISION", "TYPE", "BACKFILL", "UPDATED"), rows))
    else:
        say.out("No lexicon yet. Take one in: backfillctl lexicon add FILE")
    return say.OK


@verb("show", ("backfillctl lexicon show net.example.score", "with its document"), group=lexicon)
@click.argument("nsid")
def show(ctl: Ctl, nsid: str) -> int:
    """Show a lexicon and its document."""
    body = ctl.get(_path(nsid))
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    one = read(body, LexiconDetail)
    say.out(f"{one.id}: {one.lexicon_type}, revision {one.revision}, backfill {_backfill(one)}")
    say.out(f"  taken in {text.since(one.created_at)}, updated {text.since(one.updated_at)}")
    say.out(_document(body["lexicon_json"]))
    return say.OK


def _document(document: object) -> str:
    """The document itself, as JSON that means the same: what cannot be printed is escaped."""
    lines = json.dumps(document, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in lines)


@verb(
    "rm",
    ("backfillctl lexicon rm net.example.score", "asks first"),
    ("backfillctl lexicon rm net.example.score --yes", "asks nothing"),
    group=lexicon,
)
@click.argument("nsid")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(ctl: Ctl, nsid: str, yes: bool) -> int:
    """Forget a lexicon. Its records stay in the index, its repositories stay in Tap, its jobs go
    on, and the log keeps all its revisions."""
    kept = "its records stay in the index, its repositories in Tap; jobs under way go on"
    if not yes:
        if ctl.no_input or ctl.as_data or not sys.stdin.isatty():
            hint = f"backfillctl lexicon rm {nsid} --yes; {kept}"
            raise Fault("it asks first, and here is nobody to ask", "usage", hint, say.USAGE)
        click.confirm(f"Forget {text.clean(nsid)}? {kept}.", abort=True, err=True)
    ctl.delete(_path(nsid))
    if ctl.as_data:
        ctl.put({"id": nsid, "deleted": True})
    else:
        say.out(f"Forgot {text.clean(nsid)}; {kept}.")
    return say.OK


def _backfill(one: LexiconShape) -> str:
    return "on" if one.backfill else "off"


def _path(nsid: str) -> str:
    return f"/admin/lexicons/{quote(nsid, safe='')}"
