"""What a browser sends from a page that is not ours is refused; what anything else sends is not."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backfilld.control.serving.foreign import Known, fault

HERE = "127.0.0.1:8410"
KNOWN = Known(frozenset({"backfill.example"}), frozenset({"https://app.example"}))

labels = st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z]", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=4).map(".".join)
ports = st.one_of(st.just(""), st.integers(1, 65_535).map(lambda port: f":{port}"))
netlocs = st.builds(str.__add__, names, ports)
loopbacks = st.sampled_from(["localhost", "127.0.0.1", "127.9.9.9", "[::1]"])


@given(netlocs, st.sampled_from(["GET", "POST", "DELETE"]))
def test_a_name_that_only_leads_here_is_not_ours(host: str, method: str) -> None:
    assume(host.partition(":")[0] not in ("localhost", "backfill.example"))
    found = fault(method, {"host": host}, KNOWN, tcp=True)
    assert found is not None
    assert (found[0], found[1].code) == (421, "foreign-host")
    on_socket = fault(method, {"host": host}, KNOWN, tcp=False)
    assert (on_socket is None) == ("." not in host and ":" not in host)
    rebound = {"host": host, "sec-fetch-site": "same-origin"}
    assert fault(method, rebound, KNOWN, tcp=False) is not None


@pytest.mark.parametrize("host", ["backfilld", "d", "localhost", "", "backfill.example"])
def test_whoever_asks_the_socket_itself_need_not_know_our_name(host: str) -> None:
    assert fault("POST", {"host": host} if host else {}, KNOWN, tcp=False) is None


@pytest.mark.parametrize("host", ["evil.example:8410", "evil.example", "evil:8410", "[::2]:8410"])
def test_a_page_whose_name_leads_into_a_tunnel_to_the_socket_is_refused(host: str) -> None:
    found = fault("GET", {"host": host}, KNOWN, tcp=False)
    assert found is not None
    assert (found[0], found[1].code) == (421, "foreign-host")


@given(loopbacks, ports)
def test_loopback_is_ours_under_every_port(name: str, port: str) -> None:
    for tcp in (True, False):
        assert fault("POST", {"host": name + port}, KNOWN, tcp=tcp) is None


@given(st.text(max_size=40), st.booleans())
def test_a_host_that_is_no_name_is_not_ours(host: str, is_there: bool) -> None:
    assume(not host.lower().startswith(("localhost", "127.", "[::1]", "backfill.example")))
    headers = {"host": host} if is_there else {}
    assert fault("GET", headers, KNOWN, tcp=True) is not None


@given(netlocs, st.sampled_from(["http://", "https://"]), st.booleans())
def test_a_page_of_another_origin_may_not_ask(netloc: str, scheme: str, tcp: bool) -> None:
    assume(netloc.partition(":")[0] != "backfill.example")
    assume(scheme + netloc != "https://app.example")
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        found = fault(method, {"host": HERE, "origin": scheme + netloc}, KNOWN, tcp=tcp)
        assert found is not None
        assert (found[0], found[1].code) == (403, "foreign-origin")


@pytest.mark.parametrize(
    "origin",
    ["null", "", "http://127.0.0.1:9999", "http://localhost:8410", "http://127.0.0.1",
     "ftp://127.0.0.1:8410", "file://", "http://127.0.0.1:8410/", "https://app.example.evil",
     "https://app.example:444", "http://app.example", "http://x@127.0.0.1:8410"],
)  # fmt: skip
def test_what_only_looks_like_our_origin_is_not(origin: str) -> None:
    assert fault("POST", {"host": HERE, "origin": origin}, KNOWN, tcp=True) is not None


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (HERE, "http://127.0.0.1:8410"),
        ("[::1]:8410", "http://[::1]:8410"),
        ("LOCALHOST:8410", "http://localhost:8410"),
        ("backfill.example", "https://backfill.example"),
        ("backfill.example:443", "https://backfill.example"),
        (HERE, "https://backfill.example"),  # behind a proxy that asks under our address
        (HERE, "https://app.example"),
    ],
)
def test_our_own_pages_and_configured_ones_may_ask(host: str, origin: str) -> None:
    headers = {"host": host, "origin": origin, "sec-fetch-site": "cross-site"}
    assert fault("POST", headers, KNOWN, tcp=True) is None


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_browser_without_an_origin_may_look_and_not_change(site: str) -> None:
    headers = {"host": HERE, "sec-fetch-site": site}
    assert fault("GET", headers, KNOWN, tcp=True) is None
    for method in ("POST", "DELETE", "PUT"):
        assert fault(method, headers, KNOWN, tcp=True) is not None


def test_an_allowed_host_may_be_given_with_its_port_alone() -> None:
    known = Known(frozenset({"backfill.example:8443"}))
    assert fault("GET", {"host": "backfill.example:8443"}, known, tcp=True) is None
    assert fault("GET", {"host": "backfill.example:1"}, known, tcp=True) is not None
