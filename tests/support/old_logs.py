"""What a log folds to, in words that no version changes; and how one is kept for later versions.

As a script: EVENTS_DB NAME MADE_BY, of a daemon that was stopped; see golden/logs/README.md.
"""

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from backfilld_events.audit.export import export
from backfilld_events.audit.source import LogFile
from backfilld_events.eventlog import EventLog
from backfilld_events.log.file import open_reader
from backfilld_events.projections import jobs, listing, repos, targets
from backfilld_events.projections.classes import Class
from backfilld_events.projections.tally import ALL
from backfilld_events.row import utc_text

LOGS = Path(__file__).parents[1] / "golden" / "logs"


def folded(path: Path) -> dict[str, Any]:
    """The state of the log in the file at `path`; it is opened as the daemon does."""
    with closing(EventLog.open(path)) as log, closing(open_reader(path)) as db:

        def classes(counter: int) -> dict[str, int]:
            return {kind.name.lower(): n for kind, n in sorted(repos.counts(db, counter).items())}

        state, head = log.state, log.head
        nsids = [nsid for (nsid,) in db.execute("SELECT nsid FROM collection ORDER BY number")]
        collections = targets.counters(db, nsids)
        every = listing.page(db, ALL, list(Class), 0, 10_000)
        rows = db.execute("SELECT collection, inserted - deleted FROM delivered ORDER BY 1")
        return {
            "events": head.position,
            "hash": head.hash.hex(),
            "jobs": {
                job.id: {
                    "collections": list(job.collections),
                    "outcome": job.outcome,
                    "paused": job.paused is not None,
                    "discovered": job.discovered,
                    "handed off": job.handed_off,
                    "records": records,
                    "repositories": classes(job.position),
                }
                for job, records in reversed(jobs.newest(db))
            },
            "collections": {nsid: classes(counter) for counter, nsid in collections.items()},
            "all": classes(ALL),
            "repositories": {one.did: one.kind.name.lower() for one in _by_did(every)},
            "lexicons": {
                nsid: {
                    "kind": one.kind,
                    "revision": one.revision,
                    "backfill": one.backfill,
                    "deleted": one.deleted,
                }
                for nsid, one in sorted(state.lexicons.items())
            },
            "keys": {
                key.name: "in force" if key.revoked_at is None else "revoked"
                for key in state.control.keys.values()
            },
            "receipts": state.source.receipts,
            "rows": dict(rows.fetchall()),
        }


def _by_did(every: list[listing.Listed]) -> list[listing.Listed]:
    return sorted(every, key=lambda one: one.did)


def keep(path: Path, name: str, made_by: str) -> None:
    """Makes the files of a log that golden/logs keeps."""
    with LogFile(path) as source, (LOGS / f"{name}.jsonl").open("wb") as file:
        (at,) = source.db.execute("SELECT max(recorded_at) FROM event").fetchone()
        export(source, file, utc_text(at / 1e6))
        (LOGS / f"{name}.sql").write_text("\n".join(_all_but_the_log(source.db)) + "\n")
    says = {"made by": made_by, **folded(path), "since then": []}
    (LOGS / f"{name}.json").write_text(json.dumps(says, indent=1) + "\n")


def _all_but_the_log(db: sqlite3.Connection) -> Iterator[str]:
    for pragma in ("application_id", "user_version"):
        (value,) = db.execute(f"PRAGMA {pragma}").fetchone()
        yield f"PRAGMA {pragma}={value};"
    yield from (line for line in db.iterdump() if not line.startswith('INSERT INTO "event"'))


if __name__ == "__main__":
    keep(Path(sys.argv[1]), *sys.argv[2:])
