"""What tables of the language are made of: checks of one value, and of an object's members. Pure.

The one rule: a check either returns or raises LexiconFault with the path of what is wrong. Members
that a row does not name are not looked at. Which types there are is `language`'s business.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from backfilld_events.ids import BadId, Nsid, parse_nsid, parse_rkey, shown

from .fault import LexiconFault, Path, said

RECORD_KEYS = frozenset({"tid", "nsid", "any"})
LITERAL = "literal:"
ORDERED = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minGraphemes", "maxGraphemes"),
)
ELSEWHERE = {  # for a type that stands where it may not: where it may
    **dict.fromkeys(
        ("record", "query", "procedure", "subscription", "permission-set"), "stands only as main"
    ),
    **dict.fromkeys(("ref", "union", "unknown"), "stands only inside of definitions"),
    "token": "stands only as a definition",
    "params": "stands only as parameters",
    "permission": "stands only in a permission-set",
}


class Around(NamedTuple):
    """What a check has to know of the rest of the document."""

    id: Nsid
    defs: Mapping[str, object]


Check = Callable[[object, Path, Around], None]


class Row(NamedTuple):
    """The members that a type knows, and those it cannot do without."""

    members: Mapping[str, Check]
    needs: tuple[str, ...] = ()


def value(words: str, fits: Callable[[object], bool]) -> Check:
    """A value that fits; `words` describe it."""

    def check(found: object, at: Path, _: Around) -> None:
        if not fits(found):
            raise LexiconFault(at, f"{_subject(at)} must be {words}", f"it is {said(found)}")

    return check


def each(inner: Check) -> Check:
    """An array whose every item passes `inner`."""

    def check(found: object, at: Path, around: Around) -> None:
        if not isinstance(found, list):
            raise LexiconFault(at, f"{_subject(at)} must be an array", f"it is {said(found)}")
        for index, item in enumerate(found):
            inner(item, (*at, index), around)

    return check


def every_member(inner: Check) -> Check:
    """An object whose every member passes `inner`, whatever its name."""

    def check(found: object, at: Path, around: Around) -> None:
        for name, item in an_object(found, at).items():
            inner(item, (*at, name), around)

    return check


def shape(row: Row) -> Check:
    """An object that has no type because there is only this one."""

    def check(found: object, at: Path, around: Around) -> None:
        _members(row, an_object(found, at), at, around)

    return check


def typed(what: str, rows: Mapping[str, Row]) -> Check:
    """A definition of one of the types in `rows`; `what` says what it is there."""

    def check(found: object, at: Path, around: Around) -> None:
        given = an_object(found, at)
        kind = given.get("type")
        row = rows.get(kind) if isinstance(kind, str) else None
        if row is None:
            rule = f"the type of {what} must be {'one of ' * (len(rows) > 1)}{', '.join(rows)}"
            raise LexiconFault((*at, "type"), rule, _why_not(given))
        _members(row, given, at, around)

    return check


def an_object(found: object, at: Path) -> dict[str, object]:
    """`found`, which must be a JSON object."""
    if not isinstance(found, dict):
        raise LexiconFault(at, f"{_subject(at)} must be an object", f"it is {said(found)}")
    return found


def reference(found: object, at: Path, around: Around) -> None:
    """`#name` of this document, or `nsid` or `nsid#name` of any."""
    if not isinstance(found, str) or not _refers(found):
        rule = "a reference must be #name, nsid or nsid#name"
        raise LexiconFault(at, rule, f"it is {said(found)}")
    lexicon, _, name = found.partition("#")
    if lexicon in ("", around.id) and (name or "main") not in around.defs:
        # another document may come later; this one is here, and what it lacks will not
        rule = "a reference must lead to a definition that is there"
        raise LexiconFault(at, rule, f"add {shown(name or 'main')} to defs, or correct the name")


def record_key(found: object, at: Path, _: Around) -> None:
    """The kind of keys that records of a type have."""
    if isinstance(found, str) and found.startswith(LITERAL):
        try:
            parse_rkey(found.removeprefix(LITERAL))
        except BadId as bad:
            raise LexiconFault(at, "a literal key must be a record key", str(bad)) from None
    elif not isinstance(found, str) or found not in RECORD_KEYS:
        rule = "key must be tid, nsid, any or literal:KEY"
        raise LexiconFault(at, rule, f"it is {said(found)}")


def _members(row: Row, given: dict[str, object], at: Path, around: Around) -> None:
    for name in row.needs:
        if name not in given:
            raise LexiconFault((*at, name), f"{name} is required", "add it")
    known = {name: given[name] for name in row.members if name in given}
    for name, found in known.items():
        row.members[name](found, (*at, name), around)
    _together(known, at)


def _together(known: dict[str, object], at: Path) -> None:
    """What members owe each other. Each of them has passed its own check."""
    if "const" in known and "default" in known:
        rule = "const and default must exclude each other"
        raise LexiconFault((*at, "default"), rule, "take one of them out")
    for low, high in ORDERED:
        least, most = known.get(low), known.get(high)
        if isinstance(least, int) and isinstance(most, int) and least > most:
            rule = f"{low} must be at most {high}"
            raise LexiconFault((*at, low), rule, f"{least} is above {most}")
    if known.get("closed") and known.get("refs") == []:
        rule = "a closed union must have refs"
        raise LexiconFault((*at, "refs"), rule, "nothing could ever fit: add one, or open it")
    declared = known.get("properties", {})
    for name in ("required", "nullable"):
        named = known.get(name)
        for index, item in enumerate(named if isinstance(named, list) else ()):
            if isinstance(declared, dict) and item not in declared:
                rule = f"{name} must name declared properties"
                hint = f"declare {shown(item)} in properties, or take it out"
                raise LexiconFault((*at, name, index), rule, hint)


def _refers(text: str) -> bool:
    lexicon, mark, name = text.partition("#")
    if "#" in name or bool(mark) != bool(name):
        return False
    if not lexicon:
        return bool(mark)
    try:
        parse_nsid(lexicon)
    except BadId:
        return False
    return True


def _subject(at: Path) -> str:
    if not at:
        return "a lexicon document"
    return "an item" if isinstance(at[-1], int) else shown(at[-1])


def _why_not(given: dict[str, object]) -> str:
    if "type" not in given:
        return "add it"
    kind = given["type"]
    if isinstance(kind, str) and kind in ELSEWHERE:
        return f"it is {kind}, which {ELSEWHERE[kind]}"
    return f"it is {said(kind)}"
