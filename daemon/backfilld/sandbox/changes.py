"""What can change in a world, and what a firehose says of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey

Status = Literal["active", "deactivated", "takendown", "suspended", "deleted"]


class Record(NamedTuple):
    """A record as it stands in a repository; `body` None: it cannot be read."""

    collection: Nsid
    rkey: Rkey
    cid: Cid
    body: bytes | None

    @property
    def path(self) -> str:
        return f"{self.collection}/{self.rkey}"


class Write(NamedTuple):
    """One write of a commit; `record` None: it deletes."""

    action: Literal["create", "update", "delete"]
    collection: Nsid
    rkey: Rkey
    record: Record | None


class Commit(NamedTuple):
    """A commit. `prev` is the rev it was made on: a reader that holds another has missed one."""

    did: Did
    rev: Rev
    prev: Rev
    writes: Sequence[Write]


class AccountChange(NamedTuple):
    """An account's status, as its host says it now."""

    did: Did
    status: Status


FirehoseEvent = Commit | AccountChange


@dataclass(slots=True)
class ChangedRepo:
    """A repository that is no longer what the seed says; `records` by path."""

    rev: Rev
    records: dict[str, Record]
