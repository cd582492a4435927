"""What a DID document says, in both its forms, and which ones are refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.failures import Failure
from backfilld.network.documents import DidDocument, SigningKey, pds_of, read
from backfilld_events.ids import Did

ALICE = Did("did:plc:ewvi7nxzyoun6zhxrhs64oiz")
PDS = {
    "id": "#atproto_pds",
    "type": "AtprotoPersonalDataServer",
    "serviceEndpoint": "https://pds.example.com",
}
LABELER = {"id": "#atproto_labeler", "type": "AtprotoLabeler", "serviceEndpoint": "https://x.com"}


def document(**members: object) -> DidDocument:
    return read(json.dumps({"id": ALICE, **members}).encode(), ALICE)


@pytest.mark.parametrize("pds_id", ["#atproto_pds", f"{ALICE}#atproto_pds"])
def test_the_pds_is_found_in_the_older_form_and_in_the_newer(pds_id: str) -> None:
    found = document(service=[LABELER, {**PDS, "id": pds_id}], alsoKnownAs=["at://alice.test"])
    assert (pds_of(found), found.handle) == ("https://pds.example.com", "alice.test")


def test_the_first_pds_counts_and_its_type_is_looked_at() -> None:
    wrong = {**PDS, "type": "Other", "serviceEndpoint": "https://wrong.example.com"}
    second = {**PDS, "serviceEndpoint": "https://second.example.com"}
    assert pds_of(document(service=[wrong, PDS, second])) == "https://pds.example.com"


@pytest.mark.parametrize("key_id", ["#atproto", f"{ALICE}#atproto"])
def test_the_key_of_the_repository_is_found_in_the_older_form_and_in_the_newer(key_id: str) -> None:
    other = {"id": "#atproto_label", "type": "Multikey", "publicKeyMultibase": "zother"}
    key = {"id": key_id, "type": "Multikey", "publicKeyMultibase": "zkey"}
    found = document(verificationMethod=[other, key, {**key, "publicKeyMultibase": "zsecond"}])
    assert found.key == SigningKey("Multikey", "zkey")


@pytest.mark.parametrize("key", [{}, {"id": "#atproto"}, {"id": "#atproto", "type": 1}, {"id": 7}])
def test_a_document_without_a_usable_key_is_legal(key: object) -> None:
    assert document(verificationMethod=[key]).key is None


def test_a_document_without_a_pds_is_legal() -> None:
    found = document(service=[LABELER])
    assert found.pds is None
    with pytest.raises(Failure, match="names no PDS") as failure:
        pds_of(found)
    assert failure.value.kind == "not_found"


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://pds.example.com/path",
        "https://pds.example.com?x",
        "https://pds.example.com#x",
        "https://user:secret@pds.example.com",
        "https://pds.example.com:99999",
        "https://pds.example.com:x",
        "ftp://pds.example.com",
        "pds.example.com",
        "https://",
        "https://[::1",
        "",
    ],
)
def test_an_endpoint_is_a_scheme_a_host_and_perhaps_a_port(endpoint: str) -> None:
    with pytest.raises(Failure, match="is no address of a PDS"):
        pds_of(document(service=[{**PDS, "serviceEndpoint": endpoint}]))


def test_the_handle_is_the_first_that_is_one() -> None:
    names = ["https://x.com", "at://", "at://no handle", "at://Alice.Test", "at://b.test"]
    assert document(alsoKnownAs=names).handle == "alice.test"
    assert document(alsoKnownAs=["acct:x"]).handle is None


def test_a_document_of_somebody_else_is_refused() -> None:
    with pytest.raises(Failure, match="not of did:plc:ewvi7"):
        read(json.dumps({"id": "did:plc:" + "a" * 24}).encode(), ALICE)


JSON = st.recursive(
    st.none() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["id", "type", "service", "alsoKnownAs"]), inner)
    ),
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(Failure) as failure:
        read(body, ALICE)
    assert failure.value.kind == "bad_answer"


@given(JSON, JSON)
def test_whatever_stands_in_it_is_read_or_refused(service: object, names: object) -> None:
    try:
        found = document(service=service, alsoKnownAs=names)
    except Failure:
        return
    assert found.did == ALICE


def test_a_server_has_one_name_however_it_is_written() -> None:
    found = document(service=[{**PDS, "serviceEndpoint": "HTTPS://Pds.Example.COM/"}])
    assert pds_of(found) == "https://pds.example.com"
