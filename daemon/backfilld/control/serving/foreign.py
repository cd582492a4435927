"""Does a request come from a page that is not ours? Pure.

A page of anybody can make a browser ask an address of this machine, and with a name of its own that
leads here (DNS rebinding) it would even read the answer. A browser tells the name that it asked
(`Host`) and the page that made it (`Origin`, `Sec-Fetch-Site`), and no page can change these.
On the socket a name means nothing, but a browser may come through a tunnel to it, and tells no more
than the name if its page is read over plain HTTP: so there too no name of the network is known.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address

from msgspec import Struct

from ..shapes import Problem

_NETLOC = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,253})(?::([0-9]{1,5}))?")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_USUAL = frozenset({"80", "443"})  # ports that stand in no address


class Known(Struct, frozen=True):
    """Names under which we may be asked, beside those of loopback (`name` or `name:port`), and the
    origins of pages that may call us."""

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()


def fault(
    method: str, headers: Mapping[str, str], known: Known, *, tcp: bool
) -> tuple[int, Problem] | None:
    """What is wrong with where a request comes from: status and envelope; None: nothing."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    host = headers.get("host", "").lower()
    must_be_ours = tcp or origin is not None or site is not None or "." in host or ":" in host
    if must_be_ours and not _is_ours(host, known):
        hint = "ask for 127.0.0.1, or name this host in control.allowed_hosts"
        return 421, Problem("this host is not known here", "foreign-host", hint)
    if origin is not None:
        if origin in known.origins or _is_own(origin.lower(), host, known):
            return None
        hint = "to let pages of this origin call the API, name it in control.cors_origins"
        return 403, Problem("a page of another origin may not ask", "foreign-origin", hint)
    if site in ("cross-site", "same-site") and method not in _SAFE:
        return 403, Problem("a page of another site may not ask", "foreign-origin", None)
    return None


def _is_ours(host: str, known: Known) -> bool:
    parts = _NETLOC.fullmatch(host)
    if parts is None:
        return False
    return _is_loopback(parts[1].strip("[]")) or not known.hosts.isdisjoint({host, parts[1]})


def _is_own(origin: str, host: str, known: Known) -> bool:
    """Whether a page came from us: from the host that is asked, or, behind a proxy that asks under
    another name, from one that is configured."""
    scheme, _, netloc = origin.partition("://")
    parts = _NETLOC.fullmatch(netloc)
    if scheme not in ("http", "https") or parts is None:
        return False
    return _bare(netloc) == _bare(host) or not known.hosts.isdisjoint({netloc, parts[1]})


def _bare(netloc: str) -> str:
    name, _, port = netloc.rpartition(":")
    return name if port in _USUAL else netloc


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
