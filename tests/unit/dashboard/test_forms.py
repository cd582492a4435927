"""What a form sends is somebody's word: bounded, and never more than was written."""

from contextlib import suppress
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.control.problems import BadRequest
from backfilld.dashboard.forms import StartForm, fields, reason, start, start_body


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=200), max_size=10))
def test_what_a_browser_sends_is_what_was_filled_in(filled: dict[str, str]) -> None:
    assert fields(urlencode(filled).encode()) == filled


@given(st.binary(max_size=300))
def test_whatever_comes_it_is_a_form_or_refused(body: bytes) -> None:
    with suppress(BadRequest):
        assert all(isinstance(value, str) for value in fields(body).values())


def test_a_form_of_a_thousand_fields_is_refused() -> None:
    with pytest.raises(BadRequest):
        fields("&".join(f"a{n}=1" for n in range(1_000)).encode())


@pytest.mark.parametrize(
    "dids", ["did:plc:a did:plc:b", "did:plc:a,did:plc:b", " did:plc:a\r\n\tdid:plc:b\n"]
)
def test_accounts_may_be_pasted_as_they_come(dids: str) -> None:
    body = start_body(start({"dids": dids}))
    assert (body.collection, body.dids) == (None, ["did:plc:a", "did:plc:b"])


@pytest.mark.parametrize("blank", [{}, {"dids": " \n, "}, {"collection": "  "}])
def test_a_blank_form_is_never_everything(blank: dict[str, str]) -> None:
    with pytest.raises(BadRequest, match="nothing is named"):
        start_body(start(blank))


def test_a_collection_alone_names_no_accounts() -> None:
    body = start_body(StartForm(collection="net.example.score"))
    assert (body.collection, body.dids, body.reason) == ("net.example.score", None, None)


def test_a_reason_has_a_limit() -> None:
    assert reason({"reason": " why "}) == "why"
    with pytest.raises(BadRequest, match="longer than"):
        reason({"reason": "x" * 501})


def test_a_mode_is_one_of_those_there_are_or_that_of_the_configuration() -> None:
    given = {"collection": "net.example.score"}
    assert start_body(start(given)).mode is None
    assert start_body(start({**given, "mode": "refetch"})).mode == "refetch"
    with pytest.raises(BadRequest, match="there is no mode 'again'"):
        start_body(start({**given, "mode": "again"}))
