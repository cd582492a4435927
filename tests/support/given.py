"""Given these events, the job is this: folds without a log."""

from collections.abc import Sequence

from backfilld_events import ids
from backfilld_events.catalog.job import (
    BatchHandedOff,
    JobEvent,
    JobStarted,
    PageDiscovered,
)
from backfilld_events.folds import job as fold
from backfilld_events.folds.job import Job
from backfilld_events.ids import Did, Nsid

POSTS = Nsid("net.example.post")
LIKES = Nsid("net.example.like")
RELAY = "https://relay1.example"
SECOND = "https://relay2.example"
TAP = "http://127.0.0.1:2480"
NOON = 1_800_000_000.0


def did(n: int) -> Did:
    """The n-th made-up did:plc."""
    return ids.unpack_one(n.to_bytes(15, "big"))


def dids(first: int, count: int) -> list[Did]:
    return [did(n) for n in range(first, first + count)]


def started(*collections: Nsid, given: bool = False) -> JobStarted:
    return JobStarted(
        collections=list(collections),
        asked_for=collections[0] if len(collections) == 1 else None,
        asked_did=None,
        given=given,
        mode="add",
    )


def page(
    first: int,
    count: int,
    cursor: str | None = "more",
    collection: Nsid = POSTS,
    malformed: Sequence[str] = (),
) -> PageDiscovered:
    return PageDiscovered(
        collection=collection,
        relay=RELAY,
        first=first,
        count=count,
        cursor=cursor,
        dids=ids.pack(dids(first, count)),
        malformed=list(malformed),
    )


def handed_off(upto: int, first: int = 0) -> BatchHandedOff:
    return BatchHandedOff(first=first, upto=upto, tap=TAP)


def given(start: JobStarted, *events: JobEvent, at: float = NOON) -> Job:
    """The job after these events, all recorded at `at`."""
    job = fold.start("7", start, actor="uid:1000", cause=None, position=1, at=at)
    for event in events:
        job = fold.evolve(job, event, at)
    return job
