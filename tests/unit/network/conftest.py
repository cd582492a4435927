"""Servers on loopback: a DNS zone, and a web server that is PLC directory and PDS at once."""

from collections.abc import AsyncIterator, Iterator

import pytest
from support.dns_server import Zone, dns_server
from support.given import NOON
from support.web_server import Web, web_server

from backfilld.config.keys import IdentityConfig
from backfilld.network.opened import Network, open_network


@pytest.fixture
def zone() -> Iterator[Zone]:
    with dns_server() as zone:
        yield zone


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as web:
        yield web


@pytest.fixture
async def network(zone: Zone, web: Web) -> AsyncIterator[Network]:
    """The network of an operator who develops: those two, and nobody else."""
    config = IdentityConfig(plc_url=web.url, dns_servers=(zone.address,), allow_hosts=(web.host,))
    async with open_network(config, lambda: NOON) as network:
        yield network
