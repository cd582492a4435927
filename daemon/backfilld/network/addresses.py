"""Which addresses of strangers we go to: those of the public internet, by list. Pure.

Python's own `is_global` is asked too, but is not enough: it takes multicast, 6to4, NAT64 and
192.88.99.0/24 for global. Sources: the special-purpose registries of IANA (RFC 6890 and later).
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

PORTS = frozenset({80, 443})

_IPV4_REFUSED = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # behind a provider's NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata services of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_IPV6_PUBLIC = IPv6Network("2000::/3")  # mapped, NAT64, local and multicast are outside of it
_IPV6_REFUSED = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: holds any IPv4 address
        "3fff::/20",  # documentation
    )
)


def is_public(address: Address) -> bool:
    """Whether `address` is on the public internet, as far as its number tells."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in block for block in _IPV4_REFUSED)
    return (
        address.is_global
        and address.scope_id is None
        and address in _IPV6_PUBLIC
        and not any(address in block for block in _IPV6_REFUSED)
    )
