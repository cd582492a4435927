"""Holds a log against checkpoints that were kept elsewhere.

The one rule: what a checkpoint says was so. Where the log says otherwise, the log was changed
after that; the first position that can be wrong follows the last checkpoint that agrees.
"""

from collections.abc import Iterable

from msgspec import Struct

from .checkpoint import Checkpoint, origin
from .source import Source
from .verify import Broken


class Agreed(Struct, frozen=True):
    """`checkpoints` agree with the log, the last of them at `position`."""

    checkpoints: int
    position: int


def against(source: Source, checkpoints: Iterable[Checkpoint]) -> Agreed:
    """Raises Broken at the first position that can be wrong. The chain is not looked at: `verify`
    it too, or a right hash may stand in a wrong row."""
    kept = list(checkpoints)
    upto, hashes = source.upto(), source.hashes({1, *(one.position for one in kept)})
    # of two that say different things of a position, that with which the log disagrees comes first
    kept.sort(key=lambda one: (one.position, hashes.get(one.position) == one.hash))
    agreed = 0
    for one in kept:
        said = f"a checkpoint of {one.at} says that #{one.position} is {one.hash.hex()}"
        if one.origin != origin(hashes.get(1, b"")):
            raise Broken(1, f"it is another log, or was made anew from the start: {said}")
        if one.position > upto:
            raise Broken(upto + 1, f"the log ends with #{upto}, its tail is cut off: {said}")
        if (found := hashes.get(one.position, b"")) != one.hash:
            raise Broken(
                agreed + 1,
                f"somewhere from #{agreed + 1} to #{one.position} the log is not what it was: "
                f"{said}, and the log has {found.hex() or 'no such row'}",
            )
        agreed = one.position
    return Agreed(len(kept), agreed)
