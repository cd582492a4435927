"""backfillctl coverage: do I have everything?"""

from itertools import islice

import click

from ...control.shapes.coverage import Behind, Coverage
from .. import say
from . import text
from .behind import coverage_path, entries
from .frame import Ctl, read
from .options import NSID
from .verbs import verb

SHOWN = 20


@verb(
    "coverage",
    ("backfillctl coverage net.example.score", "of a collection, over all jobs"),
    ("backfillctl coverage last --open", "what may still come of the newest job"),
    ("backfillctl coverage last --class failed:timeout", "who is behind a number, and why"),
    ("backfillctl coverage last --class failed --dids", "a list for a file"),
)
@click.argument("what", metavar="NSID|JOB", type=NSID)
@click.option(
    "--class", "kind", metavar="C",
    help="Those in this class: synced, failed, failed:timeout, open, differing, …",
)  # fmt: skip
@click.option("--open", "is_open", is_flag=True, help="As --class open: what may still come.")
@click.option("--dids", is_flag=True, help="All of them, a DID a line, and nothing else.")
def coverage(ctl: Ctl, what: str, kind: str | None, is_open: bool, dids: bool) -> int:
    """Tell whether all repositories of a collection or a job are here, and which are not. Exit 7
    if something is open or could not be listed."""
    if is_open and kind not in (None, "open"):
        raise click.UsageError("--open is a class too; name one")
    kind = "open" if is_open else kind
    if dids and kind is None:
        raise click.UsageError("--dids goes with --class or --open: of which number?")
    path, query = coverage_path(what)
    if kind is not None:
        query["class"] = kind
    body = ctl.get(path, **query)
    told = read(body, Coverage)
    code = say.OK if told.complete else say.HONEST_NO
    if dids:
        _list(ctl, path, query)
    elif ctl.as_data:
        ctl.put(body)
    else:
        _tell(told)
        if kind is not None:
            _behind(ctl, path, query, kind)
    return code


def _list(ctl: Ctl, path: str, query: dict[str, str]) -> None:
    found = (str(one["did"]) for one in entries(ctl, path, "repositories", **query))
    if ctl.json and not ctl.jsonl:
        ctl.put(list(found))
        return
    for did in found:
        ctl.put(did) if ctl.jsonl else say.out(text.clean(did))


def _tell(told: Coverage) -> None:
    say.out(told.sentence)
    kinds = [f"{one.kind} {one.count:,}{'' if one.retryable else ' (final)'}" for one in told.kinds]
    if kinds:
        say.out(text.wrapped("Failed", " · ".join(kinds), None))
    if told.differing:
        least = "" if told.differing_exact else "at least "
        many = text.count(told.differing, "repository has", "repositories have")
        say.out(text.wrapped("Differ", f"{least}{many} not the records that they should", None))
    say.out(text.wrapped("Lost", told.lost, None))
    as_of = f"event #{told.as_of.position:,}, {text.moment(told.as_of.at)}"
    say.out(text.wrapped("As of", as_of, None))


def _behind(ctl: Ctl, path: str, query: dict[str, str], kind: str) -> None:
    found = list(islice(entries(ctl, path, "repositories", **query), SHOWN + 1))
    if not found:
        say.out(f"None is {text.clean(kind)}.")
    for one in read(found[:SHOWN], list[Behind]):
        name = f"{one.did} @{one.handle}" if one.handle else one.did
        state = one.state if one.kind is None else f"{one.state} ({one.kind})"
        say.out(f"{name} {state} since {text.moment(one.since)} (#{one.position})")
        say.out(text.wrapped("Why", one.sentence, None))
        say.out(text.wrapped("Next", one.next, None))
    if len(found) > SHOWN:
        ctl.aside(f"the first {SHOWN}; all of them: --dids")
