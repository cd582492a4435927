"""Which names lead to an account, and what they may say."""

import pytest

from backfilld.failures import Failure
from backfilld.network.names import (
    did_in,
    lexicon_name,
    public_handle,
    supported,
    web_document,
)
from backfilld_events.ids import BadId, Did, Nsid, parse_nsid

ALICE = Did("did:plc:ewvi7nxzyoun6zhxrhs64oiz")


@pytest.mark.parametrize(
    ("nsid", "name"),
    [
        (
            "edu.university.dept.lab.blogging.getBlogPost",
            "_lexicon.blogging.lab.dept.university.edu",
        ),
        ("com.example.fooBar", "_lexicon.example.com"),
        ("Com.ExamPle.fooBar", "_lexicon.example.com"),
    ],
)
def test_the_authority_of_a_lexicon_is_one_name_and_no_parent(nsid: str, name: str) -> None:
    assert lexicon_name(parse_nsid(nsid)) == name


def test_only_texts_that_begin_with_did_count() -> None:
    texts = ["v=spf1 -all", f"did={ALICE}", f" did={ALICE}x", "DID=did:plc:x"]
    assert did_in(texts, "n") == ALICE


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        ([], "not_found"),
        (["v=spf1"], "not_found"),
        ([f"did={ALICE}", "did=did:web:example.com"], "bad_answer"),
        (["did=nonsense"], "bad_answer"),
        (["did="], "bad_answer"),
        ([f"did={ALICE} "], "bad_answer"),
        ([f'did="{ALICE}"'], "bad_answer"),
        (["did=did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"], "bad_answer"),
        (["did=did:plc:UPPER"], "bad_answer"),
    ],
)
def test_what_is_not_one_did_is_no_answer(texts: list[str], kind: str) -> None:
    with pytest.raises(Failure) as failure:
        did_in(texts, "_lexicon.example.com")
    assert failure.value.kind == kind


@pytest.mark.parametrize(
    "tld", ["alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion", "test"]
)
def test_a_handle_that_nobody_can_have_is_refused(tld: str) -> None:
    with pytest.raises(BadId, match=f"no account can have one under .{tld}"):
        public_handle(f"alice.{tld}", development=False)


def test_test_handles_are_for_development() -> None:
    assert public_handle("Alice.Test", development=True) == "alice.test"
    with pytest.raises(BadId):
        public_handle("alice.local", development=True)


@pytest.mark.parametrize("text", ["alice", "alice@example.com", "@alice.example.com", "", "a..b"])
def test_what_is_no_domain_name_is_no_handle(text: str) -> None:
    with pytest.raises(BadId):
        public_handle(text, development=False)


def test_a_did_web_is_at_its_host() -> None:
    url = web_document(Did("did:web:example.com"), frozenset())
    assert url == "https://example.com/.well-known/did.json"


def test_a_did_web_with_a_port_is_for_hosts_that_are_allowed() -> None:
    did = Did("did:web:localhost%3A2583")
    assert web_document(did, {"localhost:2583"}) == "http://localhost:2583/.well-known/did.json"
    with pytest.raises(Failure, match="has a port"):
        web_document(did, {"localhost:2584"})


@pytest.mark.parametrize(
    "did",
    [
        "did:web:localhost",
        "did:web:example.com:users:alice",
        "did:web:example.com%3A443",
        "did:web:127.0.0.1",
        "did:web:example.com%2Fx",
        "did:web:printer.local",
    ],
)
def test_a_did_web_is_the_name_of_a_public_host_and_nothing_more(did: str) -> None:
    with pytest.raises(Failure):
        web_document(supported(did), frozenset())


def test_a_long_nsid_has_a_name_too() -> None:
    nsid = Nsid(".".join(["a" * 60] * 4) + ".b.name")
    assert lexicon_name(nsid).startswith("_lexicon.b.aaa")
