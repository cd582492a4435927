"""From bytes to a JSON value, so strictly that every parser would see the same one. Pure.

The one rule: what two parsers could understand differently is refused, and nothing recurses
before the depth is known. What the value means is `document`'s and `language`'s business.
"""

import json
import re
from typing import NamedTuple

from .fault import LexiconFault, Path

DOCUMENT_BYTES_MAX = 256 * 1024  # six times the largest published one, which has 40 KB
DEPTH_MAX = 64  # published ones nest 9 deep; all that walks a document recurses into it
INTEGER_CHARS_MAX = 20  # of -(2**63); the data model has signed integers of 64 bits

# a whole string, to the end of the text if it is not closed, or one bracket
_STRINGS_AND_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)


class _Flaw(NamedTuple):
    """Stands in the tree for what json's hooks refuse: only the walk knows where that is."""

    below: Path
    rule: str
    hint: str


def read(text: bytes) -> object:
    """The JSON value of `text`. Raises LexiconFault for anything else."""
    if len(text) > DOCUMENT_BYTES_MAX:
        raise LexiconFault(
            (),
            f"a lexicon document has at most {DOCUMENT_BYTES_MAX:,} bytes",
            f"this one has {len(text):,}: move definitions to a document of their own",
        )
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        raise LexiconFault(
            (), "a lexicon document is UTF-8", f"byte {error.start} is not: save the file as UTF-8"
        ) from None
    _bound_depth(decoded)
    try:
        value = json.loads(
            decoded,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise LexiconFault((), "a lexicon document is JSON", f"{where}: {error.msg}") from None
    _walk(value, ())
    return value


def _bound_depth(text: str) -> None:
    depth = 0
    for found in _STRINGS_AND_BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > DEPTH_MAX:
            raise LexiconFault(
                (),
                f"a lexicon document nests at most {DEPTH_MAX} levels deep",
                f"offset {found.start()} is deeper: name a definition and refer to it",
            )


def _object(pairs: list[tuple[str, object]]) -> object:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            break
        seen.add(name)
    return _Flaw((name,), "a member stands only once in its object", "take the second one out")


def _integer(digits: str) -> object:
    # the length first: Python refuses to read thousands of digits, with an error of its own
    if len(digits) <= INTEGER_CHARS_MAX and -(2**63) <= (number := int(digits)) < 2**63:
        return number
    return _Flaw((), "an integer has at most 64 bits", "put a smaller one there")


def _constant(word: str) -> object:
    return _Flaw((), f"{word} is no JSON", "put a number there, or take the member out")


def _walk(value: object, at: Path) -> None:
    match value:
        case _Flaw():
            raise LexiconFault((*at, *value.below), value.rule, value.hint)
        case str():
            _unicode(value, at)
        case dict():
            for name, inner in value.items():
                _unicode(name, (*at, name))
                _walk(inner, (*at, name))
        case list():
            for index, inner in enumerate(value):
                _walk(inner, (*at, index))


def _unicode(text: str, at: Path) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise LexiconFault(
            at, "text is Unicode, without lone surrogates", "correct its \\u escapes"
        ) from None
