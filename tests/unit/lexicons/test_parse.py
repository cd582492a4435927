"""What an upload check promises beyond the official documents."""

import json

import pytest

from backfilld.lexicons import DOCUMENT_BYTES_MAX, LexiconFault, parse


def with_main(main: object, **more: object) -> bytes:
    """A document with this main, and perhaps more definitions."""
    defs = {"main": main, **more}
    return json.dumps({"lexicon": 1, "id": "xyz.example.note", "defs": defs}).encode()


def with_field(field: object, **more: object) -> bytes:
    """A record lexicon with the field `x`."""
    record = {"type": "object", "properties": {"x": field}}
    return with_main({"type": "record", "key": "tid", "record": record}, **more)


def fault(text: bytes) -> LexiconFault:
    """The fault that `text` is refused for."""
    with pytest.raises(LexiconFault) as caught:
        parse(text)
    return caught.value


# --- reading ---------------------------------------------------------------------------------


def test_a_document_of_the_largest_size_is_taken_and_one_byte_more_is_refused() -> None:
    text = with_field({"type": "string"}).ljust(DOCUMENT_BYTES_MAX)
    assert parse(text).text == text
    assert "262,144 bytes" in fault(text + b" ").rule


@pytest.mark.parametrize("nest", [b"[", b'{"a":', b'[{"a":'])
def test_a_nest_of_any_depth_is_refused_before_anything_recurses(nest: bytes) -> None:
    assert "64 levels" in fault(nest * (DOCUMENT_BYTES_MAX // len(nest))).rule


def test_64_levels_are_taken_and_one_more_is_refused() -> None:
    text = b'{"lexicon":1,"id":"xyz.example.note","defs":{"main":{"type":"token"}},"x":%s}'
    assert parse(text % (b"[" * 63 + b"]" * 63)).kind == "definitions"
    assert "64 levels" in fault(text % (b"[" * 64 + b"]" * 64)).rule


def test_brackets_inside_of_strings_are_no_depth() -> None:
    description = '[{"\\' * 1000
    assert parse(with_field({"type": "string", "description": description})).kind == "record"


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1" * 5000, str(2**63)])
def test_a_number_that_not_every_parser_reads_is_refused_where_it_stands(word: str) -> None:
    text = with_field({"type": "unknown", "extra": ["here"]}).replace(b'"here"', word.encode())
    assert fault(text).path == "$.defs.main.record.properties.x.extra[0]"


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 0, -1])
def test_an_integer_of_64_bits_is_taken(number: int) -> None:
    assert parse(with_field({"type": "integer", "const": number})).kind == "record"


def test_a_member_that_stands_twice_is_named_wherever_it_is() -> None:
    text = with_field({"type": "string", "a": {"b": 1, "c": 1}}).replace(b'"c"', b'"b"')
    assert fault(text).path == "$.defs.main.record.properties.x.a.b"


@pytest.mark.parametrize("extra", [{"\ud800": 1}, {"a": ["\udfff"]}])
def test_a_lone_surrogate_is_refused_in_names_and_values(extra: dict[str, object]) -> None:
    assert fault(with_field({"type": "string", **extra})).rule.startswith("text is Unicode")


def test_a_surrogate_pair_is_a_character() -> None:
    assert parse(with_field({"type": "string", "const": "\U0001f422"})).kind == "record"


@pytest.mark.parametrize("text", [b"", b" ", b"\xef\xbb\xbf{}", b'{"a":1}x', b'{"a":"\n"}', b"'a'"])
def test_what_only_resembles_json_is_refused(text: bytes) -> None:
    assert fault(text).rule == "a lexicon document is JSON"


# --- the document ----------------------------------------------------------------------------


def test_unknown_members_are_no_fault() -> None:
    text = b'{"$type":"com.atproto.lexicon.schema","lexicon":1,"id":"xyz.example.note","new":[1.5],'
    text += b'"defs":{"main":{"type":"token","const":1,"default":2,"new":null}}}'
    assert parse(text).kind == "definitions"


@pytest.mark.parametrize("main", ["token", "object", "string", "boolean", "bytes", "cid-link"])
def test_a_main_that_is_not_primary_makes_definitions(main: str) -> None:
    document = parse(with_main({"type": main, "key": "tid"}))
    assert (document.kind, document.key) == ("definitions", None)


@pytest.mark.parametrize("main", ["ref", "union", "unknown", "params", "permission", "x", 1, None])
def test_a_main_of_a_type_that_is_no_definition_is_refused(main: object) -> None:
    assert fault(with_main({"type": main})).path == "$.defs.main.type"


def test_a_type_in_the_wrong_place_is_told_its_right_one() -> None:
    assert (
        fault(with_field({"type": "token"})).hint
        == "it is token, which stands only as a definition"
    )


def test_a_name_that_is_no_plain_word_is_quoted_in_the_path() -> None:
    assert fault(with_main({"type": "token"}, **{"a b\n": 1})).path == "$.defs['a b\\n']"


@pytest.mark.parametrize("name", ["", "#", "a#b"])
def test_a_definition_that_no_reference_could_name_is_refused(name: str) -> None:
    assert fault(with_main({"type": "token"}, **{name: {"type": "token"}})).rule.startswith(
        "the name"
    )


def test_happyviews_texts_begin_the_message() -> None:
    assert str(fault(b"{}")).startswith("lexicon JSON must have a numeric 'lexicon' field")
    assert str(fault(b'{"lexicon":2}')).startswith("unsupported lexicon version: 2")
    assert str(fault(b'{"lexicon":1}')).startswith("lexicon JSON must have a string 'id' field")


def test_a_fault_has_a_code_for_the_api() -> None:
    assert fault(b"[]").code == "bad-lexicon"


# --- definitions -----------------------------------------------------------------------------


@pytest.mark.parametrize("ref", ["#main", "#other", "a.b.c", "a.b.c#d", "xyz.example.note#other"])
def test_a_reference_leads_into_this_document_or_to_any_other(ref: str) -> None:
    other = {"type": "token"}
    assert parse(with_field({"type": "ref", "ref": ref}, other=other)).kind == "record"
    assert parse(with_field({"type": "union", "refs": [ref]}, other=other)).kind == "record"


@pytest.mark.parametrize(
    "ref",
    ["", "#", "##main", "#main#", "a.b", "a.b.c#", "a.b.c#d#e", "lex:a.b.c", "a.b.c\n", 1, []],
)
def test_a_reference_of_any_other_form_is_refused(ref: object) -> None:
    assert fault(with_field({"type": "ref", "ref": ref})).rule.endswith("nsid or nsid#name")


@pytest.mark.parametrize("ref", ["#nope", "xyz.example.note#nope"])
def test_a_reference_to_what_this_document_lacks_is_refused_however_written(ref: str) -> None:
    found = fault(with_field({"type": "array", "items": {"type": "union", "refs": [ref]}}))
    assert found.path == "$.defs.main.record.properties.x.items.refs[0]"


@pytest.mark.parametrize("ref", ["#main", "xyz.example.note"])
def test_a_reference_to_main_is_refused_where_there_is_none(ref: str) -> None:
    other = {"type": "array", "items": {"type": "ref", "ref": ref}}
    text = json.dumps({"lexicon": 1, "id": "xyz.example.note", "defs": {"other": other}})
    assert fault(text.encode()).path == "$.defs.other.items.ref"


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ({"type": "boolean", "const": 1}, "const"),
        ({"type": "boolean", "default": None}, "default"),
        ({"type": "integer", "minimum": 1.0}, "minimum"),
        ({"type": "integer", "const": True}, "const"),
        ({"type": "integer", "minimum": 2, "maximum": 1}, "minimum"),
        ({"type": "integer", "enum": {}}, "enum"),
        ({"type": "string", "const": 1}, "const"),
        ({"type": "string", "format": ["did"]}, "format"),
        ({"type": "string", "minGraphemes": 2, "maxGraphemes": 1}, "minGraphemes"),
        ({"type": "string", "knownValues": ["a", 1]}, "knownValues[1]"),
        ({"type": "string", "description": 1}, "description"),
        ({"type": "bytes", "maxLength": True}, "maxLength"),
        ({"type": "bytes", "minLength": 2, "maxLength": 1}, "minLength"),
        ({"type": "blob", "maxSize": -1}, "maxSize"),
        ({"type": "blob", "accept": "image/*"}, "accept"),
        ({"type": "array", "items": []}, "items"),
        ({"type": "array", "items": {"type": "token"}}, "items.type"),
        ({"type": "array", "items": {"type": "string"}, "maxLength": 1.5}, "maxLength"),
        ({"type": "ref"}, "ref"),
        ({"type": "union"}, "refs"),
        ({"type": "union", "refs": [], "closed": 1}, "closed"),
        ({"type": "object", "required": ["a"]}, "required[0]"),
        ({"type": "object", "properties": {}, "nullable": ["a"]}, "nullable[0]"),
        ({"type": "object", "properties": {"a": {"type": "record"}}}, "properties.a.type"),
    ],
)
def test_a_member_of_a_field_is_judged(field: object, path: str) -> None:
    assert fault(with_field(field)).path == f"$.defs.main.record.properties.x.{path}"


@pytest.mark.parametrize(
    "field",
    [
        {"type": "integer", "minimum": -5, "maximum": -5},
        {"type": "string", "minLength": 0, "maxLength": 0},
        {"type": "union", "refs": []},
        {"type": "union", "refs": [], "closed": False},
        {"type": "array", "items": {"type": "array", "items": {"type": "object"}}},
        {"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"]},
    ],
)
def test_what_the_language_allows_is_not_refused(field: object) -> None:
    assert parse(with_field(field)).kind == "record"


@pytest.mark.parametrize(
    ("main", "path"),
    [
        ({"type": "query", "parameters": {"type": "object"}}, "parameters.type"),
        (
            {
                "type": "query",
                "parameters": {"type": "params", "properties": {"a": {"type": "object"}}},
            },
            "parameters.properties.a.type",
        ),
        (
            {
                "type": "query",
                "parameters": {
                    "type": "params",
                    "properties": {"a": {"type": "array", "items": {"type": "blob"}}},
                },
            },
            "parameters.properties.a.items.type",
        ),
        (
            {"type": "query", "parameters": {"type": "params", "required": ["a"]}},
            "parameters.required[0]",
        ),
        ({"type": "query", "output": {}}, "output.encoding"),
        ({"type": "procedure", "input": {"encoding": 1}}, "input.encoding"),
        (
            {"type": "procedure", "output": {"encoding": "a/b", "schema": {"type": "string"}}},
            "output.schema.type",
        ),
        ({"type": "query", "errors": [{}]}, "errors[0].name"),
        ({"type": "subscription"}, "message"),
        (
            {"type": "subscription", "message": {"schema": {"type": "object"}}},
            "message.schema.type",
        ),
        ({"type": "subscription", "message": {"schema": {"type": "ref"}}}, "message.schema.type"),
        ({"type": "permission-set"}, "permissions"),
        (
            {"type": "permission-set", "permissions": [{"type": "permission"}]},
            "permissions[0].resource",
        ),
    ],
)
def test_a_primary_definition_is_judged(main: object, path: str) -> None:
    assert fault(with_main(main)).path == f"$.defs.main.{path}"


def test_an_empty_record_of_happyviews_sample_is_taken_with_a_warning() -> None:
    document = parse(with_main({"type": "record", "key": "tid", "record": {}}))
    assert (document.kind, document.key) == ("record", "tid")
    (warning,) = document.warnings
    assert "$.defs.main.record is empty" in warning


@pytest.mark.parametrize(
    "record", [{"properties": {}}, {"description": "x"}, {"type": None}, {"required": []}, [], ""]
)
def test_a_record_that_says_anything_must_say_that_it_is_an_object(record: object) -> None:
    path = fault(with_main({"type": "record", "key": "tid", "record": record})).path
    assert path.startswith("$.defs.main.record")


def test_a_document_that_is_right_has_no_warnings() -> None:
    main = {"type": "record", "key": "tid", "record": {"type": "object"}}
    assert parse(with_main(main)).warnings == ()
