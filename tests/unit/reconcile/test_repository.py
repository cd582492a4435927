"""Repositories are held to the official vectors, to what a reference PDS made, and to their one
right form: nothing that was left out, moved or changed passes."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.tap import tree as building
from benchmarks.tap.dagcbor import Cid, cid_of, encode
from benchmarks.tap.tree import Leaf
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from backfilld.network.documents import SigningKey
from backfilld.reconcile.repository.car import BLOCK_BYTES_MAX, Block, CarReader
from backfilld.reconcile.repository.dagcbor import Bad, Link, decode, text_of, without
from backfilld.reconcile.repository.signing import is_signed, public_key
from backfilld.reconcile.repository.tree import NODE_BYTES_MAX, layer_of, shared, walk

INTEROP = Path(__file__).parents[2] / "interop"
SMALL = (INTEROP / "repo" / "small.car").read_bytes()


def vectors(name: str) -> Any:
    return json.loads((INTEROP / f"{name}.json").read_text())


def binary(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def link(text: str) -> Link:
    return Link(base64.b32decode(text[1:].upper() + "=" * (-len(text[1:]) % 8)))


def value_of(shown: Any) -> Any:
    match shown:
        case {"$link": str(text)}:
            return link(text)
        case {"$bytes": str(text)}:
            return binary(text)
        case dict():
            return {name: value_of(inner) for name, inner in shown.items()}
        case list():
            return [value_of(inner) for inner in shown]
    return shown


def read(car: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    reader = CarReader()
    blocks = dict(reader.feed(car))
    return reader.end(), blocks


def leaves(car: bytes) -> list[tuple[str, str]]:
    root, blocks = read(car)
    commit = decode(blocks[root])
    assert isinstance(commit, dict)

    def load(cid: bytes) -> bytes:
        if cid not in blocks:
            raise Bad("missing")
        return blocks[cid]

    return [(leaf.key.decode(), text_of(leaf.value)) for leaf in walk(commit["data"], load)]


# --- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors("data-model/data-model-fixtures"))
def test_a_value_is_read_as_everybody_reads_it(vector: Any) -> None:
    block = binary(vector["cbor_base64"])
    assert decode(block) == value_of(vector["json"])
    assert text_of(cid_of(block)) == vector["cid"]


@pytest.mark.parametrize(
    ("block", "why"),
    [
        ("1817", "longer than it need be"),
        ("1900ff", "longer than it need be"),
        ("a2616201616102", "out of order"),
        ("a2616101616102", "out of order"),
        ("a10102", "no text"),
        ("fb3ff8000000000000", "float"),
        ("f7", "no value"),
        ("9fff", "no definite length"),
        ("0000", "follows"),
        ("61ff", "no UTF-8"),
        ("d82a4100", "no link"),
        ("c074", "cut short"),
        ("9a00ffffff", "cut short"),
        ("ba00ffffff", "cut short"),
        ("5b7fffffffffffffff00", "cut short"),
        ("", "cut short"),
        ("81" * 100 + "00", "nested too deep"),
    ],
)
def test_what_could_be_written_otherwise_or_is_no_value_is_refused(block: str, why: str) -> None:
    with pytest.raises(Bad, match=why):
        decode(bytes.fromhex(block))


@given(st.binary(max_size=80))
def test_any_bytes_are_a_value_in_its_one_form_or_refused(data: bytes) -> None:
    try:
        value = decode(data)
    except Bad:
        return
    assert encode(again(value)) == data


def again(value: Any) -> Any:
    match value:
        case Link():
            return Cid(value)
        case dict():
            return {name: again(inner) for name, inner in value.items()}
        case list():
            return [again(inner) for inner in value]
    return value


def test_a_map_without_an_entry_is_what_was_signed() -> None:
    whole = {"did": "did:web:a", "rev": "r", "sig": b"s", "data": [1], "prev": None, "version": 3}
    signed = {name: value for name, value in whole.items() if name != "sig"}
    assert without(encode(whole), "sig") == encode(signed)
    with pytest.raises(Bad, match="no entry sig"):
        without(encode(signed), "sig")


# --- CARs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["small", "empty"])
def test_a_repository_of_a_reference_pds_is_read_record_for_record(name: str) -> None:
    expected = [
        (f"{one['collection']}/{one['rkey']}", one["cid"])
        for one in map(
            json.loads, (INTEROP / "repo" / f"{name}.records.jsonl").read_text().splitlines()
        )
    ]
    car = (INTEROP / "repo" / f"{name}.car").read_bytes()
    assert leaves(car) == expected
    root, blocks = read(car)
    said = vectors(f"repo/{name}")
    assert (text_of(root), len(blocks)) == (said["commit"], said["blocks"])


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=30))
def test_it_does_not_matter_in_which_pieces_a_car_comes(sizes: list[int]) -> None:
    reader, blocks, at = CarReader(), list[Block](), 0
    for size in [*sizes, len(SMALL)]:
        blocks += reader.feed(SMALL[at : at + size])
        at += size
    assert (reader.end(), dict(blocks)) == read(SMALL)


def test_one_flipped_bit_is_found() -> None:
    with pytest.raises(Bad, match="does not fit its CID"):
        read((INTEROP / "repo" / "corrupt.car").read_bytes())


def test_a_car_that_is_cut_is_found_also_between_two_blocks() -> None:
    with pytest.raises(Bad, match="cut short"):
        read((INTEROP / "repo" / "truncated.car").read_bytes())
    with pytest.raises(Bad, match="cut short"):
        read(b"")
    root, blocks = read(SMALL)
    commit = decode(blocks[root])
    assert isinstance(commit, dict)
    nodes = list[bytes]()
    assert list(walk(commit["data"], lambda cid: nodes.append(cid) or blocks[cid]))
    for node in nodes:
        some = {cid: block for cid, block in blocks.items() if cid != node}
        with pytest.raises(KeyError):
            list(walk(commit["data"], some.__getitem__))


@pytest.mark.parametrize(
    ("car", "why"),
    [
        (b"\xff\xff\xff\xff\xff\xff", "too long"),
        (b"\x00", "a part of 0 bytes"),
        (b"\xff\xff\x7f", "1,024 are the most"),
        (b"\x01\xa0", "names no root"),
        (SMALL[:59] + b"\x05abcde", "no CID"),
        (SMALL[:59] + b"\xff\xff\xff\x7f", f"{BLOCK_BYTES_MAX + 36:,} are the most"),
    ],
)
def test_what_is_no_car_is_refused_before_it_is_kept(car: bytes, why: str) -> None:
    with pytest.raises(Bad, match=why):
        CarReader().feed(car)


# --- trees -----------------------------------------------------------------------------------

paths = st.sets(
    st.builds(
        "{}/{}".format,
        st.sampled_from(["net.example.post", "net.example.like"]),
        st.text("abcdefgh0123", min_size=1, max_size=8),
    ),
    max_size=60,
)


def built(keys: set[str]) -> building.Tree:
    return building.build(Leaf(key.encode(), cid_of(key.encode())) for key in keys)


@pytest.mark.parametrize("vector", vectors("mst/key_heights"))
def test_the_layer_of_a_key(vector: Any) -> None:
    assert layer_of(vector["key"].encode()) == vector["height"]


@pytest.mark.parametrize("vector", vectors("mst/common_prefix"))
def test_the_shared_beginning_of_two_keys(vector: Any) -> None:
    assert shared(vector["left"].encode(), vector["right"].encode()) == vector["len"]


@given(paths)
def test_a_tree_of_any_records_is_walked_whole_and_in_order(keys: set[str]) -> None:
    tree = built(keys)
    nodes = dict[bytes, bytes](tree.nodes)
    found = [(leaf.key.decode(), leaf.value) for leaf in walk(tree.root, nodes.__getitem__)]
    assert found == [(key, cid_of(key.encode())) for key in sorted(keys)]


@given(paths.filter(bool), st.data())
def test_a_tree_with_a_node_changed_is_refused_or_says_other_records(
    keys: set[str], data: st.DataObject
) -> None:
    """The walk holds a node to its form; that it is the right one its CID says, see CarReader."""
    tree = built(keys)
    nodes = dict[bytes, bytes](tree.nodes)
    which = data.draw(st.sampled_from(sorted(nodes)))
    node = again(decode(nodes[which]))
    if not node["e"]:
        return
    place = data.draw(st.integers(0, len(node["e"]) - 1))
    del node["e"][place]
    nodes[which] = encode(node)
    try:
        found = [leaf.key.decode() for leaf in walk(tree.root, nodes.__getitem__)]
    except Bad:
        return
    assert found != sorted(keys)


def entry(key: str, **changes: Any) -> dict[str, Any]:
    return {"p": 0, "k": key.encode(), "v": cid_of(b""), "t": None, **changes}


LOW = [
    f"net.example.post/{n}" for n in range(99) if layer_of(f"net.example.post/{n}".encode()) == 0
]
HIGH = next(
    f"net.example.post/{n}" for n in range(99) if layer_of(f"net.example.post/{n}".encode()) == 1
)


@pytest.mark.parametrize(
    ("node", "why"),
    [
        ({"l": None, "e": [entry(LOW[0]), entry(HIGH)]}, "not as short as it can be"),
        ({"l": None, "e": [entry(HIGH), entry("a.b.c/d", t=cid_of(b"x"))]}, "wrong layer"),
        ({"l": cid_of(b"x"), "e": [entry(LOW[0])]}, "below its lowest layer"),
        ({"l": cid_of(b"x"), "e": []}, "no key of its own"),
        ({"l": None, "e": [entry("no-slash")]}, "no path"),
        ({"l": None, "e": [entry("a.b.c/" + "x" * 600)]}, "no path"),
        ({"l": None, "e": [entry(LOW[0], p=3)]}, "not as short as it can be"),
        ({"l": None, "e": [entry(LOW[0], p=-1)]}, "not as short as it can be"),
        ({"l": None, "e": [entry(LOW[0], v=b"")]}, "another form"),
        ({"l": None, "e": [], "x": 1}, "another form"),
        ({"e": []}, "another form"),
        ([], "another form"),
    ],
)
def test_a_node_of_another_form_is_refused(node: Any, why: str) -> None:
    with pytest.raises(Bad, match=why):
        list(walk(b"", lambda _: encode(node)))


def test_keys_that_go_back_are_refused() -> None:
    tail = LOW[1].removeprefix("net.example.post/")
    swapped = [entry(LOW[2]), entry("", p=len("net.example.post/"), k=tail.encode())]
    with pytest.raises(Bad, match="out of order"):
        list(walk(b"", lambda _: encode({"l": None, "e": swapped})))


def test_a_tree_that_holds_itself_ends() -> None:
    node = encode({"l": cid_of(b"x"), "e": [entry(HIGH)]})
    with pytest.raises(Bad, match="wrong layer"):
        list(walk(b"", lambda _: node))


# --- signatures ------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors("crypto/signature-fixtures"), ids=lambda v: v["comment"])
def test_a_signature_counts_when_the_vectors_say_so(vector: Any) -> None:
    message, signature = binary(vector["messageBase64"]), binary(vector["signatureBase64"])
    older = SigningKey(vector["didDocSuite"], vector["publicKeyMultibase"])
    newer = SigningKey("Multikey", vector["publicKeyDid"].removeprefix("did:key:"))
    for key in (older, newer):
        assert is_signed(message, signature, key) is vector["validSignature"]
        assert not is_signed(message + b"x", signature, key)


@pytest.mark.parametrize(
    ("name", "curve"), [("w3c_didkey_K256", ec.SECP256K1()), ("w3c_didkey_P256", ec.SECP256R1())]
)
def test_a_key_is_read_as_the_vectors_have_it(name: str, curve: ec.EllipticCurve) -> None:
    for vector in vectors(f"crypto/{name}"):
        if "privateKeyBytesHex" in vector:
            number = int(vector["privateKeyBytesHex"], 16)
        else:
            number = int.from_bytes(base58(vector["privateKeyBytesBase58"]), "big")
        multibase = vector["publicDidKey"].removeprefix("did:key:")
        made = ec.derive_private_key(number, curve).public_key()
        assert public_key(SigningKey("Multikey", multibase)) == made


def base58(text: str) -> bytes:
    alphabet, number = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", 0
    for digit in text:
        number = number * 58 + alphabet.index(digit)
    return number.to_bytes(32, "big")


@pytest.mark.parametrize("text", ["", "z", "zQ3sh0", "mAAAA", "z" + "1" * 40, "z" * 500, "zé"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(Bad, match="the account's key"):
        public_key(SigningKey("Multikey", text))


def test_a_node_that_no_tree_needs_is_refused_before_it_fills_the_memory() -> None:
    many = NODE_BYTES_MAX
    node = b"\xa2\x61e\x9a" + many.to_bytes(4, "big") + b"\x80" * many + b"\x61l\xf6"
    with pytest.raises(Bad, match="a node or commit of 262,1"):
        list(walk(b"", lambda _: node))
