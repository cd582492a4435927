"""How the rows of one repository differ from those of its server, as `seen.apart` keeps it. Pure.

The one rule: a comparison speaks of its own collections alone; what others found of the rest stays.
"""

from collections.abc import Collection, Iterable

import msgspec
from msgspec import Struct

from ..catalog.reconcile import Difference
from ..ids import Nsid


class Apart(Struct, frozen=True, array_like=True):
    """In how many records of a collection; see catalog.reconcile.Difference."""

    missing: int
    extra: int
    different: int


_DECODER = msgspec.json.Decoder(dict[Nsid, Apart])


def after(
    before: str | None, collections: Collection[Nsid], found: Iterable[Difference]
) -> str | None:
    """What is kept after a comparison in these collections; None: nothing differs."""
    kept = {nsid: one for nsid, one in _read(before).items() if nsid not in collections}
    kept |= {one.collection: Apart(one.missing, one.extra, one.different) for one in found}
    return msgspec.json.encode(kept).decode() if kept else None


def differs(kept: str | None, collections: Collection[Nsid]) -> bool:
    """Whether it differs in any of these collections."""
    return not _read(kept).keys().isdisjoint(collections)


def says(kept: str) -> str:
    """The same in words."""
    parts = [f"{nsid} has {_says(one)}" for nsid, one in sorted(_read(kept).items())]
    return f"compared with its server, {', and '.join(parts)}"


def _read(kept: str | None) -> dict[Nsid, Apart]:
    return {} if kept is None else _DECODER.decode(kept)


def _says(one: Apart) -> str:
    parts = [
        (one.missing, "missing here"), (one.extra, "here and not there"),
        (one.different, "of another version"),
    ]  # fmt: skip
    return ", ".join(f"{n:,} {word}" for n, word in parts if n)
