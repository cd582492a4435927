"""A body that is not right is refused with the place, and never given back raw."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from backfilld.control.problems import TEXT_CHARS_MAX, BadRequest, clean, decoded


class Inner(Struct, forbid_unknown_fields=True):
    n: int


class Body(Struct, forbid_unknown_fields=True):
    collection: str
    inner: Inner | None = None
    dids: list[str] = []


@pytest.mark.parametrize(
    ("body", "status", "field", "hint"),
    [
        (b"", 400, None, "send a JSON object"),
        (b"  ", 400, None, "send a JSON object"),
        (b"{", 400, None, "send a JSON object"),
        (b'{"collection":"a"}x', 400, None, "send a JSON object"),
        (b'{"collection":"\xff"}', 400, None, "send JSON in UTF-8"),
        (b"[]", 422, None, "send a JSON object"),
        (b"null", 422, None, "send a JSON object"),
        (b"{}", 422, "collection", "add it and send again"),
        (b'{"collection":7}', 422, "collection", "correct this field and send again"),
        (b'{"collection":"a","dids":["x",7]}', 422, "dids[1]", "correct this field and send again"),
        (b'{"colection":"a"}', 422, "colection", "did you mean collection?"),
        (b'{"xyz":1}', 422, "xyz", "known here: collection, inner, dids"),
        (b'{"collection":"a","inner":{"n":1,"m":2}}', 422, "inner.m", "known here: "),
        (b'{"collection":"a","inner":{}}', 422, "inner.n", "add it and send again"),
    ],
)
def test_a_bad_body_has_its_status_its_field_and_what_to_do(
    body: bytes, status: int, field: str | None, hint: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        decoded(body, Body)
    problem = refused.value.problem
    assert (refused.value.status, problem.field) == (status, field)
    assert (problem.hint or "").startswith(hint)


def test_a_body_of_any_depth_is_refused_and_not_followed() -> None:
    class Deep(Struct):
        inner: object

    with pytest.raises(BadRequest):
        decoded(b'{"inner":' + b"[" * 100_000, Deep)


@given(st.text(min_size=1, max_size=5_000))
def test_what_a_client_chose_comes_back_short_and_harmless(name: str) -> None:
    import msgspec

    with pytest.raises(BadRequest) as refused:
        decoded(msgspec.json.encode({name: 1}), Body)
    problem = refused.value.problem
    for text in (problem.error, problem.field or "", problem.hint or ""):
        assert text.isprintable()
        assert len(text) <= TEXT_CHARS_MAX


@given(st.text(), st.integers(1, 300))
def test_cleaned_text_is_one_line_of_bounded_length(text: str, most: int) -> None:
    found = clean(text, most)
    assert len(found) <= most
    assert found.isprintable()
    if text.isprintable() and len(text) <= most:
        assert found == text
