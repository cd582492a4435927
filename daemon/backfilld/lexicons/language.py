"""The lexicon language, version 1, as tables: which type may stand where, with which members. Pure.

The one rule: what stands in the tables is judged, and nothing else; see atproto.com/specs/lexicon.
Where implementations differ, the wider reading is taken. How a check works is `checks`' business,
and the version and the id are `document`'s.
"""

from collections.abc import Mapping

from backfilld_events.catalog.lexicon import LexiconKind

from .checks import (
    Around,
    Check,
    Row,
    an_object,
    each,
    every_member,
    record_key,
    reference,
    shape,
    typed,
    value,
)
from .fault import LexiconFault, Path

FORMATS = (
    *("at-identifier", "at-uri", "cid", "datetime", "did", "handle"),
    *("language", "nsid", "record-key", "tid", "uri"),
)


def _is_integer(found: object) -> bool:
    return type(found) is int  # to isinstance, true is an int as well


def _is_count(found: object) -> bool:
    return type(found) is int and found >= 0


_TEXT = value("a string", lambda found: isinstance(found, str))
_FLAG = value("true or false", lambda found: isinstance(found, bool))
_INTEGER = value("an integer", _is_integer)
_COUNT = value("an integer of 0 or more", _is_count)
_FORMAT = value(f"one of {', '.join(FORMATS)}", lambda found: found in FORMATS)
_NAMES = each(_TEXT)


def _row(*needs: str, **members: Check) -> Row:
    return Row({"description": _TEXT, **members}, needs)


def _array(items: Check) -> Row:
    return _row("items", items=items, minLength=_COUNT, maxLength=_COUNT)


_UNKNOWN = {"unknown": _row()}
_UNION = {"union": _row("refs", refs=each(reference), closed=_FLAG)}
_REFS = {"ref": _row("ref", ref=reference), **_UNION}
_SCALARS = {
    "boolean": _row(default=_FLAG, const=_FLAG),
    "integer": _row(
        **dict.fromkeys(("minimum", "maximum", "default", "const"), _INTEGER), enum=each(_INTEGER)
    ),
    "string": _row(
        **dict.fromkeys(("minLength", "maxLength", "minGraphemes", "maxGraphemes"), _COUNT),
        **dict.fromkeys(("default", "const"), _TEXT),
        **dict.fromkeys(("enum", "knownValues"), each(_TEXT)),
        format=_FORMAT,
    ),
}

# fields nest: this table is filled below, and looked at when a check runs
_FIELDS: dict[str, Row] = {}
_OBJECT = {
    "object": _row(
        properties=every_member(typed("a field", _FIELDS)), required=_NAMES, nullable=_NAMES
    )
}
_VALUES = {
    **_SCALARS,
    **_OBJECT,
    "array": _array(typed("an item", _FIELDS)),
    "bytes": _row(minLength=_COUNT, maxLength=_COUNT),
    "cid-link": _row(),
    "blob": _row(accept=each(_TEXT), maxSize=_COUNT),
}
_FIELDS.update(_VALUES | _REFS | _UNKNOWN)

_PARAMETER = {
    **_SCALARS,
    **_UNKNOWN,
    "array": _array(typed("a parameter's item", _SCALARS | _UNKNOWN)),
}
_PARAMETERS = typed(
    "parameters",
    {"params": _row(properties=every_member(typed("a parameter", _PARAMETER)), required=_NAMES)},
)
_BODY = shape(_row("encoding", encoding=_TEXT, schema=typed("a body", _OBJECT | _REFS)))
_MESSAGE = shape(_row("schema", schema=typed("a message", _UNION)))
_ERRORS = each(shape(_row("name", name=_TEXT)))
_PERMISSION = typed("a permission", {"permission": _row("resource", resource=_TEXT)})

_IS_RECORD = typed("a record", _OBJECT)


def says_nothing(record: object) -> bool:
    """Whether this is `{}`, which HappyView's documentation shows in place of a record's object.

    Scripts copied from there must work. Exactly this is let through: a record that says anything
    else without saying that it is an object is wrong by the specification and its vectors.
    """
    return record == {}


def _record(found: object, at: Path, around: Around) -> None:
    if not says_nothing(found):
        _IS_RECORD(found, at, around)


PRIMARY: Mapping[LexiconKind, Row] = {
    "record": _row("key", "record", key=record_key, record=_record),
    "query": _row(parameters=_PARAMETERS, output=_BODY, errors=_ERRORS),
    "procedure": _row(parameters=_PARAMETERS, input=_BODY, output=_BODY, errors=_ERRORS),
    "subscription": _row("message", parameters=_PARAMETERS, message=_MESSAGE, errors=_ERRORS),
    "permission-set": _row("permissions", permissions=each(_PERMISSION)),
}
_NAMED = {**_VALUES, "token": _row()}
_IS_NAMED = typed("a definition beside main", _NAMED)
_IS_MAIN = typed("main", _NAMED | {str(kind): row for kind, row in PRIMARY.items()})


def _definitions(found: object, at: Path, around: Around) -> None:
    defs = an_object(found, at)
    if not defs:
        raise LexiconFault(at, "defs must hold a definition", "add main, or one of another name")
    for name, definition in defs.items():
        if not name or "#" in name:
            rule = "the name of a definition must not be empty, nor hold #"
            raise LexiconFault((*at, name), rule, "write the name alone; # is for references")
        check = _IS_MAIN if name == "main" else _IS_NAMED
        check(definition, (*at, name), around)


DOCUMENT = shape(_row("defs", defs=_definitions))
