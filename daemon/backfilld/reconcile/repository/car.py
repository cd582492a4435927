"""Takes a CAR apart as it comes, and holds every block to its CID. Pure.

Source: CAR version 1, ipld.io/specs/transport/car/carv1. Cut between two blocks it looks whole:
whoever walks the tree finds what is missing.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

from .dagcbor import CID_BYTES, CID_HEADS, Bad, Link, decode

BLOCK_BYTES_MAX: Final = 2 * 2**20
HEADER_BYTES_MAX: Final = 1024
_VARINT_BYTES_MAX: Final = 5

Block = tuple[bytes, bytes]
"""Its CID, and its bytes."""


class CarReader:
    """Fed with pieces of any size. `root` is the CID of the commit, None until the header came."""

    def __init__(self) -> None:
        self.root: bytes | None = None
        self._rest = bytearray()

    def feed(self, piece: bytes) -> list[Block]:
        """The blocks that are whole now. Raises Bad."""
        self._rest += piece
        return list(self._blocks())

    def end(self) -> bytes:
        """The root, when all has been fed. Raises Bad."""
        if self.root is None or self._rest:
            raise Bad("the CAR is cut short")
        return self.root

    def _blocks(self) -> Iterator[Block]:
        at = 0
        while (found := self._section(at)) is not None:
            begin, at = found
            section = bytes(self._rest[begin:at])
            if self.root is None:
                self.root = _root(section)
            else:
                yield _block(section)
        del self._rest[:at]

    def _section(self, at: int) -> tuple[int, int] | None:
        """Where the next one is, if all of it came."""
        length = 0
        for place in range(_VARINT_BYTES_MAX):
            if at + place >= len(self._rest):
                return None
            byte = self._rest[at + place]
            length |= (byte & 127) << 7 * place
            if byte < 128:
                begin = at + place + 1
                break
        else:
            raise Bad("a length in the CAR is too long")
        most = HEADER_BYTES_MAX if self.root is None and at == 0 else BLOCK_BYTES_MAX + CID_BYTES
        if not 0 < length <= most:
            raise Bad(f"a part of {length:,} bytes in the CAR, {most:,} are the most")
        return (begin, begin + length) if begin + length <= len(self._rest) else None


def _root(header: bytes) -> bytes:
    match decode(header):
        case {"version": 1, "roots": [Link() as root, *_]}:
            return root
    raise Bad("the CAR's header names no root")


def _block(section: bytes) -> Block:
    cid, block = section[:CID_BYTES], section[CID_BYTES:]
    if len(cid) != CID_BYTES or cid[:4] not in CID_HEADS:
        raise Bad("a block in the CAR has no CID of this protocol")
    if hashlib.sha256(block).digest() != cid[4:]:
        raise Bad("a block in the CAR does not fit its CID")
    return cid, block
