"""The Merkle search tree of a repository, built at once from its sorted leaves. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from backfilld.reconcile.repository.tree import layer_of, shared

from .dagcbor import Cid, cid_of, encode


class Leaf(NamedTuple):
    """A record: its path (`collection/rkey`) and its CID."""

    key: bytes
    value: Cid


class Tree(NamedTuple):
    """The root, and every node by its CID; the root is the last."""

    root: Cid
    nodes: dict[Cid, bytes]


def build(leaves: Iterable[Leaf]) -> Tree:
    """The tree of these leaves, in any order; their keys differ."""
    items = [(layer_of(leaf.key), leaf) for leaf in sorted(leaves)]
    nodes: dict[Cid, bytes] = {}
    root = _node(items, max((layer for layer, _ in items), default=0), nodes)
    return Tree(root, nodes)


def _node(items: Sequence[tuple[int, Leaf]], layer: int, nodes: dict[Cid, bytes]) -> Cid:
    """Leaves of this layer are the node's own; each run between two of them is a subtree.

    A subtree starts one layer below, even if its highest leaf is lower still: the nodes in between
    hold nothing but the link to the left.
    """
    entries: list[dict[str, object]] = []
    left: Cid | None = None
    begin, before = 0, b""
    for at, (own_layer, leaf) in enumerate(items):
        if own_layer == layer:
            under = _node(items[begin:at], layer - 1, nodes) if at > begin else None
            if entries:
                entries[-1]["t"] = under
            else:
                left = under
            same = shared(before, leaf.key)
            entries.append({"k": leaf.key[same:], "p": same, "t": None, "v": leaf.value})
            begin, before = at + 1, leaf.key
    if begin < len(items):
        under = _node(items[begin:], layer - 1, nodes)
        if entries:
            entries[-1]["t"] = under
        else:
            left = under
    block = encode({"e": entries, "l": left})
    cid = cid_of(block)
    nodes[cid] = block
    return cid
