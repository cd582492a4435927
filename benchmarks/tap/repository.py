"""A signed repository as a CAR, and the DID document that lets anybody verify it. Pure."""

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .dagcbor import Cid, cid_of, encode
from .tree import Leaf, build

P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P256_MULTICODEC: Final = b"\x80\x24"
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_TID: Final = "234567abcdefghijklmnopqrstuvwxyz"


class Repository(NamedTuple):
    """A CAR, and what is in it: (path, CID) of every record, in order."""

    car: bytes
    leaves: list[Leaf]


def signed(
    did: str, rev: str, records: Iterable[tuple[str, object]], key: ec.EllipticCurvePrivateKey
) -> Repository:
    """The repository of `records` (path, value), with a commit of version 3."""
    blocks: dict[Cid, bytes] = {}
    leaves = []
    for path, value in records:
        block = encode(value)
        cid = cid_of(block)
        blocks[cid] = block
        leaves.append(Leaf(path.encode(), cid))
    tree = build(leaves)
    commit = {"did": did, "version": 3, "data": tree.root, "rev": rev, "prev": None}
    sealed = encode({**commit, "sig": signature(encode(commit), key)})
    root = cid_of(sealed)
    return Repository(car(root, {root: sealed, **tree.nodes, **blocks}), sorted(leaves))


def car(root: Cid, blocks: dict[Cid, bytes]) -> bytes:
    """CAR version 1."""
    header = encode({"roots": [root], "version": 1})
    parts = [_varint(len(header)), header]
    for cid, block in blocks.items():
        parts += (_varint(len(cid) + len(block)), cid, block)
    return b"".join(parts)


def key_of(seed: str) -> ec.EllipticCurvePrivateKey:
    """A P-256 key, the same for the same seed."""
    number = int.from_bytes(hashlib.sha512(seed.encode()).digest(), "big") % (P256_ORDER - 1) + 1
    return ec.derive_private_key(number, ec.SECP256R1())


def signature(message: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """64 bytes, r and the lower one of the two possible s."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + low(s).to_bytes(32, "big")


def low(s: int) -> int:
    """AT Protocol accepts but one of the two s of a signature, the low one."""
    return min(s, P256_ORDER - s)


def multikey(key: ec.EllipticCurvePublicKey) -> str:
    """The key as DID documents write it."""
    point = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return "z" + base58(_P256_MULTICODEC + point)


def base58(data: bytes) -> str:
    """Base 58 of Bitcoin's alphabet."""
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return _BASE58[0] * (len(data) - len(data.lstrip(b"\0"))) + text


def document(did: str, key: ec.EllipticCurvePublicKey, pds: str) -> bytes:
    """The DID document. It names no handle: Tap would ask the DNS and that host for it."""
    return msgspec.json.encode(
        {
            "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
            "id": did,
            "alsoKnownAs": [],
            "verificationMethod": [
                {
                    "id": f"{did}#atproto",
                    "type": "Multikey",
                    "controller": did,
                    "publicKeyMultibase": multikey(key),
                }
            ],
            "service": [
                {
                    "id": "#atproto_pds",
                    "type": "AtprotoPersonalDataServer",
                    "serviceEndpoint": pds,
                }
            ],
        }
    )


def tid(microseconds: int, clock: int = 0) -> str:
    """A TID: sorts as its time does."""
    number = microseconds << 10 | clock
    return "".join(_TID[number >> shift & 31] for shift in range(60, -1, -5))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
