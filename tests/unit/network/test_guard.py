"""No host that a stranger names gets us to connect to anything but the public internet."""

import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from support.certificate import certified
from support.dns_server import Zone
from support.web_server import web_server

from backfilld import asking
from backfilld.failures import Failure
from backfilld.network.addresses import Address
from backfilld.network.dns import Dns
from backfilld.network.guard import DIALS_MAX, Guard, GuardedTransport

from .test_addresses import PUBLIC, SPECIAL, TRAPS

HOST, PUBLIC_V4 = "pds.example.com", "93.184.215.14"


class Dialled(httpcore.AsyncNetworkBackend):
    """Writes down what is dialled. Nobody answers, or the server at a port of loopback does."""

    def __init__(self, port: int | None = None) -> None:
        self.hosts: list[tuple[str, int]] = []
        self._port = port

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's port
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.hosts.append((host, port))
        if self._port is None:
            raise httpcore.ConnectError("nobody there")
        return await httpcore.TrioBackend().connect_tcp("127.0.0.1", self._port)


class Answers:
    """DNS that says this, whatever is asked."""

    def __init__(self, addresses: list[Address]) -> None:
        self._addresses = addresses

    async def addresses(self, host: str) -> list[Address]:
        return self._addresses


@asynccontextmanager
async def strangers(
    zone: Zone, dialled: Dialled | None, *allowed: str, tls: ssl.SSLContext | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    hosts = frozenset(allowed)
    guard = Guard(Dns([zone.address]), hosts, dialled)
    async with asking.client(5, transport=GuardedTransport(guard, hosts, tls)) as client:
        yield client


async def asked(client: httpx.AsyncClient, url: str) -> asking.Answer:
    return await asking.ask(client, "GET", url, body_max=100, within_s=5)


async def refused(client: httpx.AsyncClient, url: str) -> Failure:
    with pytest.raises(Failure) as failure:
        await asked(client, url)
    return failure.value


@given(
    st.lists(
        st.ip_addresses()
        | st.sampled_from(SPECIAL).map(lambda block: block[1 % block.num_addresses]),
        max_size=6,
    )
)
async def test_nothing_is_dialled_unless_all_addresses_are_public(addresses: list[Address]) -> None:
    dialled = Dialled()
    guard = Guard(Answers(addresses), inner=dialled)  # type: ignore[arg-type]
    inside = [
        one
        for one in addresses
        if any(one.version == block.version and one in block for block in SPECIAL)
    ]
    with pytest.raises((Failure, httpcore.ConnectError)) as caught:
        await guard.connect_tcp(HOST, 443)
    if inside:
        assert isinstance(caught.value, Failure)
        assert caught.value.kind == "not_allowed"
        assert dialled.hosts == []
    if dialled.hosts:
        assert dialled.hosts == [(str(one), 443) for one in addresses[:DIALS_MAX]]


@pytest.mark.parametrize("text", [text for text in TRAPS if "%" not in text])
async def test_a_name_in_dns_with_an_address_inside_is_refused(zone: Zone, text: str) -> None:
    zone.hosts(HOST, [text], kind="AAAA" if ":" in text else "A")
    dialled = Dialled()
    async with strangers(zone, dialled) as client:
        failure = await refused(client, f"https://{HOST}/")
    assert (failure.kind, dialled.hosts) == ("not_allowed", [])
    assert HOST in failure.message


@pytest.mark.parametrize("text", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"])
async def test_an_address_inside_in_place_of_a_name_is_refused(zone: Zone, text: str) -> None:
    dialled = Dialled()
    async with strangers(zone, dialled) as client:
        assert (await refused(client, f"https://{text}/")).kind == "not_allowed"
    assert (dialled.hosts, zone.asked) == ([], [])


@pytest.mark.parametrize("text", ["0x7f.1", "127.1", "0177.0.0.1", "2130706433", "localhost"])
async def test_another_way_to_write_loopback_is_a_name_that_dns_does_not_have(
    zone: Zone, text: str
) -> None:
    dialled = Dialled()
    async with strangers(zone, dialled) as client:
        assert (await refused(client, f"https://{text}/")).kind in ("not_found", "bad_answer")
    assert dialled.hosts == []


async def test_a_name_with_one_public_and_one_inner_address_is_refused_whole(zone: Zone) -> None:
    zone.hosts(HOST, [PUBLIC_V4])
    zone.hosts(HOST, ["fd00::1"], kind="AAAA")
    dialled = Dialled()
    async with strangers(zone, dialled) as client:
        assert (await refused(client, f"https://{HOST}/")).kind == "not_allowed"
    assert dialled.hosts == []


async def test_a_name_that_turns_to_loopback_is_dialled_where_it_was_checked(zone: Zone) -> None:
    zone.hosts(HOST, [PUBLIC_V4], ["127.0.0.1"])
    dialled = Dialled()
    async with strangers(zone, dialled) as client:
        assert (await refused(client, f"https://{HOST}/")).kind == "unreachable"
        assert dialled.hosts == [(PUBLIC_V4, 443)]
        assert [kind for _, kind, _ in zone.asked].count("A") == 1
        assert (await refused(client, f"https://{HOST}/")).kind == "not_allowed"
    assert dialled.hosts == [(PUBLIC_V4, 443)]


async def test_the_next_address_is_tried_when_one_does_not_answer(zone: Zone) -> None:
    zone.hosts(HOST, [text for text in PUBLIC if ":" not in text])
    zone.hosts(HOST, ["2606:4700::1111"], kind="AAAA")
    dialled = Dialled()
    async with strangers(zone, dialled) as client:
        assert (await refused(client, f"https://{HOST}/")).kind == "unreachable"
    assert {host for host, _ in dialled.hosts} == {*PUBLIC} - {"2a00:1450:4001::1"}


@pytest.mark.parametrize("port", [22, 25, 2583, 6379, 8443])
async def test_only_the_two_ports_of_the_web_are_asked(zone: Zone, port: int) -> None:
    zone.hosts(HOST, [PUBLIC_V4])
    dialled = Dialled()
    async with strangers(zone, dialled) as client:
        assert (await refused(client, f"https://{HOST}:{port}/")).kind == "not_allowed"
    assert dialled.hosts == []


@pytest.mark.parametrize("url", [f"http://{HOST}/", f"http://{HOST}:443/", f"ftp://{HOST}/"])
async def test_only_https_is_spoken(zone: Zone, url: str) -> None:
    zone.hosts(HOST, [PUBLIC_V4])
    dialled = Dialled()
    async with strangers(zone, dialled) as client:
        assert (await refused(client, url)).kind == "not_allowed"
    assert dialled.hosts == []


async def test_a_redirect_to_loopback_is_an_answer_and_nothing_more(
    zone: Zone, tmp_path: Path
) -> None:
    location = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n"
    async with (
        secure(HOST, tmp_path, location) as (port, tls, _),
        strangers(zone, dialled := Dialled(port), tls=tls) as client,
    ):
        zone.hosts(HOST, [PUBLIC_V4])
        assert (await asked(client, f"https://{HOST}/")).status == 302
    assert dialled.hosts == [(PUBLIC_V4, 443)]


async def test_tls_holds_the_certificate_to_the_name_though_an_address_is_dialled(
    zone: Zone, tmp_path: Path
) -> None:
    async with (
        secure(HOST, tmp_path, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok") as (
            port,
            tls,
            sni,
        ),
        strangers(zone, Dialled(port), tls=tls) as client,
    ):
        zone.hosts(HOST, [PUBLIC_V4])
        zone.hosts("other.example.com", [PUBLIC_V4])
        assert (await asked(client, f"https://{HOST}/")).body == b"ok"
        failure = await refused(client, "https://other.example.com/")
        assert "certificate refused: Hostname mismatch" in failure.message
    assert sni == [HOST, "other.example.com"]


async def test_a_host_that_the_operator_allows_may_be_inside_and_speak_http(zone: Zone) -> None:
    with web_server() as web:
        web.says("/", "here")
        async with strangers(zone, None, web.host) as client:
            assert (await asked(client, web.url)).body == b'"here"'
            assert (await refused(client, "http://localhost/")).kind == "not_allowed"
            assert (await refused(client, f"http://127.0.0.1:{web.port}")).kind == "not_allowed"
    assert zone.asked == []


async def test_the_environment_names_no_proxy(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    with web_server() as proxy:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        zone.hosts(HOST, ["127.0.0.1"])
        async with strangers(zone, None) as client:
            assert (await refused(client, f"https://{HOST}/")).kind == "not_allowed"
        assert proxy.asked == []


@asynccontextmanager
async def secure(
    host: str, folder: Path, answer: str
) -> AsyncIterator[tuple[int, ssl.SSLContext, list[str]]]:
    """A server with a certificate for `host`: its port, who trusts it, the names asked for."""
    server, client = certified(host, folder)
    sni: list[str] = []
    server.sni_callback = lambda _, name, __: sni.append(str(name))

    async def handle(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            await stream.receive_some(65_536)
            await stream.send_all(answer.encode())
        except (trio.BrokenResourceError, ssl.SSLError):
            pass  # a client that does not trust us
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_ssl_over_tcp, handle, 0, server, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        yield listener.transport_listener.socket.getsockname()[1], client, sni
        nursery.cancel_scope.cancel()
