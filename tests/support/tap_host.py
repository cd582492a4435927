"""A Tap of ours with a journal and nothing else: as much of a daemon as a Tap needs.

Run as a script it is a process that can be killed: FOLDER PORT BEHAVIOUR LEXICON…
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import trio

from backfilld import logs
from backfilld.clock import system
from backfilld.config import Config, Secret
from backfilld.config.keys import TapConfig
from backfilld.journal import Journal
from backfilld.tapchild.child import TapChild
from backfilld.tapchild.when import Times
from backfilld.worker import ThreadWorker
from backfilld_events.catalog.lexicon import LexiconDeleted, LexiconUploaded
from backfilld_events.eventlog import EventLog
from backfilld_events.ids import Nsid
from backfilld_events.row import NewEvent

FAKE = Path(__file__).with_name("fake_tap.py")
QUICK = Times(
    quiet=0.1, quiet_max=5.0, first_quiet=0.1, backoff_first=0.02, backoff_max=0.1, term=0.3
)


def config(folder: Path, port: int, behaviour: str = "runs", **more: object) -> Config:
    command = (sys.executable, str(FAKE), behaviour)
    url = f"http://127.0.0.1:{port}"
    tap = TapConfig(url=url, supervise=True, command=command, **more)  # type: ignore[arg-type]
    return Config(data_dir=str(folder), tap=tap)


async def upload(journal: Journal, nsid: Nsid) -> None:
    event = LexiconUploaded(nsid, 1, "record", False, None, b"{}")
    await journal.append([NewEvent(f"lexicon/{nsid}", event, "uid:1000")])


async def delete(journal: Journal, nsid: Nsid) -> None:
    await journal.append([NewEvent(f"lexicon/{nsid}", LexiconDeleted(nsid), "uid:1000")])


@asynccontextmanager
async def host(
    settings: Config, *lexicons: Nsid, times: Times = QUICK
) -> AsyncIterator[tuple[TapChild, Journal, trio.Nursery]]:
    """A life of a daemon that runs Tap, for these lexicons at first; cancelled at the end."""
    with closing(EventLog.open(Path(settings.data_dir) / "events.db")) as log:
        journal = Journal(log, ThreadWorker(), system)

        def wanted() -> frozenset[Nsid]:
            known = journal.state.lexicons.values()
            return frozenset(one.nsid for one in known if one.is_record)

        child = TapChild(journal, settings, Secret("s3cret"), system, wanted, times)
        async with trio.open_nursery() as lasting:
            await lasting.start(journal.run)
            for nsid in lexicons:
                await upload(journal, nsid)
            async with trio.open_nursery() as workers:
                await workers.start(child.run)
                yield child, journal, workers
                workers.cancel_scope.cancel()
            lasting.cancel_scope.cancel()


async def _main(folder: str, port: str, behaviour: str, *lexicons: str) -> None:
    async with host(config(Path(folder), int(port), behaviour), *map(Nsid, lexicons)) as (
        child,
        *_,
    ):
        sys.stdout.write(f"{child.now().pid}\n")
        sys.stdout.flush()
        await trio.sleep_forever()


if __name__ == "__main__":
    logs.configure("error", "text")
    trio.run(_main, *sys.argv[1:])
