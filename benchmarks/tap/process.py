"""The real Tap as a child process on loopback: started, asked, stopped, and what it cost.

Its binary comes from outside: BENCH_TAP names it. Two settings differ from Tap's own:
the outbox holds all events of the benchmark, so that it can be filled with nobody reading, and an
unacked event is sent again only after an hour, so that each is counted once.
"""

import http.client
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from .. import programs
from . import children
from .children import Child
from .world import COLLECTION

VARIABLE: Final = "BENCH_TAP"
BATCH: Final = 1000  # DIDs of one /repos/add
START_S_MAX: Final = 60.0
TIMEOUT_S: Final = 60.0
DELETED_AT_ONCE: Final = 1000  # Tap deletes acked events so many at a time; fewer wait for 10 s
_SAMPLE: Final = re.compile(rb"^(tap_\w+) (\S+)$", re.MULTILINE)


def binary() -> Path:
    """The program. Raises Needs."""
    named = os.environ.get(VARIABLE)
    if not named:
        raise programs.Needs(
            f"set {VARIABLE} to the path of a built Tap (cmd/tap of bluesky-social/indigo:"
            " `go build ./cmd/tap`)"
        )
    found = shutil.which(named)
    if found is None:
        raise programs.Needs(f"{VARIABLE}={named}: there is no such program")
    return Path(found).resolve()


class Counts(msgspec.Struct, frozen=True):
    """Tap's counters at one moment. `held`: events in its outbox, those acked but not yet deleted
    too; `sent`: put into the queue of the channel; `acked`: acks taken."""

    held: int
    sent: int
    acked: int
    resynced: int
    failed: int


class Tap:
    """A running Tap."""

    def __init__(self, process: Child, port: int, metrics_port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self._api = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        self._metrics = http.client.HTTPConnection("127.0.0.1", metrics_port, timeout=TIMEOUT_S)

    def add(self, dids: Sequence[str]) -> None:
        """Hands repositories over."""
        for at in range(0, len(dids), BATCH):
            body = msgspec.json.encode({"dids": list(dids[at : at + BATCH])})
            headers = {"content-type": "application/json"}
            self._api.request("POST", "/repos/add", body, headers)
            self._answered(self._api)

    def outbox(self) -> int:
        """How many events its database holds; slow when they are many."""
        self._api.request("GET", "/stats/outbox-buffer")
        return msgspec.json.decode(self._answered(self._api), type=dict[str, int])["outbox_buffer"]

    def counts(self) -> Counts:
        """Its counters; cheap, they come from memory."""
        self._metrics.request("GET", "/metrics")
        found = dict(_SAMPLE.findall(self._answered(self._metrics)))
        return Counts(
            held=_number(found, b"tap_event_cache_size"),
            sent=_number(found, b"tap_events_delivered_total"),
            acked=_number(found, b"tap_events_acked_total"),
            resynced=_number(found, b"tap_resyncs_completed_total"),
            failed=_number(found, b"tap_resyncs_failed_total"),
        )

    def active(self, did: str) -> bool:
        """Whether it has fetched the repository."""
        self._api.request("GET", f"/info/{did}")
        found = msgspec.json.decode(self._answered(self._api), type=dict[str, str | int])
        return found["state"] == "active"

    def answers(self) -> bool:
        """Whether both of its ports do."""
        with suppress(OSError, http.client.HTTPException):
            self._api.request("GET", "/health")
            self._answered(self._api)
            self.counts()
            return True
        self._api.close()
        self._metrics.close()
        return False

    def close(self) -> None:
        """Closes our connections."""
        self._api.close()
        self._metrics.close()

    def _answered(self, connection: http.client.HTTPConnection) -> bytes:
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise children.Failed(f"Tap answered {answer.status}: {body[:200]!r}")
        return body


@contextmanager
def started(program: Path, folder: Path, world_url: str, capacity: int) -> Iterator[Tap]:
    """Tap on the database in `folder`, which may hold one already; ask `answers` before the rest.
    It is stopped cleanly, so that the folder can be copied afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    port, metrics_port = children.free_port(), children.free_port()
    settings = {
        "TAP_DATABASE_URL": f"sqlite://{folder}/tap.db",
        "TAP_BIND": f"127.0.0.1:{port}",
        "TAP_METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
        "TAP_PLC_URL": world_url,
        "TAP_RELAY_URL": world_url,
        "TAP_COLLECTION_FILTERS": COLLECTION,
        "TAP_OUTBOX_CAPACITY": str(capacity),
        "TAP_RETRY_TIMEOUT": "1h",
        "TAP_LOG_LEVEL": "warn",
    }
    log = folder.parent / f"{folder.name}.log"
    environment = children.own_environment(**settings)
    command = [str(program), "run"]
    with children.child(command, log, env=environment, cwd=folder) as process:
        tap = Tap(process, port, metrics_port)
        try:
            yield tap
        finally:
            tap.close()


Started = AbstractContextManager[Tap]


async def ready(tap: Tap) -> None:
    """Waits until it answers. Raises Failed."""
    await children.until(tap.answers, "Tap answers", START_S_MAX)


def _number(found: dict[bytes, bytes], name: bytes) -> int:
    return int(float(found.get(name, b"0")))
