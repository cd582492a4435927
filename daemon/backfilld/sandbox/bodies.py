"""What a world's records hold: every kind of body that has surprised somebody. Pure.

A body is the JSON that Tap makes of a record: keys sorted, as Go's encoder writes it.
"""

import json
import re

from .naming import mix

_ENCODE = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
_GO_ESCAPES = re.compile("[<>&\u2028\u2029]")
_WORDS = (
    "🐢",
    "plain text",
    "two\nlines",
    "ÄÖÜ ß",
    "日本語",
    "👩‍👩‍👧",
    "",
    'tab\tand \\ and "quotes"',
)
_LINK = "bafyreihoglayy2mdis45b5ohvkwjhkq4mzdlxq24cc6seoosmyvl4rolou"

_WORDS_JSON = [_ENCODE(word) for word in _WORDS]
_ODD_KIND_MAX = 6


def go_json(value: object) -> bytes:
    """`value` as Go's encoding/json writes it, which is how Tap does."""
    text = _ENCODE(value)
    if _GO_ESCAPES.search(text):
        text = _GO_ESCAPES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text.encode()


def body_of(collection: str, number: int, large_chars: int = 0) -> bytes:
    """The body of the record that `number` (a mixed number) stands for."""
    kind = number >> 3 & 31
    if kind > _ODD_KIND_MAX and not large_chars:  # most records, written without an encoder
        status, n = _WORDS_JSON[number & 7], number >> 8 & 0xFFFF
        plain = (
            f'{{"$type":"{collection}","createdAt":"{_moment(number)}","n":{n},"status":{status}}}'
        )
        return plain.encode()
    record: dict[str, object] = {
        "$type": collection,
        "createdAt": _moment(number),
        "status": _WORDS[number & 7],
    }
    match kind:
        case 0:
            record["text"] = "<a href='?x=1&y=2'> \u2028 \u2029"
        case 1:
            record["text"] = "NUL \0, bell \a, DEL \x7f, replaced \ufffd"
        case 2:
            record["thumb"] = {"$bytes": "AQID"}
        case 3:
            record["subject"] = {"cid": {"$link": _LINK}, "uri": "at://did:plc:a/x.y.z/1"}
        case 4:
            record["big"] = [2**53 - 1, -(2**53) + 1, 0]
        case 5:
            record["deep"] = {"a": [{"b": None}, True, False, [], {}], "Z": "capitals sort first"}
        case 6:
            del record["$type"]  # odd, but Tap sends such a record all the same
    if large_chars:
        record["text"] = "large <" + "0123456789abcdé" * (large_chars // 15) + ">"
    return go_json(record)


def changed_body(collection: str, number: int) -> bytes:
    """A body for a record written later, different for every `number`."""
    return go_json({"$type": collection, "n": number, "status": _WORDS[mix(number) & 7]})


def _moment(number: int) -> str:
    day, hour, minute = number >> 8 & 15, number >> 12 & 15, number >> 16 & 31
    return f"2023-11-{day + 10}T{hour:02}:{minute:02}:{number >> 21 & 31:02}.000Z"
