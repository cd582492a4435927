"""A lexicon document as somebody uploads it: what it is called, what it defines. Pure.

The one rule: `parse` returns or raises LexiconFault, whatever it is given. JSON is `reading`'s
business, and what a definition may look like `language`'s.
"""

import msgspec

from backfilld_events.catalog.lexicon import LexiconKind
from backfilld_events.ids import BadId, Nsid, parse_nsid

from . import language
from .checks import Around, an_object
from .fault import LexiconFault, said
from .reading import read

VERSION = 1

_EMPTY = '$.defs.main.record is empty and taken for {"type": "object"}; write that to be valid'


class Document(msgspec.Struct, frozen=True):
    """A document that has passed. `kind` is the type of its primary definition, `definitions`
    when it has none. `key` is the kind of record keys, only for a record. `text` is the document
    byte for byte as it came. `warnings`: what was let pass, though the specification does not."""

    id: Nsid
    kind: LexiconKind
    key: str | None
    text: bytes
    warnings: tuple[str, ...] = ()


def parse(text: bytes) -> Document:
    """Reads and checks a whole document. Raises LexiconFault with the first fault."""
    document = an_object(read(text), ())
    _version(document)
    nsid = _id(document)
    defs = document.get("defs")
    around = Around(nsid, defs if isinstance(defs, dict) else {})
    language.DOCUMENT(document, (), around)
    main = an_object(around.defs.get("main", {}), ("defs", "main"))
    kind: LexiconKind = next(
        (primary for primary in language.PRIMARY if primary == main.get("type")), "definitions"
    )
    if kind != "record":
        return Document(nsid, kind, None, text)
    empty = language.says_nothing(main.get("record"))
    return Document(nsid, kind, str(main["key"]), text, (_EMPTY,) if empty else ())


def _version(document: dict[str, object]) -> None:
    version = document.get("lexicon")
    # the two texts are HappyView's: scripts compare them
    if isinstance(version, bool) or not isinstance(version, int | float):
        rule = "lexicon JSON must have a numeric 'lexicon' field"
        hint = f"it is {said(version)}" if "lexicon" in document else 'add "lexicon": 1'
        raise LexiconFault(("lexicon",), rule, hint)
    if version != VERSION or isinstance(version, float):
        rule = f"unsupported lexicon version: {version}"
        raise LexiconFault(("lexicon",), rule, f"it must be the integer {VERSION}")


def _id(document: dict[str, object]) -> Nsid:
    found = document.get("id")
    if not isinstance(found, str):
        rule = "lexicon JSON must have a string 'id' field"  # HappyView's text
        hint = f"it is {said(found)}" if "id" in document else "add the NSID of this lexicon"
        raise LexiconFault(("id",), rule, hint)
    try:
        nsid = parse_nsid(found)
    except BadId:
        rule = "id must be an NSID: three segments or more, the last of letters and digits"
        raise LexiconFault(("id",), rule, f"it is {said(found)}") from None
    if nsid != found:
        # repositories hold the lower case: a job for this text would find nothing
        rule = "the authority of an NSID must be in lower case"
        raise LexiconFault(("id",), rule, f"write {nsid}")
    return nsid
