"""How many records each collection has, and how many of these are not shown.

The one rule: kept in the transaction that changes a row, never counted when somebody asks.
"""

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple


class More(NamedTuple):
    """How many rows came to a collection, and how many of them are of accounts that are hidden."""

    records: int
    hidden: int


def keep(db: sqlite3.Connection, more: Mapping[int, More]) -> None:
    """Takes in what changed, by a collection's number."""
    db.executemany(
        "UPDATE collection SET records = records + ?, hidden = hidden + ? WHERE id = ?",
        [(*of_one, number) for number, of_one in more.items() if any(of_one)],
    )


def anew(db: sqlite3.Connection, collection: int) -> None:
    """Counts a collection, whatever was kept: after something else changed its rows. It takes as
    long as it is large."""
    db.execute(
        "UPDATE collection SET records = (SELECT count(*) FROM record WHERE collection = ?1"
        " AND cid IS NOT NULL), hidden = (SELECT count(cid) FROM repo CROSS JOIN record"
        " ON record.repo = repo.id AND record.collection = ?1 WHERE repo.hidden > 0)"
        " WHERE id = ?1",
        (collection,),
    )


def of_repo(db: sqlite3.Connection, repo: int) -> list[tuple[int, int]]:
    """(a collection's number, how many records of it) of one repository."""
    return db.execute(
        "SELECT collection, count(cid) FROM record WHERE repo = ? GROUP BY collection", (repo,)
    ).fetchall()
