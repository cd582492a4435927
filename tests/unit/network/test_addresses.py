"""Only what is on the public internet counts as public, whatever Python thinks of it."""

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.network.addresses import Address, is_public

# IANA's special-purpose registries, as they stood in 2026, and multicast
SPECIAL = [
    *(
        IPv4Network(block)
        for block in (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
            *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"),
            *("192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
            *("224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32"),
        )
    ),
    *(
        IPv6Network(block)
        for block in (
            *("::/128", "::1/128", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64"),
            *("2001::/32", "2001:2::/48", "2001:db8::/32", "2001:10::/28", "2001:20::/28"),
            *("2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "ff00::/8"),
        )
    ),
]
# those that is_global of Python 3.11 takes for global, among others
TRAPS = (
    *("224.0.0.1", "239.1.1.1", "192.88.99.1", "169.254.169.254", "100.100.100.200", "0.0.0.0"),
    *("ff02::1", "64:ff9b::7f00:1", "2002:7f00:1::", "3fff::1", "::ffff:127.0.0.1"),
    *("::7f00:1", "2001::1", "fd00:ec2::254", "fe80::1%eth0", "2606:4700::1%eth0"),
)
PUBLIC = ("93.184.215.14", "1.1.1.1", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::1")


@pytest.mark.parametrize("text", TRAPS)
def test_a_trap_is_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_a_host_of_the_internet_is_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("block", SPECIAL, ids=str)
def test_no_special_block_is_public_from_its_first_address_to_its_last(
    block: IPv4Network | IPv6Network,
) -> None:
    assert not is_public(block[0])
    assert not is_public(block[-1])


@given(st.ip_addresses())
def test_what_is_public_is_nowhere_inside(address: Address) -> None:
    if is_public(address):
        assert not address.is_private
        assert not address.is_loopback
        assert not address.is_link_local
        assert not address.is_multicast
        assert not address.is_reserved
        assert not address.is_unspecified
        assert not any(address in block for block in SPECIAL if block.version == address.version)


@given(st.ip_addresses(v=4))
def test_an_inner_address_gains_nothing_in_a_coat_of_ipv6(address: Address) -> None:
    assert isinstance(address, IPv4Address)
    for coat in ("::ffff:", "64:ff9b::", "::"):
        assert not is_public(ip_address(f"{coat}{address}"))
    high, low = f"{int(address) >> 16:x}", f"{int(address) & 0xFFFF:x}"
    assert not is_public(ip_address(f"2002:{high}:{low}::1"))
