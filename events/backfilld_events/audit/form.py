"""The form of an export: a first line that says what it is of, then a line of JSON an event. Pure.

The one rule: a log has one export. Of two texts that say the same only one is taken, so that
nothing can be changed in it that no hash shows. docs/audit.md has the form for other readers.
"""

import binascii
from math import isfinite
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from .typed import is_typed, wrong

FORMAT: Final = "backfilld-log/1"
LINE_BYTES_MAX: Final = 64 * 2**20  # the largest events are pages of the longest DIDs: 8 MB
DEPTH_MAX: Final = 32  # of a payload that stands there as JSON; so is no event's

_AS_IS = frozenset([str, int, bool, type(None)])
_UNFIT = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError)

_Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Hex = Annotated[str, Meta(pattern="^([0-9a-f]{2})*$")]
_Origin = Annotated[str, Meta(pattern="^[0-9a-f]{0,16}$")]
_Time = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z$")]
_AnyStruct = TypeVar("_AnyStruct", bound=Struct)


class BadLine(ValueError):
    """A line is not what it should be; the message names the field."""


class Flaw(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the log did not verify when it was exported, and what was wrong."""

    position: _Int64
    what: str


class Header(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The first line: what stands at `position`, the last, so that a cut export shows. `origin` is
    checkpoint.origin of the first event; `at` (RFC 3339, UTC) is when it was made, by its maker's
    word alone. `broken`: the log did not verify, and was exported as it stands."""

    format: str
    origin: _Origin
    position: _Int64
    hash: _Hex
    at: _Time
    broken: Flaw | None = None

    @property
    def line(self) -> bytes:
        """The line, with its end."""
        return _json(self) + b"\n"


class _Format(Struct):
    format: str


class _Line(Struct, forbid_unknown_fields=True):
    """The columns of a row, in their order."""

    position: _Int64
    stream: str
    version: _Int64
    type: str
    schema: _Int64
    recorded_at: _Int64
    actor: str
    cause: _Int64 | None
    payload: Any
    hash: _Hex


_json = msgspec.json.Encoder().encode
_plain_of = msgspec.json.Decoder().decode
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode
_line = msgspec.json.Decoder(_Line)


def header(line: bytes) -> Header:
    """What a first line says. Raises BadLine."""
    found = _read(msgspec.json.Decoder(_Format), line).format
    if found != FORMAT:
        raise BadLine(f"field format is {found!r}, and this version reads {FORMAT!r}")
    read = _read(msgspec.json.Decoder(Header), line)
    _is_as_written(read.line, line)
    return read


def line_of(columns: tuple[Any, ...]) -> bytes:
    """The line of a row (row.COLUMNS), with its end. Raises BadLine for a row that has none."""
    if not is_typed(columns):
        raise BadLine(wrong(columns))
    fields = (*columns[:8], msgspec.Raw(_text(columns[8])), columns[9].hex())
    line = _json(_Line(*fields)) + b"\n"
    if len(line) > LINE_BYTES_MAX:
        raise BadLine(f"the event is longer than {LINE_BYTES_MAX} bytes")
    return line


def columns_of(line: bytes) -> tuple[Any, ...]:
    """The row of a line that ends as lines do. Raises BadLine."""
    read = _read(_line, line)
    try:
        payload = _packed(read.payload)
    except _UNFIT as error:
        raise BadLine(f"field payload: {error}") from error
    columns = (
        read.position, read.stream, read.version, read.type, read.schema, read.recorded_at,
        read.actor, read.cause, payload, bytes.fromhex(read.hash),
    )  # fmt: skip
    _is_as_written(line_of(columns), line)
    return columns


def _read(decoder: msgspec.json.Decoder[_AnyStruct], line: bytes) -> _AnyStruct:
    if not line.endswith(b"\n"):
        raise BadLine(
            f"it is longer than {LINE_BYTES_MAX} bytes" if len(line) > LINE_BYTES_MAX else
            "it has no end"
        )  # fmt: skip
    try:
        return decoder.decode(line)
    except msgspec.ValidationError as error:
        raise BadLine(f"a field is not as it should be: {error}") from error
    except _UNFIT as error:
        raise BadLine(f"it is no JSON: {error}") from error


def _is_as_written(ours: bytes, line: bytes) -> None:
    if ours != line:
        pairs = enumerate(zip(ours, line, strict=False))
        same = next((at for at, (one, other) in pairs if one != other), min(len(ours), len(line)))
        raise BadLine(f"from byte {same + 1} on it is not as an export writes it")


def _text(payload: bytes) -> bytes:
    """A payload as JSON, or as bytes in JSON where JSON could not give back the same bytes."""
    try:
        value = _unpack(payload)
        if _pack(value) == payload and not _is_mark(value, "$msgpack"):
            return _json(_plain(value, DEPTH_MAX))
    except _UNFIT:
        pass
    return _json({"$msgpack": _base64(payload)})


def _packed(plain: Any) -> bytes:
    """The payload that `_text` made this of. Raises _UNFIT."""
    return _bytes(plain["$msgpack"]) if _is_mark(plain, "$msgpack") else _pack(_exact(plain))


def _plain(value: Any, depth: int) -> Any:
    """A value as JSON can say it, nested so deep at most. Raises ValueError if there is no such."""
    kind = type(value)
    if kind in _AS_IS or (kind is float and isfinite(value)):
        return value
    if kind is bytes:
        return {"$bytes": _base64(value)}
    if kind is list and depth:
        return [one if type(one) in _AS_IS else _plain(one, depth - 1) for one in value]
    if kind is dict and depth and {*map(type, value)} <= {str} and not _is_mark(value, "$bytes"):
        return {
            key: one if type(one) in _AS_IS else _plain(one, depth - 1)
            for key, one in value.items()
        }
    raise ValueError


def _exact(plain: Any) -> Any:
    """The value that `_plain` made this of. Raises _UNFIT."""
    kind = type(plain)
    if kind is list:
        return [one if type(one) in _AS_IS else _exact(one) for one in plain]
    if kind is dict:
        if _is_mark(plain, "$bytes"):
            return _bytes(plain["$bytes"])
        return {key: one if type(one) in _AS_IS else _exact(one) for key, one in plain.items()}
    return plain


def _is_mark(value: Any, mark: str) -> bool:
    return type(value) is dict and len(value) == 1 and mark in value


def _base64(data: bytes) -> str:
    """As the AT Protocol's data model writes bytes: without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
