"""Real lexicon documents pass; each broken one is refused for the fault it was made with."""

import json
from pathlib import Path

import pytest

from backfilld.lexicons import LexiconFault, parse

INTEROP = Path(__file__).parents[2] / "interop"
LEXICONS = INTEROP / "lexicons"
KEYS = {  # of the record lexicons among them
    "app.bsky.actor.profile": "literal:self",
    "app.bsky.feed.generator": "any",
    "app.bsky.feed.like": "tid",
    "app.bsky.feed.post": "tid",
    "app.bsky.feed.threadgate": "tid",
    "app.bsky.labeler.service": "literal:self",
    "com.atproto.lexicon.schema": "nsid",
    "community.lexicon.bookmarks.bookmark": "tid",
    "community.lexicon.calendar.event": "tid",
    "community.lexicon.calendar.rsvp": "tid",
    "community.lexicon.interaction.like": "tid",
    "xyz.statusphere.status": "tid",
}
OTHER_KINDS = {  # of the rest; what is in neither table has no primary definition
    "com.atproto.repo.createRecord": "procedure",
    "com.atproto.sync.listReposByCollection": "query",
    "com.atproto.sync.subscribeRepos": "subscription",
    "community.lexicon.bookmarks.authManageBookmarks": "permission-set",
}

MAIN = "$.defs.main"
FIELDS = f"{MAIN}.record.properties"
TOP = {  # file: path, and the rule's beginning
    "not-json": ("$", "a lexicon document is JSON"),
    "not-utf8": ("$", "a lexicon document is UTF-8"),
    "not-object": ("$", "a lexicon document must be an object"),
    "null": ("$", "a lexicon document must be an object"),
    "deep": ("$", "a lexicon document nests at most 64 levels"),
    "nan": (f"{FIELDS}.text.maxLength", "NaN is no JSON"),
    "duplicate-id": ("$.id", "a member stands only once"),
    "lone-surrogate": ("$.description", "text is Unicode"),
    "lexicon-missing": ("$.lexicon", "lexicon JSON must have a numeric 'lexicon' field"),
    "lexicon-string": ("$.lexicon", "lexicon JSON must have a numeric 'lexicon' field"),
    "lexicon-true": ("$.lexicon", "lexicon JSON must have a numeric 'lexicon' field"),
    "lexicon-2": ("$.lexicon", "unsupported lexicon version: 2"),
    "lexicon-float": ("$.lexicon", "unsupported lexicon version: 1.0"),
    "id-missing": ("$.id", "lexicon JSON must have a string 'id' field"),
    "id-number": ("$.id", "lexicon JSON must have a string 'id' field"),
    "id-two-segments": ("$.id", "id must be an NSID"),
    "id-fragment": ("$.id", "id must be an NSID"),
    "id-wildcard": ("$.id", "id must be an NSID"),
    "id-newline": ("$.id", "id must be an NSID"),
    "id-hyphen-name": ("$.id", "id must be an NSID"),
    "id-digit-name": ("$.id", "id must be an NSID"),
    "id-too-long": ("$.id", "id must be an NSID"),
    "id-uppercase-authority": ("$.id", "the authority of an NSID must be in lower case"),
    "defs-missing": ("$.defs", "defs is required"),
    "defs-empty": ("$.defs", "defs must hold a definition"),
    "defs-array": ("$.defs", "'defs' must be an object"),
}
DEFINITIONS = {
    "def-name-hash": ("$.defs['#extra']", "the name of a definition must not"),
    "def-no-type": ("$.defs.extra.type", "the type of a definition beside main"),
    "def-ref": ("$.defs.extra.type", "the type of a definition beside main"),
    "def-union": ("$.defs.extra.type", "the type of a definition beside main"),
    "def-unknown": ("$.defs.extra.type", "the type of a definition beside main"),
    "record-not-main": ("$.defs.note.type", "the type of a definition beside main"),
    "two-primaries": ("$.defs.get.type", "the type of a definition beside main"),
    "key-missing": (f"{MAIN}.key", "key is required"),
    "key-unknown": (f"{MAIN}.key", "key must be tid, nsid, any or literal:KEY"),
    "key-literal-empty": (f"{MAIN}.key", "a literal key must be a record key"),
    "key-literal-slash": (f"{MAIN}.key", "a literal key must be a record key"),
    "key-literal-dots": (f"{MAIN}.key", "a literal key must be a record key"),
    "record-missing": (f"{MAIN}.record", "record is required"),
    "record-not-object": (f"{MAIN}.record.type", "the type of a record must be object"),
    "record-ref": (f"{MAIN}.record.type", "the type of a record must be object"),
    "properties-array": (FIELDS, "'properties' must be an object"),
    "required-undeclared": (f"{MAIN}.record.required[2]", "required must name declared"),
    "required-not-strings": (f"{MAIN}.record.required[0]", "an item must be a string"),
}
PROPERTIES = {
    "type-unknown": (f"{FIELDS}.score.type", "the type of a field must be one of"),
    "params-in-record": (f"{FIELDS}.q.type", "the type of a field must be one of"),
    "token-field": (f"{FIELDS}.t.type", "the type of a field must be one of"),
    "format-unknown": (f"{FIELDS}.mail.format", "'format' must be one of at-identifier"),
    "array-no-items": (f"{FIELDS}.tags.items", "items is required"),
    "ref-dangling": (f"{FIELDS}.x.ref", "a reference must lead to a definition"),
    "ref-bad": (f"{FIELDS}.x.ref", "a reference must be #name, nsid or nsid#name"),
    "union-empty-closed": (f"{FIELDS}.x.refs", "a closed union must have refs"),
    "const-and-default": (f"{FIELDS}.text.default", "const and default must exclude"),
    "min-over-max": (f"{FIELDS}.text.minLength", "minLength must be at most maxLength"),
    "max-negative": (f"{FIELDS}.text.maxLength", "'maxLength' must be an integer of 0"),
    "max-string": (f"{FIELDS}.text.maxLength", "'maxLength' must be an integer of 0"),
    "enum-mixed": (f"{FIELDS}.n.enum[1]", "an item must be an integer"),
}
FAULTS = {**TOP, **DEFINITIONS, **PROPERTIES}


def official(verdict: str) -> list[object]:
    """The lexicons of the interop vectors, as test parameters."""
    found = json.loads((INTEROP / "lexicon" / f"lexicon-{verdict}.json").read_bytes())
    return [pytest.param(vector["lexicon"], id=vector["name"]) for vector in found]


@pytest.mark.parametrize(
    "path", sorted((LEXICONS / "valid").glob("*.json")), ids=lambda path: path.stem
)
def test_a_published_document_is_taken_with_its_kind_and_its_bytes(path: Path) -> None:
    text = path.read_bytes()
    document = parse(text)
    kind = "record" if path.stem in KEYS else OTHER_KINDS.get(path.stem, "definitions")
    assert (document.id, document.kind, document.text) == (path.stem, kind, text)
    assert document.key == KEYS.get(path.stem)


def test_the_table_of_faults_has_every_broken_document() -> None:
    index = json.loads((LEXICONS / "broken" / "index.json").read_bytes())
    assert {f"{name}.json" for name in FAULTS} == set(index)


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_document_is_refused_for_what_is_broken_in_it(name: str) -> None:
    with pytest.raises(LexiconFault) as caught:
        parse((LEXICONS / "broken" / f"{name}.json").read_bytes())
    path, rule = FAULTS[name]
    assert caught.value.path == path
    assert caught.value.rule.startswith(rule)


def test_the_refusal_of_an_upper_case_authority_names_the_form_to_write() -> None:
    with pytest.raises(LexiconFault) as caught:
        parse((LEXICONS / "broken" / "id-uppercase-authority.json").read_bytes())
    assert "xyz.example.note" in caught.value.hint


@pytest.mark.parametrize("lexicon", official("valid"))
def test_an_official_valid_document_is_taken(lexicon: dict[str, object]) -> None:
    assert parse(json.dumps(lexicon).encode()).id == lexicon["id"]


@pytest.mark.parametrize("lexicon", official("invalid"))
def test_an_official_invalid_document_is_refused(lexicon: dict[str, object]) -> None:
    with pytest.raises(LexiconFault):
        parse(json.dumps(lexicon).encode())


@pytest.mark.parametrize(
    "path", sorted((INTEROP / "lexicon" / "catalog").glob("*.json")), ids=lambda path: path.stem
)
def test_an_official_catalog_document_is_taken_with_its_kind(path: Path) -> None:
    document = parse(path.read_bytes())
    assert document.kind == path.stem
    assert document.key == ("literal:demo" if document.kind == "record" else None)
