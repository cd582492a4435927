"""backfillctl lexicon: take in, list, show and forget lexicons."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO
from urllib.parse import quote

import click

from ...control.caller.client import Refusal
from ...control.shapes import LexiconDetail, LexiconShape, LexiconUploadedShape
from ...control.shapes.network import NetworkLexiconAdded, ResolvedLexicon
from .. import say
from . import known, text, words
from .faults import Fault
from .frame import Ctl, read
from .options import NSID
from .suggest import closest
from .verbs import Verbs, verb

NETWORK = "/admin/network-lexicons"
FETCH_S = 60.0  # DNS, the account's document and its server are asked one after the other


@click.group(
    "lexicon",
    cls=Verbs,
    examples=[
        ("backfillctl lexicon add score.json", "take it in, start its backfill"),
        ("backfillctl lexicon fetch net.example.score", "from where its authority publishes it"),
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
    _tell_job(ctl, uploaded, uploaded.id, wanted=not no_backfill)
    return say.OK


@verb(
    "fetch",
    ("backfillctl lexicon fetch net.example.score", "take it in"),
    ("backfillctl lexicon fetch net.example.score --backfill", "and start its backfill"),
    ("backfillctl lexicon fetch net.example.score --show", "only look"),
    group=lexicon,
)
@click.argument("nsid")
@click.option("--backfill", is_flag=True, help="Start a job too.")
@click.option("--show", "only_show", is_flag=True, help="Show what is out there; take in nothing.")
def fetch(ctl: Ctl, nsid: str, backfill: bool, only_show: bool) -> int:
    """Take in a lexicon from the network: from the account that DNS names for it."""
    if only_show and backfill:
        raise click.UsageError("--show takes in nothing that could be backfilled")
    patient = ctl.patient(FETCH_S)
    if only_show:
        body = patient.get(f"{NETWORK}/resolve/{quote(nsid, safe='')}")
    else:
        body = patient.post(NETWORK, {"nsid": nsid, "backfill": backfill})
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    if only_show:
        found = read(body, ResolvedLexicon)
        say.out(f"{found.nsid}: {found.type}, published by {found.authority_did}")
        say.out(f"  {found.uri} {found.cid}")
        say.out(_document(body["lexicon_json"]))
        return say.OK
    added = read(body, NetworkLexiconAdded)
    say.out(f"Took in {added.nsid}, revision {added.revision}, from {added.authority_did}.")
    _tell_job(ctl, added, added.nsid, wanted=backfill)
    return say.OK


def _tell_job(
    ctl: Ctl, taken: LexiconUploadedShape | NetworkLexiconAdded, nsid: str, *, wanted: bool
) -> None:
    """The job that began with it, or why there is none."""
    if taken.backfill_job_id is not None:
        say.out(f"Started job {taken.backfill_job_id}.")
        if not ctl.quiet:
            say.out(f"Watch: backfillctl watch {words.short(taken.backfill_job_id)}")
    elif taken.backfill_error is not None:
        ctl.aside(f"warning: no job was started: {taken.backfill_error}")
    elif wanted and not taken.warnings:
        say.out(f"No new job: it has had one. Another: backfillctl start {nsid}")
    for warning in taken.warnings:
        ctl.aside(f"warning: {warning}")


@verb("ls", ("backfillctl lexicon ls", "all lexicons, by id"), group=lexicon)
def ls(ctl: Ctl) -> int:
    """List the lexicons."""
    body = ctl.get("/admin/lexicons")
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    rows = [
        (one.id, str(one.revision), one.lexicon_type, _backfill(one), one.source,
         text.moment(one.updated_at))
        for one in read(body, list[LexiconShape])
    ]  # fmt: skip
    if rows:
        head = ("LEXICON", "REVISION", "TYPE", "BACKFILL", "SOURCE", "UPDATED")
        say.out(text.table(head, rows))
    else:
        say.out("No lexicon yet. Take one in: backfillctl lexicon add FILE")
    return say.OK


@verb("show", ("backfillctl lexicon show net.example.score", "with its document"), group=lexicon)
@click.argument("nsid", type=NSID)
def show(ctl: Ctl, nsid: str) -> int:
    """Show a lexicon and its document."""
    with _mended(ctl, nsid):
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
@click.argument("nsid", type=NSID)
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(ctl: Ctl, nsid: str, yes: bool) -> int:
    """Forget a lexicon. Its records stay in the index, its repositories stay in Tap, its jobs go
    on, and the log keeps all its revisions."""
    kept = "its records stay in the index, its repositories in Tap; jobs under way go on"
    if not yes:
        again = f"backfillctl lexicon rm {nsid} --yes"
        ctl.confirm(f"Forget {text.clean(nsid)}?", kept, again)
    with _mended(ctl, nsid):
        ctl.delete(_path(nsid))
    if ctl.as_data:
        ctl.put({"id": nsid, "deleted": True})
    else:
        say.out(f"Forgot {text.clean(nsid)}; {kept}.")
    return say.OK


@contextmanager
def _mended(ctl: Ctl, nsid: str) -> Iterator[None]:
    """Names the lexicon that was meant, when the one that was typed is not there."""
    try:
        yield
    except Refusal as refusal:
        near = closest(nsid, known.nsids(ctl)) if refusal.status == 404 else None
        if near is None:
            raise
        said = f"{refusal}; did you mean {near}?"
        raise Fault(said, refusal.code, refusal.hint, say.NOT_FOUND) from refusal


def _backfill(one: LexiconShape) -> str:
    return "on" if one.backfill else "off"


def _path(nsid: str) -> str:
    return f"/admin/lexicons/{quote(nsid, safe='')}"
