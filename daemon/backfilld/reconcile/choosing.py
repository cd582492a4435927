"""A sample of repositories: by chance, and the same again for the same seed.

The one rule: who is in it depends on the seed and the DIDs alone, not on their order or on the day:
those whose hash with the seed is lowest.
"""

import heapq
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from backfilld_events.ids import Did, Nsid

from .index import Index

PIECE = 1_000


class Sample(NamedTuple):
    """`dids` are by chance, out of `of` repositories."""

    dids: list[Did]
    of: int


async def sample(
    index: Index, collections: Sequence[Nsid], job: int | None, size: int, seed: str
) -> Sample:
    """At most `size` of the repositories that `Index.following` names."""
    lowest: list[tuple[int, Did]] = []  # a heap, the highest hash first
    after, of, last = 0, 0, False
    while not last:
        some = await index.following(collections, job, after, PIECE)
        after, last = some.upto, some.last
        of += len(some.dids)
        for did in some.dids:
            digest = blake2b(did.encode(), key=seed.encode()[:64], digest_size=8).digest()
            entry = (-int.from_bytes(digest, "big"), did)
            if len(lowest) < size:
                heapq.heappush(lowest, entry)
            else:
                heapq.heappushpop(lowest, entry)
    return Sample([did for _, did in sorted(lowest, reverse=True)], of)
