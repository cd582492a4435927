"""The only way to hosts that strangers name: what is connected to has been checked, each time.

The one rule: the check is made on the address that is connected to, so a name that changes its
answer gains nothing. One name is looked up once a connection, every address it has must be public,
and one of these is dialled; TLS still holds the certificate to the name. Redirects are requests
like any other. Hosts that the operator allows (identity.allow_hosts) are for development and free.
"""

import ssl
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx

from ..asking import cause_of
from ..failures import Failure
from .addresses import PORTS, Address, is_public
from .dns import Dns

CONNECTIONS_MAX = 32
DIALS_MAX = 4  # addresses of one host that are tried
CONNECT_S_MAX = 3.0  # for one address


class Guard(httpcore.AsyncNetworkBackend):
    """Connects to public addresses on the two ports of the web, and to hosts in `allowed`
    (`host:port`). What it refuses is Failure("not_allowed")."""

    def __init__(
        self,
        dns: Dns,
        allowed: frozenset[str] = frozenset(),
        inner: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._dns, self._allowed = dns, allowed
        self._inner = inner or httpcore.TrioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's port
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to a checked address of `host`. Raises Failure, httpcore.ConnectError."""
        if f"{host}:{port}" in self._allowed:
            return await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        if port not in PORTS:
            raise Failure("not_allowed", f"port {port} of {host}: only 80 and 443 are asked")
        within_s = min(timeout or CONNECT_S_MAX, CONNECT_S_MAX)
        last: Exception | None = None
        for address in (await self._checked(host))[:DIALS_MAX]:
            try:
                return await self._inner.connect_tcp(
                    str(address), port, within_s, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise httpcore.ConnectError(cause_of(last) if last else "it has no address") from last

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's port
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise Failure("not_allowed", "a Unix socket is no host")

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await self._inner.sleep(seconds)

    async def _checked(self, host: str) -> list[Address]:
        try:
            addresses: list[Address] = [ip_address(host)]
        except ValueError:
            addresses = await self._dns.addresses(host)
        for address in addresses:
            if not is_public(address):
                raise Failure("not_allowed", f"{host} is at {address}, no public address")
        return addresses


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx over a Guard; speaks https alone, but for hosts in `allowed`."""

    def __init__(
        self,
        guard: Guard,
        allowed: frozenset[str] = frozenset(),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        tls = tls or httpx.create_ssl_context(trust_env=False)
        super().__init__(verify=tls, trust_env=False)
        self._allowed = allowed
        # httpx offers no other place for a network backend; strangers get no idle connections
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=0,
            network_backend=guard,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises Failure for another scheme than https."""
        url = request.url
        if url.scheme != "https" and f"{url.host}:{url.port or 80}" not in self._allowed:
            raise Failure("not_allowed", f"{url.host} over {url.scheme}: only https is asked")
        return await super().handle_async_request(request)
