"""The network as the daemon uses it: what there is to ask, with its clients open."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx

from .. import __version__, asking
from ..clock import Clock
from ..config.hosts import allowed_host
from ..config.keys import IdentityConfig
from .dns import Dns
from .fetch import Lexicons
from .guard import Guard, GuardedTransport
from .handles import Handles
from .identity import WITHIN_S, Identity
from .pds import PdsClient
from .record import Records


class Network(NamedTuple):
    """Questions to the network."""

    identity: Identity
    handles: Handles
    lexicons: Lexicons
    pds: PdsClient
    records: Records


@asynccontextmanager
async def open_network(
    config: IdentityConfig, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Network]:
    """The network by this configuration. `transport` stands in for all of it, DNS apart."""
    dns = Dns(config.dns_servers)
    allowed = frozenset(map(allowed_host, config.allow_hosts))
    guarded = transport or GuardedTransport(Guard(dns, allowed), allowed)
    headers = {"user-agent": f"backfilld/{__version__}"}
    async with (
        asking.client(WITHIN_S, transport=transport, headers=headers) as plc,
        asking.client(WITHIN_S, transport=guarded, headers=headers) as strangers,
    ):
        identity = Identity(plc, strangers, dns, config.plc_url, allowed, clock)
        pds = PdsClient(strangers, clock)
        yield Network(
            identity,
            Handles(identity),
            Lexicons(dns, identity, strangers, clock),
            pds,
            Records(identity, pds, clock),
        )
