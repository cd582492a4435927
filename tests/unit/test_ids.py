"""Identifiers: held to the official vectors, and packing to its laws."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld_events import ids
from backfilld_events.ids import BadId, Did

SYNTAX = Path(__file__).parents[1] / "interop" / "syntax"

PARSERS: dict[str, Callable[[object], str]] = {
    "did": ids.parse_did,
    "handle": ids.parse_handle,
    "nsid": ids.parse_nsid,
    "recordkey": ids.parse_rkey,
    "tid": ids.parse_rev,
    "cid": ids.parse_cid,
}


def vectors(verdict: str) -> list[tuple[str, str]]:
    """(type, text) of each official vector: verbatim, so only `\\n` ends a line."""
    found = []
    for kind in PARSERS:
        text = (SYNTAX / f"{kind}_syntax_{verdict}.txt").read_bytes().decode()
        lines = [line for line in text.split("\n") if line and not line.startswith("#")]
        found += [(kind, line) for line in lines]
    return found


# --- syntax ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "text"), vectors("valid"))
def test_every_valid_vector_is_taken_as_it_is(kind: str, text: str) -> None:
    parsed = PARSERS[kind](text)
    if kind == "handle":
        assert parsed == text.lower()
    elif kind == "nsid":
        authority, _, name = text.rpartition(".")
        assert parsed == f"{authority.lower()}.{name}"
    else:
        assert parsed == text


@pytest.mark.parametrize(("kind", "text"), vectors("invalid"))
def test_every_invalid_vector_is_refused(kind: str, text: str) -> None:
    with pytest.raises(BadId):
        PARSERS[kind](text)


@pytest.mark.parametrize(("kind", "text"), vectors("valid"))
def test_a_final_newline_is_never_overlooked(kind: str, text: str) -> None:
    with pytest.raises(BadId):
        PARSERS[kind](text + "\n")


@pytest.mark.parametrize("kind", PARSERS)
@pytest.mark.parametrize("value", [None, 7, True, b"did:web:a.example", [], {}, ["a"]])
def test_what_is_no_text_is_no_identifier(kind: str, value: object) -> None:
    with pytest.raises(BadId):
        PARSERS[kind](value)


@given(st.text() | st.sampled_from([text for _, text in vectors("valid") + vectors("invalid")]))
def test_is_did_and_parse_did_agree(text: str) -> None:
    try:
        ids.parse_did(text)
    except BadId:
        assert not ids.is_did(text)
    else:
        assert ids.is_did(text)


def test_the_authority_of_an_nsid_is_lowered_and_its_name_is_not() -> None:
    assert ids.parse_nsid("NET.Example.myScore") == "net.example.myScore"


@pytest.mark.parametrize(
    ("kind", "longest"),
    [
        ("did", "did:web:" + "a" * 2040),
        ("handle", ".".join(["a" * 63] * 3 + ["b" * 61])),
        ("nsid", ".".join(["a" * 63] * 4) + "." + "c" * 61),
        ("recordkey", "k" * 512),
        ("cid", "b" * 256),
    ],
)
def test_the_longest_is_taken_and_one_more_is_not(kind: str, longest: str) -> None:
    assert PARSERS[kind](longest) == longest
    with pytest.raises(BadId):
        PARSERS[kind](longest + longest[-1])


# --- packing ---------------------------------------------------------------------------------

PLC_CHARS = "abcdefghijklmnopqrstuvwxyz234567"
plcs = st.text(PLC_CHARS, min_size=24, max_size=24).map(lambda text: Did("did:plc:" + text))
others = (
    st.from_regex(
        r"did:(?:web|plc|key|x):[a-zA-Z0-9._:%-]{0,40}[a-zA-Z0-9._-]", fullmatch=True
    ).map(Did)
    | st.sampled_from(
        [
            Did("did:a:b"),  # shorter than a packed did:plc
            Did("did:web:exa.mple"[:15]),  # as long as one
            Did("did:web:exa.mple"),  # one longer
            Did("did:plc:ABCDEFGHIJKLMNOPQRSTUVWX"),  # no base32 in lower case
            Did("did:plc:" + "a" * 23),
            Did("did:plc:" + "a" * 25),
            Did("did:web:" + "a" * 2040),
        ]
    )
)
dids = plcs | others
lists = st.lists(dids, max_size=30)


@given(lists)
def test_packed_dids_come_back_in_their_order_with_their_doubles(some: list[Did]) -> None:
    assert ids.unpack(ids.pack(some)) == some


@given(st.lists(plcs, max_size=30))
def test_a_did_plc_costs_15_bytes(some: list[Did]) -> None:
    assert len(ids.pack(some)) == 4 + 15 * len(some)


@given(lists, st.data())
def test_cut_bytes_are_refused_or_cut_between_dids_and_never_read_as_others(
    some: list[Did], data: st.DataObject
) -> None:
    packed = ids.pack(some)
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))]
    try:
        found = ids.unpack(cut)
    except ValueError:
        return
    missing, rest = divmod(len(packed) - len(cut), 15)
    assert rest == 0
    assert found == some[: len(some) - missing]


@given(st.lists(others, min_size=1, max_size=5), st.data())
def test_a_cut_inside_the_table_is_always_refused(some: list[Did], data: st.DataObject) -> None:
    packed = ids.pack(some)
    table_ends = len(packed) - 15 * len(some)
    with pytest.raises(ValueError):  # noqa: PT011 - codecs raise a ValueError of their own
        ids.unpack(packed[: data.draw(st.integers(0, table_ends))])


@given(st.binary(max_size=200))
def test_any_bytes_are_unpacked_or_refused_and_never_more_dids_than_they_have(
    packed: bytes,
) -> None:
    try:
        found = ids.unpack(packed)
    except ValueError:
        return
    assert len(found) <= len(packed) // 15


def test_bytes_that_promise_billions_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="cut short"):
        ids.unpack(b"\xff" * 4 + b"\0" * 60)


def test_an_entry_for_a_did_that_is_not_there_is_refused() -> None:
    entry = (7).to_bytes(4, "big") + (7).to_bytes(2, "big") + b"did:a:b"
    with pytest.raises(ValueError, match="cut short"):
        ids.unpack((1).to_bytes(4, "big") + entry + b"\0" * 15)


@given(dids)
def test_a_key_gives_its_did_back(did: Did) -> None:
    assert ids.unpack_one(ids.pack_one(did)) == did


@given(dids, dids)
def test_two_dids_never_share_a_key(one: Did, other: Did) -> None:
    assert (ids.pack_one(one) == ids.pack_one(other)) == (one == other)


@given(dids)
def test_a_key_has_15_bytes_exactly_for_a_did_plc(did: Did) -> None:
    is_plc = re.fullmatch("did:plc:[a-z2-7]{24}", did) is not None
    assert (len(ids.pack_one(did)) == 15) == is_plc


@given(lists)
def test_packed_dids_come_back_as_keys_too(some: list[Did]) -> None:
    assert ids.unpack_keys(ids.pack(some)) == [ids.pack_one(did) for did in some]


# --- errors ----------------------------------------------------------------------------------

SHOWN_MAX = ids.SHOWN_CHARS_MAX + len("''…")
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(anything | st.text(st.characters(min_codepoint=0), min_size=60))
def test_a_shown_value_is_short_and_printable(value: object) -> None:
    text = ids.shown(value)
    assert len(text) <= SHOWN_MAX
    assert text.isprintable()


def deep() -> list[object]:
    nest: list[object] = []
    for _ in range(100_000):
        nest = [nest]
    return nest


@pytest.mark.parametrize(
    "value",
    ["x" * 1_000_000, "\x00" * 100, "\U000e0001" * 100, "\ud800" * 100, "\u202e", 10**5000, deep()],
    ids=["long", "nul", "tags", "surrogates", "right-to-left", "digits", "deep"],
)
def test_nothing_can_break_or_flood_an_error(value: object) -> None:
    text = str(BadId("a DID", value, "…"))
    assert len(text) <= SHOWN_MAX + 20
    assert text.isprintable()


def test_a_short_value_is_shown_whole_and_a_long_one_with_its_beginning() -> None:
    assert ids.shown("net.example") == "'net.example'"
    assert ids.shown("a\nb") == "'a\\nb'"
    assert ids.shown("a" * 81) == "'" + "a" * 80 + "…'"


@given(st.lists(st.sampled_from([
    "did:plc:" + "a" * 24, "did:plc:" + "b" * 24, "did:plc:" + "a" * 23, "did:plc:" + "a" * 25,
    "did:web:example.com", "", 7, "did:plc:" + "a" * 24 + "\n",
]), max_size=4))  # fmt: skip
def test_all_are_did_plc_when_each_is(values: list[object]) -> None:
    each = [isinstance(one, str) and len(one) == 32 and ids.is_did(one) for one in values]
    assert ids.all_plc(values) == all(each)
