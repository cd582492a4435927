"""The three clients that are measured, each a process of its own behind one small face.

backfilld runs as everybody runs it: its own command, a configuration file with nothing but
addresses, and what it is told comes over its socket.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from backfilld.control.caller.client import Control, TimedOut, Unreachable

from . import children
from .children import Child
from .process import Tap
from .world import COLLECTION, digest_of, digest_of_all

START_S_MAX: Final = 60.0
LEXICON: Final = {
    "lexicon": 1,
    "id": COLLECTION,
    "defs": {
        "main": {"type": "record", "key": "tid", "record": {"type": "object", "properties": {}}}
    },
}


class Client:
    """A running client of Tap's channel."""

    def __init__(self, process: Child, log: Path) -> None:
        self.process, self.log = process, log

    async def connected(self) -> None:
        """Waits until it is. Raises Failed."""
        children.said(self.process, self.log)

    def hand_over(self, tap: Tap, dids: Sequence[str]) -> None:
        """Lets the backfill begin."""
        tap.add(dids)


class Daemon(Client):
    """backfilld: it lists the relay and hands over by itself, once it has the lexicon."""

    def __init__(self, process: Child, log: Path, socket: Path) -> None:
        super().__init__(process, log)
        self._control = Control(str(socket))
        self._job = ""

    async def answers(self) -> None:
        """Waits until its socket does. Raises Failed."""
        await children.until(lambda: self._health() is not None, "it answers", START_S_MAX)

    async def connected(self) -> None:
        await children.until(
            lambda: bool((self._health() or {}).get("connected")), "it is connected", START_S_MAX
        )

    def hand_over(self, tap: Tap, dids: Sequence[str]) -> None:
        self.learn(backfill=True)

    def learn(self, *, backfill: bool) -> None:
        """Gives it the lexicon."""
        body = {"lexicon_json": LEXICON, "backfill": backfill}
        answer = self._control.post("/admin/lexicons", msgspec.json.encode(body))
        self._job = answer.body.get("backfill_job_id", "")

    def synced(self) -> bool:
        """Whether it says that all its job is about is here."""
        job = self._control.get(f"/admin/backfill/{self._job}")
        return bool(job["sync"]["state"] == "synced")

    def _health(self) -> dict[str, object] | None:
        """What it says of its channel; None while it is starting."""
        if self.process.poll() is not None:
            raise children.Failed(f"backfilld ended: {children.tail(self.log)}")
        try:
            channel: dict[str, object] = self._control.get("/admin/health")["channel"]
        except (Unreachable, TimedOut):
            return None
        return channel


class Contestant(NamedTuple):
    """`start(url of Tap, url of the relay, folder)`; `records`: whether it has an index, which is
    then `records_of` its folder."""

    name: str
    start: Callable[[str, str, Path], AbstractContextManager[Client]]
    records: bool


@contextmanager
def discarding(tap_url: str, relay_url: str, folder: Path) -> Iterator[Client]:
    """See `discard`."""
    log = folder / "client.log"
    command = children.python("benchmarks.tap.discard", tap_url)
    with children.child(command, log, talks=True) as process:
        yield Client(process, log)


@contextmanager
def stock(tap_url: str, relay_url: str, folder: Path) -> Iterator[Client]:
    """See `stock`."""
    log = folder / "client.log"
    command = children.python("benchmarks.tap.stock", tap_url, folder / "data")
    with children.child(command, log, talks=True) as process:
        yield Client(process, log)


@contextmanager
def backfilld(tap_url: str, relay_url: str, folder: Path) -> Iterator[Daemon]:
    """The daemon, on whatever `folder` already holds of it."""
    config, socket, log = folder / "config.toml", folder / "socket", folder / "client.log"
    config.write_text(
        f'data_dir = "{folder}/data"\n[relay]\nurls = ["{relay_url}"]\n[tap]\nurl = "{tap_url}"\n'
        f'[control]\nsocket = "{socket}"\n[logging]\nlevel = "warning"\n'
    )
    command = children.python("backfilld.cli.daemon", "run", "--config", config)
    with children.child(command, log) as process:
        yield Daemon(process, log, socket)


DISCARD: Final = Contestant("a client that only acks", discarding, records=False)
BACKFILLD: Final = Contestant("backfilld's whole channel", backfilld, records=True)
STOCK: Final = Contestant("stock trio-websocket, same store", stock, records=True)
ALL: Final = (DISCARD, BACKFILLD, STOCK)


async def taught(folder: Path) -> None:
    """Lets a daemon that reaches no Tap learn the lexicon, so that the next one in the same
    folder wants the records from the first frame on."""
    nowhere = f"http://127.0.0.1:{children.free_port()}"
    with backfilld(nowhere, nowhere, folder) as daemon:
        await daemon.answers()
        daemon.learn(backfill=False)


def indexed(folder: Path) -> tuple[int, str]:
    """(rows of the index, their digest), as `world.Facts` has them. Ask after the client's end."""
    path = folder / "data" / "records.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        rows, digests = 0, []
        found = db.execute("SELECT did, rkey, cid FROM records_text ORDER BY did")
        for _, of_one in groupby(found, key=lambda row: row[0]):
            records = list(of_one)
            rows += len(records)
            digests.append(digest_of(records))
    return rows, digest_of_all(digests)
