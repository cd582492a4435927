"""Tap without I/O: what each request, each fetch and each firehose event does to its state. Pure.

Time is an argument; whoever calls (`life`) decides when. What must survive goes to the disk at
once, as Tap's transactions do.
"""

from collections.abc import Iterator, Sequence

from ..changes import AccountChange, Commit, FirehoseEvent, Status, Write
from ..world import World
from .disk import TapDisk
from .fetching import Failed, Snapshot, fetch, pds_of
from .frames import identity_frame, record_frame
from .outbox import Event, Outbox
from .settings import TapSettings, matches

RESYNC_BATCH = 100
HOST_PARKED_S = 10.0


class Crash(Exception):
    """The process is gone: a repository was removed, or its account deleted, while a fetch of it
    was failing."""


class Core:
    """One process life of a Tap."""

    def __init__(self, disk: TapDisk, world: World, settings: TapSettings) -> None:
        self.disk, self.world, self.settings = disk, world, settings
        self.outbox = Outbox(disk.outbox, settings.outbox_capacity, settings.retry_timeout_s)
        self.last_seq = 0  # the firehose event last handled by this process
        self._parked_until: dict[str, float] = {}  # by PDS host
        disk.repos.restart()

    # --- fetching a repository -----------------------------------------------------------------

    def refresh_identity(self, did: str, now: float) -> None:
        """Looks the account up; tells of its handle when that is news."""
        ordinal, row = self.world.ordinal(did), self.disk.repos.change(did)
        if ordinal is None or row is None or pds_of(self.world, did) is None:
            return
        handle = self.world.handle(ordinal)
        if handle != row.handle:
            row.handle = handle
            self._tell_identity(did, row.handle, row.status, now)

    def fetch(self, did: str, now: float) -> Snapshot | Failed:
        """Fetches the repository, unless its host is parked."""
        if now < self._parked_until.get(pds_of(self.world, did) or "", now):
            return Failed(None)
        return fetch(self.world, did, now)

    def fail(self, did: str, failure: Failed, now: float) -> None:
        """A fetch has failed; it is tried again later. A 429 parks the host. Raises Crash."""
        if failure.error is None and failure.host is not None:
            self._parked_until[failure.host] = now + HOST_PARKED_S
        row = self.disk.repos.change(did)
        if row is None:
            raise Crash("nil pointer dereference in handleResyncError")
        self.disk.repos.fail(row, failure.error, now)

    def news(self, did: str, snapshot: Snapshot) -> Iterator[Sequence[Write]]:
        """Batches of what is not known of a fetched repository. What is gone from it is not
        noticed: that is how ghosts come to be."""
        known = dict(self.disk.known(did))
        batch: list[Write] = []
        for record in snapshot.records:
            before = known.get(record.path)
            if before == record.cid or not self._wanted(record.collection):
                continue
            batch.append(
                Write(
                    "create" if before is None else "update",
                    record.collection,
                    record.rkey,
                    record,
                )
            )
            if len(batch) >= RESYNC_BATCH:
                yield batch
                batch = []
        yield batch

    def store(self, did: str, rev: str, writes: Sequence[Write], now: float) -> None:
        """A batch of a fetched repository; all of it bears the repository's present rev."""
        self._tell_records(did, rev, writes, now, live=False)

    def finish(self, did: str, snapshot: Snapshot, now: float) -> None:
        """The repository is whole; then come the commits that were held back meanwhile. The row is
        active now, also one that was removed and added again while this fetch went on."""
        row = self.disk.repos.change(did)
        if row is None:
            return
        row.state, row.rev, row.data = "active", snapshot.rev, snapshot.rev
        row.error, row.retries, row.retry_after = "", 0, 0
        held = self.disk.resync_buffer.pop(did, [])
        kept = [commit for commit in held if not self._drain(did, commit, now)]
        if kept:
            self.disk.resync_buffer[did] = kept

    def _drain(self, did: str, commit: Commit, now: float) -> bool:
        row = self.disk.repos.change(did)
        if row is None or commit.prev != row.data:
            return False
        return self._apply(commit, now)  # one without a wanted write keeps its place for good

    # --- the firehose --------------------------------------------------------------------------

    def hear(self, event: FirehoseEvent, now: float) -> None:
        """One event of the firehose."""
        if isinstance(event, AccountChange):
            self._hear_account(event, now)
        else:
            self._hear_commit(event, now)

    def _hear_commit(self, commit: Commit, now: float) -> None:
        row = self.disk.repos.get(commit.did)
        if row is None or row.state not in ("active", "resyncing"):
            return
        if row.rev and commit.rev <= row.rev:
            return  # heard before
        if row.state == "resyncing":
            self.disk.resync_buffer.setdefault(commit.did, []).append(commit)
        elif commit.prev != row.data:
            self.disk.repos.desynchronize(row)
        else:
            self._apply(commit, now)

    def _apply(self, commit: Commit, now: float) -> bool:
        """Applies a commit that fits; whether it had a wanted write."""
        writes = [write for write in commit.writes if self._wanted(write.collection)]
        if writes:
            self._tell_records(commit.did, commit.rev, writes, now, live=True)
        row = self.disk.repos.change(commit.did)
        if row is not None:
            row.rev = row.data = commit.rev
        return bool(writes)

    def _hear_account(self, change: AccountChange, now: float) -> None:
        row = self.disk.repos.change(change.did)
        if row is None or row.status == change.status:
            return
        row.status = change.status
        self._tell_identity(change.did, row.handle, change.status, now)
        if change.status == "deleted":
            self.disk.delete_repo(change.did)

    # --- the outbox ----------------------------------------------------------------------------

    def _wanted(self, collection: str) -> bool:
        return matches(collection, self.settings.collection_filters)

    def _tell_identity(self, did: str, handle: str, status: Status, now: float) -> None:
        (number,) = self.outbox.numbers(1)
        frame = identity_frame(number, did, handle, status)
        self.outbox.add([Event(number, did, live=False, frame=frame)], now)

    def _tell_records(
        self, did: str, rev: str, writes: Sequence[Write], now: float, *, live: bool
    ) -> None:
        events = []
        for number, write in zip(self.outbox.numbers(len(writes)), writes, strict=True):
            path = f"{write.collection}/{write.rkey}"
            if write.record is None:
                self.disk.drop(did, path)
            else:
                self.disk.put(did, path, write.record.cid)
            frame = record_frame(number, did, rev, write, live=live)
            events.append(Event(number, did, live, frame))
        self.outbox.add(events, now)
