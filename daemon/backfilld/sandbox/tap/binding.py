"""The `dids` of a request body, as Go's decoder and Echo's binder see them. Pure.

The first JSON value counts, keys match in any case, null is nothing; what does not fit is
refused in Go's words, with Go's offsets.
"""

import json
import re

from ..http import JSON, Request

_SPACE = " \t\r\n"
_DIDS_KEY = re.compile(r'"dids"\s*:\s*', re.IGNORECASE)
_KINDS: dict[type, str] = {bool: "bool", str: "string", list: "array", dict: "object"}
_AFTER = {"[": "after array element", "{": "after object key:value pair"}
_SYNTAX = {
    "Expecting ':' delimiter": "after object key",
    "Invalid control character at": "in string literal",
}
_DECODER = json.JSONDecoder()


class BadBody(Exception):
    """What Tap answers with `status`."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def dids_of(request: Request) -> list[str]:
    """The list, with "" for null. Raises BadBody."""
    kind = request.headers.get("content-type", "")
    if not request.body or kind.startswith(("application/x-www-form-urlencoded", "multipart/")):
        return []  # a form has no field that Tap knows
    if not kind.startswith(JSON):
        raise BadBody("Unsupported Media Type", 415)
    text = request.body.decode(errors="replace")
    start = _skip(text, 0)
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise _syntax_error(text, error) from error
    if value is None:
        return []
    if not isinstance(value, dict):
        raise _type_error("main.DidPayload", "", text, value, start, end)
    dids: object = None
    for key, found in value.items():
        dids = found if key.lower() == "dids" else dids
    return [] if dids is None else _list(text)


def _list(text: str) -> list[str]:
    key = _DIDS_KEY.search(text)
    start = key.end() if key else 0
    value, end = _DECODER.raw_decode(text, start)
    if not isinstance(value, list):
        raise _type_error("[]string", "dids", text, value, start, end)
    at = start + 1
    for _ in value:
        at = _skip(text, at)
        entry, end = _DECODER.raw_decode(text, at)
        if entry is not None and not isinstance(entry, str):
            raise _type_error("string", "dids", text, entry, at, end)
        at = _skip(text, end) + 1
    return ["" if entry is None else entry for entry in value]


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _type_error(
    expected: str, field: str, text: str, value: object, start: int, end: int
) -> BadBody:
    at = start + 1 if isinstance(value, list | dict) else end
    offset = len(text[:at].encode())
    got = _KINDS.get(type(value), "number")
    return BadBody(
        f"Unmarshal type error: expected={expected}, got={got}, field={field}, offset={offset}"
    )


def _syntax_error(text: str, error: json.JSONDecodeError) -> BadBody:
    at = error.pos
    if "Unterminated" in error.msg or _skip(text, at) >= len(text):
        return BadBody("unexpected EOF")
    where = _SYNTAX.get(error.msg, "looking for beginning of value")
    if error.msg.startswith("Expecting property name"):
        where = "looking for beginning of object key string"
    if error.msg.startswith("Expecting ',' delimiter"):
        where = _AFTER["[" if text.count("[", 0, at) > text.count("]", 0, at) else "{"]
    offset = len(text[:at].encode()) + 1
    what = f"invalid character {_quoted(text[at])} {where}"
    return BadBody(f"Syntax error: offset={offset}, error={what}")


def _quoted(character: str) -> str:
    """As Go shows a byte."""
    if character == "'":
        return r"'\''"
    if ord(character) < 32:
        return f"'\\x{ord(character):02x}'"
    return f"'{character}'"
