"""What survives a Tap: its database. Pure."""

from ..changes import Commit
from ..world import World
from .outbox import Event
from .repos import RepoTable


class TapDisk:
    """Give the same disk to the next Tap, and it goes on where the last one was."""

    def __init__(self, world: World, seed: int = 0) -> None:
        self._world, self._seed = world, seed
        self.locked: set[str] = set()  # DIDs whose rows it fails to delete
        self.lose_database()

    def lose_database(self) -> None:
        """Everything is gone, as if the file had been deleted. No Tap may run on it now."""
        self.repos = RepoTable(self._world.ordinal, self._world.did, self._seed)
        self.records: dict[str, dict[str, str]] = {}  # DID -> path -> CID; outlives a removed row
        self.outbox: dict[int, Event] = {}
        self.resync_buffer: dict[str, list[Commit]] = {}
        self.cursor: int | None = None  # of the firehose; None: never connected
        self.record_count = 0

    def known(self, did: str) -> dict[str, str]:
        return self.records.get(did, {})

    def put(self, did: str, path: str, cid: str) -> None:
        """Notes a record and its CID."""
        known = self.records.setdefault(did, {})
        self.record_count += path not in known
        known[path] = cid

    def drop(self, did: str, path: str) -> None:
        if self.records.get(did, {}).pop(path, None) is not None:
            self.record_count -= 1

    def delete_repo(self, did: str) -> None:
        """The row, its records and its held-back commits; what waits in the outbox stays."""
        self.repos.remove(did)
        self.record_count -= len(self.records.pop(did, ()))
        self.resync_buffer.pop(did, None)
