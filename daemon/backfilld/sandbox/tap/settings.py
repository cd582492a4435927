"""What a Tap is started with, as far as it can be seen from outside. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TapSettings:
    """Named after Tap's own variables (TAP_RETRY_TIMEOUT, ...); times in seconds. Of the simulation
    are the last: `fetch_s` is how long a PDS takes for a repository, `batch_s` how long Tap takes
    to store 100 records of one, and `socket_bytes` is what a connection holds unread: when it
    ends, those events come again only after the retry timeout."""

    collection_filters: tuple[str, ...] = ()
    outbox_only: bool = False
    admin_password: str = ""
    retry_timeout_s: float = 60.0
    resync_parallelism: int = 5
    outbox_capacity: int = 100_000
    disable_acks: bool = False
    no_replay: bool = False
    webhook: bool = False
    repo_fetch_timeout_s: float = 300.0
    fetch_s: float = 0.0
    batch_s: float = 0.0
    socket_bytes: int = 64 * 2**10


def matches(collection: str, filters: tuple[str, ...]) -> bool:
    """Whether a collection passes. A final star is a plain prefix, also inside a segment."""
    return not filters or any(
        collection.startswith(entry[:-1]) if entry.endswith("*") else collection == entry
        for entry in filters
    )
