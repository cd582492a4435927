"""backfilld forget-index: a person's word that the index is lost, after which it begins anew."""

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import click

from backfilld_events.catalog.index import IndexLost
from backfilld_events.eventlog import EventLog
from backfilld_events.log.append import Append
from backfilld_events.log.file import BadFile, open_reader
from backfilld_events.projections import losing
from backfilld_events.row import NewEvent
from backfilld_events.words import counted

from ..clock import system
from ..config import Config
from ..deliveries import AccountDelivery
from ..records.sqlite import SqliteStore
from ..verification import start
from . import say, stopped
from .daemon import config_option, loaded


@click.command("forget-index")
@config_option
@stopped.reason_option
@click.option("--yes", is_flag=True, help="Ask nothing.")
def forget_index(path: Path | None, reason: str, yes: bool) -> None:
    """Go on without the records.db that this log tells of, because it is lost; to restore a backup
    may be quicker. Stop backfilld first, and move away what is left of records.db. The log then
    says that the index begins anew, and all that Tap was given is fetched again by itself."""
    settings = loaded(path)
    folder = Path(settings.data_dir)
    with stopped.alone_with_the_log(folder) as log:
        _refuse_what_is_there(folder / "records.db")
        try:
            _forget(settings, log, reason, yes=yes)
        except BadFile as error:
            say.err(f"error: {error}")
            sys.exit(say.USAGE)


def _refuse_what_is_there(index: Path) -> None:
    """One with nothing in it may stay: a start that was refused leaves that."""
    if not index.exists():
        return
    there = "and cannot be read"
    try:
        with closing(open_reader(index)) as db:
            (receipts,) = db.execute("SELECT coalesce(max(no), 0) FROM receipt").fetchone()
            (records,) = db.execute("SELECT coalesce(sum(records), 0) FROM collection").fetchone()
        if not receipts and not records:
            return
        there = f"with {counted(records, 'record', 'records')} and receipts up to {receipts:,}"
    except (BadFile, sqlite3.DatabaseError):
        pass
    say.err(
        f"error: {index} is there, {there}: it would not be forgotten, but taken up\n"
        f"  fix: move it away first, together with {index.name}-wal and {index.name}-shm"
    )
    sys.exit(say.REFUSED)


def _forget(settings: Config, path: Path, reason: str, *, yes: bool) -> None:
    problem = start.check(path.parent, settings.log, system()).problem
    if problem is not None:
        say.err(f"error: {problem.sentence}\n  fix: {problem.remedy}")
        sys.exit(say.BROKEN_LOG)
    with closing(EventLog.open(path)) as log:
        known = log.state.source
        if not known.receipts:
            say.out("The log knows of no receipts: any new index is right. Start backfilld again.")
            return
        with closing(open_reader(path)) as db:
            given, records = losing.at_stake(db)
        repos = counted(given, "repository", "repositories")
        say.err(
            f"The log tells of an index with {counted(records, 'record', 'records')}, and receipts "
            f"up to {known.receipts:,}. From here on it is lost, and the next start begins an empty"
            f" one. Tap was given {repos}, and is to fetch them anew. What no server has any more "
            "does not come back; what somebody removed by hand does, if its lexicon is there. The "
            f"log will say that uid {os.getuid()} said so: {reason}"
        )
        if not yes:
            stopped.confirm("Forget that index?")
        _begin_anew(path.with_name("records.db"), path)
        lost = NewEvent("index", IndexLost(known.receipts, reason), f"uid:{os.getuid()}")
        log.append([Append([lost])], round(system() * 1e6))
        say.out(
            f"Event #{log.state.position} says that the index is lost. Start backfilld again: it "
            f"has up to {repos} fetched anew, and backfillctl coverage NSID says when all is here."
        )


def _begin_anew(index: Path, log: Path) -> None:
    """Makes an empty index that knows which accounts are not active. It still counts as empty: what
    breaks this off may be done again."""
    with (
        closing(SqliteStore.open(index, 0)) as store,
        closing(open_reader(log)) as db,
    ):
        for some in losing.away(db):
            # policies are those of the next start
            store.learn([AccountDelivery(0, one.did, one.handle, one.status) for one in some])
    if os.geteuid() == 0:  # the daemon wants to write it
        owner = log.parent.stat()
        os.chown(index, owner.st_uid, owner.st_gid)
