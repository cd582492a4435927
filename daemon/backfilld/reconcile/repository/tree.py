"""Walks the tree of a repository, and holds it to its one right form. Pure.

The one rule: who has the root has all of it or a failure. A tree of these records can be built in
one way only, so a node that is missing, out of order or in the wrong layer is found.
Source: atproto.com/specs/repository (MST).
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from .dagcbor import Bad, Link, decode

KEY_BYTES_MAX: Final = 1024
NODE_BYTES_MAX: Final = 256 * 2**10  # a usual one has 4 entries; decoded it takes 70 times as much
_KEY: Final = re.compile(rb"[a-zA-Z0-9.-]{1,317}/[a-zA-Z0-9_~.:-]{1,512}")


class Leaf(NamedTuple):
    """A record: its path, `collection/rkey`, and its CID."""

    key: bytes
    value: bytes


class _Subtree(NamedTuple):
    cid: bytes
    layer: int | None  # None: of the root, which its keys say


def walk(root: bytes, load: Callable[[bytes], bytes]) -> Iterator[Leaf]:
    """Every record under `root`, in order. `load` gives the block of a CID. Raises Bad, and what
    `load` raises."""
    ahead: list[Leaf | _Subtree] = [_Subtree(root, None)]
    last = b""
    while ahead:
        one = ahead.pop()
        if isinstance(one, _Subtree):
            ahead += reversed(_parts(load(one.cid), one.layer))
        elif one.key <= last:
            raise Bad("keys of the tree are out of order")
        else:
            last = one.key
            yield one


def layer_of(key: bytes) -> int:
    """How many leading pairs of zero bits its SHA-256 has: the higher, the nearer to the root."""
    digest = hashlib.sha256(key).digest()
    return (256 - int.from_bytes(digest, "big").bit_length()) // 2


def shared(left: bytes, right: bytes) -> int:
    """How many bytes both begin with."""
    length = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        length += 1
    return length


def small(block: bytes) -> object:
    """The value in a node or a commit. Raises Bad, also for a larger one than any needs to be."""
    if len(block) > NODE_BYTES_MAX:
        raise Bad(f"a node or commit of {len(block):,} bytes")
    return decode(block)


def _parts(block: bytes, layer: int | None) -> list[Leaf | _Subtree]:
    """What a node holds, in order. `layer` is that which it must have."""
    match small(block):
        case {"l": (None | Link()) as left, "e": list(entries), **rest} if not rest:
            pass
        case _:
            raise Bad("a node of the tree is of another form")
    keys = _keys(entries)
    is_root = layer is None
    if keys:
        layers = {layer_of(key) for key in keys}
        if len(layers) > 1 or (not is_root and layers != {layer}):
            raise Bad("a key of the tree is in the wrong layer")
        layer = layers.pop()
    elif not is_root and left is None:
        raise Bad("a node of the tree is empty")
    elif is_root and left is not None:
        raise Bad("the root of the tree has no key of its own")
    below = (layer or 0) - 1
    parts: list[Leaf | _Subtree] = [] if left is None else [_Subtree(left, below)]
    for key, entry in zip(keys, entries, strict=True):
        parts.append(Leaf(key, entry["v"]))
        if entry["t"] is not None:
            parts.append(_Subtree(entry["t"], below))
    if below < 0 and len(parts) > len(keys):
        raise Bad("a tree goes on below its lowest layer")
    return parts


def _keys(entries: list[object]) -> list[bytes]:
    keys: list[bytes] = []
    before = b""
    for entry in entries:
        match entry:
            case {
                "k": bytes(tail), "p": int(length), "v": Link(), "t": (None | Link()), **rest,
            } if not rest:  # fmt: skip
                pass
            case _:
                raise Bad("an entry of the tree is of another form")
        key = before[:length] + tail
        if not 0 <= length <= len(before) or shared(before, key) != length:
            raise Bad("a key of the tree is not as short as it can be")
        if len(key) > KEY_BYTES_MAX or _KEY.fullmatch(key) is None:
            raise Bad("a key of the tree is no path of a record")
        keys.append(key)
        before = key
    return keys
