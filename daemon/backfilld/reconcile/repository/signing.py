"""Whether an account signed something. Pure.

Source: atproto.com/specs/cryptography: ECDSA over SHA-256 with P-256 or K-256, 64 bytes, and of the
two forms of a signature only the one with the low s.
"""

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ...network.documents import SigningKey
from .dagcbor import Bad

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_CHARS_MAX: Final = 120
_MULTIKEYS: Final[dict[bytes, ec.EllipticCurve]] = {
    b"\x80\x24": ec.SECP256R1(),
    b"\xe7\x01": ec.SECP256K1(),
}
_OLDER: Final[dict[str, ec.EllipticCurve]] = {  # the type says it; the key is the point alone
    "EcdsaSecp256r1VerificationKey2019": ec.SECP256R1(),
    "EcdsaSecp256k1VerificationKey2019": ec.SECP256K1(),
}
_ORDERS: Final = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp256k1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
}


def public_key(key: SigningKey) -> ec.EllipticCurvePublicKey:
    """The key that a DID document names. Raises Bad."""
    data = _base58(key.multibase)
    curve, point = _OLDER.get(key.type), data
    if curve is None:
        curve, point = _MULTIKEYS.get(data[:2]), data[2:]
    if curve is None:
        raise Bad("the account's key is of no kind that is used here")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    except ValueError as error:
        raise Bad("the account's key is no point of its curve") from error


def is_signed(message: bytes, signature: bytes, key: SigningKey) -> bool:
    """Whether `signature` is of this key. Raises Bad for a key that is none."""
    public = public_key(key)
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    if len(signature) != 64 or 2 * s > _ORDERS[public.curve.name]:
        return False
    try:
        public.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _base58(text: str) -> bytes:
    digits, number = text[1:], 0
    if text[:1] != "z" or len(text) > _CHARS_MAX or set(digits) - set(_BASE58):
        raise Bad("the account's key is not written in base 58")
    for digit in digits:
        number = number * 58 + _BASE58.index(digit)
    zeros = len(digits) - len(digits.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
