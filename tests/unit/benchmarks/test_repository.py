"""What builds repositories: held to the official vectors, and to what a reference PDS built."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.tap import repository, tree, world
from benchmarks.tap.dagcbor import Cid, cid_of, encode
from benchmarks.tap.tree import Leaf
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from . import reading

INTEROP = Path(__file__).parents[2] / "interop"


def vectors(name: str) -> Any:
    return json.loads((INTEROP / f"{name}.json").read_text())


def binary(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def cid(text: str) -> Cid:
    padded = text[1:].upper() + "=" * (-len(text[1:]) % 8)
    return Cid(base64.b32decode(padded))


def value_of(shown: Any) -> Any:
    """A value from its JSON."""
    match shown:
        case {"$link": str(text)}:
            return cid(text)
        case {"$bytes": str(text)}:
            return binary(text)
        case dict():
            return {name: value_of(inner) for name, inner in shown.items()}
        case list():
            return [value_of(inner) for inner in shown]
    return shown


def again(value: Any) -> Any:
    """A value as read, as one that can be written."""
    match value:
        case reading.Link():
            return Cid(value)
        case dict():
            return {name: again(inner) for name, inner in value.items()}
        case list():
            return [again(inner) for inner in value]
    return value


# --- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors("data-model/data-model-fixtures"))
def test_values_are_encoded_as_everybody_encodes_them(vector: Any) -> None:
    block = encode(value_of(vector["json"]))
    assert block == binary(vector["cbor_base64"])
    assert str(cid_of(block)) == vector["cid"]


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_number_is_read_back_as_itself_and_is_written_the_short_way(number: int) -> None:
    block = encode(number)
    assert reading.decode(block) == number
    argument = number if number >= 0 else -1 - number
    more = next(size for size in (1, 2, 4, 8) if argument < 256**size) if argument > 23 else 0
    assert len(block) == 1 + more


def test_what_the_data_model_has_not_is_refused() -> None:
    with pytest.raises(TypeError, match="float is not in the data model"):
        encode({"a": 1.5})


# --- trees -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "vector", vectors("firehose/commit-proof-fixtures"), ids=lambda one: one["comment"]
)
def test_roots_before_and_after_a_commit(vector: Any) -> None:
    def root(keys: set[str]) -> str:
        value = cid(vector["leafValue"])
        return str(tree.build(Leaf(key.encode(), value) for key in keys).root)

    keys = set(vector["keys"])
    assert root(keys) == vector["rootBeforeCommit"]
    assert root((keys | set(vector["adds"])) - set(vector["dels"])) == vector["rootAfterCommit"]


@pytest.mark.parametrize("name", ["small", "empty"])
def test_the_tree_of_a_reference_pds_is_built_again_node_by_node(name: str) -> None:
    real = reading.car((INTEROP / "repo" / f"{name}.car").read_bytes())
    commit = reading.decode(real.blocks[real.root])
    walked = list(reading.walk(real.blocks, commit["data"]))
    leaves = [Leaf(key, Cid(value)) for key, value in leaves_of(walked)]
    assert len(leaves) == {"small": 250, "empty": 0}[name]
    built = tree.build(reversed(leaves))
    assert built.root == commit["data"]
    assert built.nodes == {node: real.blocks[node] for kind, node in walked if kind == "node"}
    for block in real.blocks.values():
        assert encode(again(reading.decode(block))) == block


def leaves_of(walked: list[tuple[str, Any]]) -> list[tuple[bytes, bytes]]:
    return [what for kind, what in walked if kind == "leaf"]


# --- keys and signatures ---------------------------------------------------------------------


def test_of_two_signatures_the_low_one_is_taken() -> None:
    low, high = (
        binary(vector["signatureBase64"])
        for vector in vectors("crypto/signature-fixtures")
        if vector["algorithm"] == "ES256" and "der-encoded" not in vector["tags"]
    )
    assert low[:32] == high[:32], "the same signature"
    for either in (low, high):
        assert repository.low(int.from_bytes(either[32:], "big")).to_bytes(32, "big") == low[32:]


def test_a_key_is_written_as_the_vectors_have_it() -> None:
    vector = vectors("crypto/signature-fixtures")[0]
    number = 0
    for digit in vector["publicKeyMultibase"][1:]:
        alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
        number = number * 58 + alphabet.index(digit)
    point = number.to_bytes(33, "big")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    assert "z" + repository.base58(point) == vector["publicKeyMultibase"]
    assert "did:key:" + repository.multikey(key) == vector["publicKeyDid"]


def test_a_built_repository_holds_its_records_and_verifies() -> None:
    made = world.repository("seed", 3, 120)
    read = reading.car(made.car)
    assert next(iter(read.blocks)) == read.root, "the commit comes first"
    commit = reading.decode(read.blocks[read.root])
    sig = commit.pop("sig")
    assert {**commit, "data": None} == {
        "did": world.did_of("seed", 3), "version": 3, "prev": None, "data": None,
        "rev": commit["rev"],
    }  # fmt: skip
    r, s = (int.from_bytes(half, "big") for half in (sig[:32], sig[32:]))
    assert s <= repository.P256_ORDER // 2
    key = repository.key_of(commit["did"]).public_key()
    key.verify(encode_dss_signature(r, s), encode(again(commit)), ec.ECDSA(hashes.SHA256()))
    found = leaves_of(list(reading.walk(read.blocks, commit["data"])))
    assert found == made.leaves == sorted(set(made.leaves))
    assert len(found) == 120
    for path, value in found:
        assert path.startswith(world.COLLECTION.encode() + b"/")
        assert reading.decode(read.blocks[value])["$type"] == world.COLLECTION


def test_the_digest_of_records_knows_no_order_and_sees_every_difference() -> None:
    records = [("did:a", "r1", "c1"), ("did:a", "r2", "c2")]
    assert world.digest_of(records) == world.digest_of(records[::-1])
    assert world.digest_of(records) != world.digest_of([("did:a", "r1", "c1"), ("did:a", "r2", "")])
    assert world.digest_of_all(["a", "b"]) == world.digest_of_all(["b", "a"])
    assert world.digest_of_all(["a", "b"]) != world.digest_of_all(["a"])
