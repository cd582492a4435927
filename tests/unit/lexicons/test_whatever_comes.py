"""Whatever is uploaded, `parse` answers with a document or with a fault fit to be shown."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from backfilld.lexicons import LexiconFault, parse

LEXICONS = Path(__file__).parents[2] / "interop" / "lexicons"
SAMPLES = [
    path.read_bytes()
    for path in sorted(LEXICONS.glob("*/*.json"))
    if path.stem not in ("index", "deep")
]
FAULT_CHARS_MAX = 8_000  # the longest path there can be, and two sentences


def judged(text: bytes) -> None:
    """Whether `parse` keeps its word. All but a document and a proper fault fails the test."""
    refused = None
    try:
        document = parse(text)
    except LexiconFault as fault:
        refused = fault
    if refused is None:
        assert document.text == text
        return
    assert str(refused).isprintable()
    assert len(str(refused)) <= FAULT_CHARS_MAX
    assert {refused.path[0], refused.code} == {"$", "bad-lexicon"}
    assert all(part in str(refused) for part in (refused.path, refused.rule, refused.hint))


WORDS = (
    *("lexicon", "id", "defs", "main", "type", "record", "key", "object", "properties", "array"),
    *("items", "ref", "refs", "union", "closed", "required", "nullable", "string", "integer"),
    *("maxLength", "minLength", "enum", "const", "default", "format", "params", "query", "tid"),
    *("xyz.example.note", "#main", "literal:", "message", "schema", "errors", "description"),
)
words = st.sampled_from(WORDS) | st.text()
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(words, inner), max_leaves=30
)


@given(values)
def test_any_json_value_is_taken_or_refused(value: object) -> None:
    judged(json.dumps(value).encode())


@given(values)
def test_any_definitions_are_taken_or_refused(defs: object) -> None:
    judged(json.dumps({"lexicon": 1, "id": "xyz.example.note", "defs": defs}).encode())


@given(st.binary(max_size=400))
def test_any_bytes_are_taken_or_refused(text: bytes) -> None:
    judged(text)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_document_with_bytes_changed_is_taken_or_refused(
    text: bytes, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 20, len(text))))
    judged(text[:start] + data.draw(st.binary(max_size=8)) + text[end:])


Place = tuple[dict[str, object] | list[object], str | int]


def places(value: object) -> list[Place]:
    """Every place inside of a JSON value: its container, and the name or index there."""
    found: list[Place] = []
    if isinstance(value, dict):
        found += [(value, name) for name in value]
    elif isinstance(value, list):
        found += [(value, index) for index in range(len(value))]
    return found + [place for container, at in found for place in places(container[at])]  # type: ignore[index]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_document_with_a_value_changed_is_taken_or_refused(
    text: bytes, data: st.DataObject
) -> None:
    try:
        document = json.loads(text)
    except ValueError:
        return
    if found := places(document):
        container, at = data.draw(st.sampled_from(found))
        container[at] = data.draw(values)  # type: ignore[index]
    judged(json.dumps(document).encode())
