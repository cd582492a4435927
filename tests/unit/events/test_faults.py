"""What Tap says of a repository becomes one word of a list; its texts are as they were seen."""

import pytest

from backfilld_events.faults import MEANINGS, Fault, fault_of, host_of

GET = (
    'failed to get repo: Get "http://pds.example:2606/xrpc/com.atproto.sync.getRepo?did=did:plc:a"'
)
API = "failed to get repo: API request failed"


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (f"{GET}: dial tcp 127.0.0.1:21199: connect: connection refused", "connection_failed"),
        (f"{GET}: dial tcp: lookup pds.example: no such host", "dns_failure"),
        (
            f"{GET}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
            "timeout",
        ),
        (f"{GET}: EOF", "connection_failed"),
        (f"{API} (HTTP 500): InternalServerError: Internal Server Error", "pds_server_error"),
        (f"{API} (HTTP 502)", "pds_server_error"),
        (f"{API} (HTTP 429): RateLimitExceeded: Rate Limit Exceeded", "rate_limited"),
        (f"{API} (HTTP 400): RepoDeactivated: Repo has been deactivated: x", "repo_deactivated"),
        (f"{API} (HTTP 400): RepoTakendown: Repo has been takendown: x", "repo_takendown"),
        (f"{API} (HTTP 400): RepoNotFound: Could not find repo for DID: x", "repo_not_found"),
        (f"{API} (HTTP 400): InvalidRequest: timeout 500", "other"),
        ("failed to resolve DID: DID not found: PLC directory 404", "did_doc_not_found"),
        ("failed to resolve DID: did:web hostname has disallowed TLD: invalid", "did_doc_invalid"),
        ("failed to resolve DID: did:web identifier not a simple hostname: l", "did_doc_invalid"),
        ("failed to resolve DID: DID method not supported: key", "did_doc_invalid"),
        ("failed to resolve DID: DID method not supported: ", "did_doc_invalid"),
        ("no PDS endpoint for DID: did:plc:a", "did_doc_invalid"),
        ("failed to verify signature: cryptographic signature invalid", "verify_failed"),
        ("failed to read repo from CAR: unexpected EOF", "repo_unreadable"),
        ("failed to read repo from CAR: EOF", "repo_unreadable"),
        ("something nobody has seen", "other"),
        ("", "other"),
    ],
)  # fmt: skip
def test_each_text_of_tap_has_its_kind(error: str, fault: str) -> None:
    assert fault_of("error", error).word == fault


def test_an_empty_error_means_that_the_host_is_rate_limiting() -> None:
    assert fault_of("desynchronized", "") is Fault.RATE_PARKED
    assert fault_of("desynchronized", "what failed before") is Fault.NONE


@pytest.mark.parametrize("state", ["pending", "resyncing", "active"])
def test_what_does_not_fail_has_no_kind_whatever_text_is_left_over(state: str) -> None:
    assert fault_of(state, f"{API} (HTTP 500)") is Fault.NONE


def test_what_tap_does_not_know_is_forgotten() -> None:
    assert fault_of("unknown", "") is Fault.FORGOTTEN


def test_every_kind_has_a_meaning_and_a_number_of_its_own() -> None:
    assert set(MEANINGS) == set(Fault) - {Fault.NONE}


def test_a_text_may_name_the_server() -> None:
    assert host_of(f"{GET}: EOF") == "pds.example:2606"
    assert host_of(f"{API} (HTTP 500)") == ""
