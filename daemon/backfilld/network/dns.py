"""Asks DNS, bounded in time; what goes wrong is a Failure, `not_found` when there is no such thing.

The one rule: a name is asked for as it is. No search domains and no hosts file: what a stranger
names is looked up where everybody would.
"""

from collections.abc import Sequence
from ipaddress import ip_address

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver
import trio

from ..config.hosts import dns_server
from ..failures import Failure, clean
from .addresses import Address

LIFETIME_S = 5.0  # for one question, whatever number of servers is asked


class Dns:
    """Questions to `servers` (IP or IP:PORT); none: those of the system."""

    def __init__(self, servers: Sequence[str] = (), lifetime_s: float = LIFETIME_S) -> None:
        self._servers = [dns.nameserver.Do53Nameserver(*dns_server(one)) for one in servers]
        self._lifetime_s = lifetime_s

    async def texts(self, name: str) -> list[str]:
        """The TXT records of `name`, each with its strings joined. Raises Failure."""
        answer = await self._asked(name, "TXT")
        joined = (b"".join(record.strings) for record in answer)
        return [text.decode(errors="replace") for text in joined]

    async def addresses(self, host: str) -> list[Address]:
        """Every address of `host`, IPv4 first. Raises Failure; not when one of the two questions
        was answered."""
        found: dict[str, list[Address] | Failure] = {}

        async def look_up(kind: str) -> None:
            try:
                answer = await self._asked(host, kind)
                found[kind] = [ip_address(record.address) for record in answer]
            except Failure as failure:
                found[kind] = failure

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look_up, "A")
            nursery.start_soon(look_up, "AAAA")
        answers = [found["A"], found["AAAA"]]
        failures = [one for one in answers if isinstance(one, Failure)]
        if len(failures) == len(answers):
            # that one is temporary says more than that the other kind is not there
            raise next((one for one in failures if one.kind != "not_found"), failures[0])
        return [address for one in answers if not isinstance(one, Failure) for address in one]

    async def _asked(self, name: str, kind: str) -> dns.resolver.Answer:
        try:
            return await self._resolver().resolve(
                name, kind, search=False, lifetime=self._lifetime_s
            )
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            raise _failure(name, kind, error) from error

    def _resolver(self) -> dns.asyncresolver.Resolver:
        if not self._servers:
            return dns.asyncresolver.Resolver()  # reads resolv.conf anew: networks change
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = self._servers
        return resolver


def _failure(name: str, kind: str, error: Exception) -> Failure:
    match error:
        case dns.resolver.NXDOMAIN():
            return Failure("not_found", f"DNS has no name {name}")
        case dns.resolver.NoAnswer():
            return Failure("not_found", f"DNS has no {kind} record of {name}")
        case dns.name.NameTooLong() | dns.name.LabelTooLong() | dns.name.EmptyLabel():
            return Failure("not_found", f"{name} cannot be a name in DNS")
        case dns.exception.Timeout():
            return Failure("timeout", f"no DNS server answered for {name} in time")
        case dns.resolver.NoNameservers():
            return Failure("server_error", f"no DNS server could answer for {name}")
        case dns.resolver.NoResolverConfiguration():
            return Failure("unreachable", "this system names no DNS server (identity.dns_servers)")
        case _:
            return Failure("bad_answer", f"DNS, asked for {name}: {clean(str(error))}")
