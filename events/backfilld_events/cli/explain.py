"""backfill-audit explain: the history of one account or one job, in plain words."""

import argparse
from collections.abc import Iterator

from ..audit import account, job, select
from ..audit.select import Wanted
from ..audit.source import Source, open_source
from ..audit.told import Told
from ..ids import BadId, Did, parse_did, parse_handle
from ..row import utc_text
from ..words import counted
from . import options, say

PREFIX_CHARS_MIN = 4
CANDIDATES_MAX = 20
EVERY = Wanted()


class _Unclear(Exception):
    """It is not clear what is meant, or nothing is. `code` is the exit code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def add(verbs: "options.Verbs") -> None:
    """Declares the verb."""
    verb = options.verb(
        verbs,
        "explain",
        "tell the history of one account or one job in plain words",
        ["backfill-audit explain events.db did:plc:ewvi7nxzyoun6zhxrhs64oiz",
         "backfill-audit explain events.db alice.example",
         "backfill-audit explain events.db 3b0d   # a job's id, or a beginning of it"],
    )  # fmt: skip
    options.json(verb)
    options.file(verb)
    verb.add_argument("whom", metavar="DID|HANDLE|JOB", help="the account or the job")
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Tells it."""
    with open_source(asked.file) as source:
        select.tolerant(source)
        try:
            name, history = _history(source, asked.whom)
        except _Unclear as unclear:
            say.err(f"error: {unclear}")
            return unclear.code
        told, broken = _printed(name, history, as_json=asked.json)
    if broken:
        many = counted(broken, "event", "events")
        say.err(f"BROKEN  {asked.file}: {many} cannot be read: more may be told there")
        return say.BROKEN
    if not told:
        say.err(f"error: {asked.file}: no event names {name}")
        return say.NOT_FOUND
    return say.OK


def _printed(name: str, history: Iterator[Told], *, as_json: bool) -> tuple[int, int]:
    """How many lines it were, and how many of them say that an event cannot be read."""
    told = broken = 0
    for one in history:
        if not told and not as_json:
            say.out(name)
        told += 1
        broken += one.unreadable
        if as_json:
            say.data(_as_data(one))
        else:
            say.out(_line(one))
    return told, broken


def _line(one: Told) -> str:
    where = f"#{one.position}"
    if one.last > one.position:
        where += f"-#{one.last} ({one.events:,} events)"
    return f"  {utc_text(one.at)}  {where}  {one.says}"


def _as_data(one: Told) -> dict[str, object]:
    # `position`, `at`, `says` and `actor` are those of the API (control.shapes.repos.Line)
    return {
        "position": one.position, "last": one.last, "events": one.events, "at": utc_text(one.at),
        "says": one.says, "actor": one.actor, "readable": not one.unreadable,
    }  # fmt: skip


def _history(source: Source, whom: str) -> tuple[str, Iterator[Told]]:
    """(what it is about, its history)."""
    events = select.found(source, EVERY)
    if whom.startswith("did:"):
        try:
            did = parse_did(whom)
        except BadId as error:
            raise _Unclear(say.USAGE, str(error)) from error
        return did, account.explain(events, did)
    if "." in whom:
        did = _of_handle(source, whom)
        return f"{did} (@{whom.removeprefix('@')})", account.explain(events, did)
    job_id = _job(source, whom.removeprefix("job/"))
    return f"job {job_id}", job.explain(events, job_id)


def _of_handle(source: Source, text: str) -> Did:
    try:
        handle = parse_handle(text.removeprefix("@"))
    except BadId as error:
        raise _Unclear(say.USAGE, str(error)) from error
    found = account.named(select.found(source, EVERY), handle)
    if not found:
        raise _Unclear(
            say.NOT_FOUND,
            f"{source.path}: no event says whose handle {handle} is; name the account by its DID",
        )
    if len(found) > 1:
        others = ", ".join(found[:-1][-CANDIDATES_MAX:])
        say.err(f"note: {handle} was said last of {found[-1]}, and before that of {others}")
    return found[-1]


def _job(source: Source, text: str) -> str:
    """The id of the job that is meant."""
    found = [
        job_id
        for row in source.of_type("job.started")
        if (job_id := row.stream.removeprefix("job/")).startswith(text)
    ]
    if text in found:
        return text
    if len(text) < PREFIX_CHARS_MIN:
        raise _Unclear(
            say.USAGE,
            f"{text!r} is no DID, no handle and no job; of a job's id give at least "
            f"{PREFIX_CHARS_MIN} characters",
        )
    if not found:
        raise _Unclear(say.NOT_FOUND, f"{source.path}: no job's id begins with {text!r}")
    if len(found) > 1:
        some = "\n  ".join(found[-CANDIDATES_MAX:])
        older = len(found) - CANDIDATES_MAX
        more = f"\n  and {older:,} older ones" if older > 0 else ""
        raise _Unclear(
            say.USAGE,
            f"the ids of {len(found):,} jobs begin with {text!r}; give more of it:\n  {some}{more}",
        )
    return found[0]
