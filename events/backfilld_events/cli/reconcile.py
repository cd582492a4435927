"""backfill-audit reconcile: do the index and the log agree, to the row?"""

import argparse
from pathlib import Path

from ..audit.reconcile import Reconciled, reconcile
from ..audit.source import open_source
from . import options, say


def add(verbs: "options.Verbs") -> None:
    """Declares the verb."""
    verb = options.verb(
        verbs,
        "reconcile",
        "add up the receipts in the log, and compare with the rows of the index",
        ["backfill-audit reconcile --records /var/lib/backfilld/records.db"
         " /var/lib/backfilld/events.db"],
    )  # fmt: skip
    verb.add_argument(
        "--records", type=Path, required=True, metavar="FILE", help="the index: records.db"
    )
    options.json(verb)
    options.file(verb)
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Compares them, and says what differs."""
    with open_source(asked.file) as source:
        done = reconcile(source, asked.records)
    if asked.json:
        say.data(as_data(done))
    else:
        for text in sentences(done):
            say.out(text)
    return say.OK if done.agrees else say.BROKEN


def sentences(done: Reconciled) -> list[str]:
    """What came of it, for people."""
    if done.agrees:
        return [f"index  OK  {done.sentence}"]
    but = "" if done.differ or not done.is_compared else "; but"
    told = [f"  {one.sentence}" for one in done.differences]
    more = done.differ - len(told)
    return [
        f"index  BROKEN  {done.sentence}{but}",
        *(f"  {text}" for text in done.wrong),
        *told,
        *([f"  and {more:,} more"] if more else []),
    ]


def as_data(done: Reconciled) -> dict[str, object]:
    """The same for programs."""
    return {
        "ok": done.agrees,
        "sentence": done.sentence,
        "position": done.position,
        "receipts": {"log": done.logged, "index": done.written},
        "lost": done.lost,
        "wrong": done.wrong,
        "compared": done.is_compared,
        "rows": done.rows,
        "repositories": done.repos,
        "collections": done.collections,
        "differ": done.differ,
        "differences": [
            {
                "did": one.did, "collection": one.collection, "log": one.said, "index": one.has,
                "position": one.position, "receipt": one.receipt, "sentence": one.sentence,
            }
            for one in done.differences
        ],
    }  # fmt: skip
