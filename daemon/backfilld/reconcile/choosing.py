"""A sample of repositories: by chance, and the same again for the same seed.

The one rule: who is in it depends on the seed and on the log alone. Ranks are drawn, out of a
number that is kept, so a sample costs what it has, however many repositories there are.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from backfilld_events.ids import Did, Nsid

from .index import Index

PIECE = 200


class Sample(NamedTuple):
    """`dids` are by chance, out of `of` repositories."""

    dids: list[Did]
    of: int


async def sample(
    index: Index, collections: Sequence[Nsid], job: int | None, size: int, seed: str
) -> Sample:
    """At most `size` of the repositories that `Index.following` names."""
    of = await index.comparable(collections, job)
    ranks = drawn(of, size, seed)
    dids: dict[Did, None] = {}  # one may move to another rank in between
    for at in range(0, len(ranks), PIECE):
        dids |= dict.fromkeys(await index.ranked(collections, job, ranks[at : at + PIECE]))
    return Sample([*dids], of)


def drawn(of: int, size: int, seed: str) -> list[int]:
    """`size` different ranks below `of`, or all of them, in rising order."""
    if size >= of:
        return list(range(of))
    but = 2 * size > of  # it is quicker to draw those that are left out
    chosen: set[int] = set()
    n = 0
    while len(chosen) < (of - size if but else size):
        digest = blake2b(n.to_bytes(8, "big"), key=seed.encode()[:64], digest_size=8).digest()
        chosen.add(int.from_bytes(digest, "big") % of)
        n += 1
    return sorted(set(range(of)) - chosen if but else chosen)
