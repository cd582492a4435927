"""What a DNS server says, and each way in which it says nothing."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest
from support.dns_server import Zone

from backfilld.failures import Failure, Kind
from backfilld.network.dns import Dns

NAME = "_lexicon.blogging.lab.dept.university.edu"


async def failed(zone: Zone, name: str = NAME) -> Failure:
    with pytest.raises(Failure) as failure:
        await Dns([zone.address], lifetime_s=1.0).texts(name)
    return failure.value


async def test_the_strings_of_one_record_are_one_text(zone: Zone) -> None:
    zone.texts(NAME, ("did=did:plc:", "ewvi7nxzyoun6zhxrhs64oiz"), "else")
    found = await Dns([zone.address]).texts(NAME)
    assert sorted(found) == ["did=did:plc:ewvi7nxzyoun6zhxrhs64oiz", "else"]


async def test_an_alias_is_followed(zone: Zone) -> None:
    zone.alias(NAME, "elsewhere.example.com")
    zone.texts("elsewhere.example.com", "did=x")
    assert await Dns([zone.address]).texts(NAME) == ["did=x"]


async def test_an_answer_that_does_not_fit_is_asked_for_again_over_tcp(zone: Zone) -> None:
    zone.truncates.add(NAME)
    zone.texts(NAME, *(f"{n:03}" + "x" * 200 for n in range(40)))
    assert len(await Dns([zone.address]).texts(NAME)) == 40
    assert [over for _, _, over in zone.asked] == ["udp", "tcp"]


async def test_the_same_record_twice_is_one(zone: Zone) -> None:
    zone.texts(NAME, "did=x", "did=x")
    assert await Dns([zone.address]).texts(NAME) == ["did=x"]


async def test_bytes_that_are_no_text_do_no_harm(zone: Zone) -> None:
    zone.texts(NAME, "é\x00\udcff".encode("utf-8", "surrogateescape").decode("latin-1"))
    (text,) = await Dns([zone.address]).texts(NAME)
    assert text


@pytest.mark.parametrize(
    ("set_up", "kind"),
    [
        (lambda zone: None, "not_found"),  # NXDOMAIN
        (lambda zone: zone.hosts(NAME, ["1.1.1.1"]), "not_found"),  # a name without TXT
        (lambda zone: zone.fails.add(NAME), "server_error"),
        (lambda zone: zone.silent.add(NAME), "timeout"),
    ],
)
async def test_no_answer_says_whether_asking_again_may_help(
    zone: Zone, set_up: Callable[[Zone], None], kind: Kind
) -> None:
    set_up(zone)
    failure = await failed(zone)
    assert failure.kind == kind
    assert NAME in failure.message


@pytest.mark.parametrize("name", ["x" * 64 + ".com", ".".join(["x" * 60] * 5), "a..b"])
async def test_a_name_that_cannot_be_one_is_not_found_and_not_asked_for(
    zone: Zone, name: str
) -> None:
    assert (await failed(zone, name)).kind == "not_found"
    assert zone.asked == []


async def test_a_host_has_the_addresses_of_both_kinds(zone: Zone) -> None:
    zone.hosts("pds.example.com", ["1.1.1.1", "1.0.0.1"])
    zone.hosts("pds.example.com", ["2606:4700::1111"], kind="AAAA")
    found = await Dns([zone.address]).addresses("pds.example.com")
    assert set(found[:2]) == {IPv4Address("1.1.1.1"), IPv4Address("1.0.0.1")}
    assert found[2:] == [IPv6Address("2606:4700::1111")]


async def test_one_kind_of_address_is_enough(zone: Zone) -> None:
    zone.hosts("pds.example.com", ["2606:4700::1111"], kind="AAAA")
    found = await Dns([zone.address]).addresses("pds.example.com")
    assert found == [IPv6Address("2606:4700::1111")]


async def test_a_host_that_is_not_there_is_not_found(zone: Zone) -> None:
    with pytest.raises(Failure, match="DNS has no name nowhere.example.com") as failure:
        await Dns([zone.address]).addresses("nowhere.example.com")
    assert failure.value.kind == "not_found"


async def test_one_kind_that_could_not_be_asked_for_is_not_taken_for_none(zone: Zone) -> None:
    zone.texts("pds.example.com", "no address")
    zone.fails.add(("pds.example.com", "AAAA"))
    with pytest.raises(Failure) as failure:
        await Dns([zone.address]).addresses("pds.example.com")
    assert failure.value.kind == "server_error"
    zone.hosts("pds.example.com", ["1.1.1.1"])
    assert await Dns([zone.address]).addresses("pds.example.com") == [IPv4Address("1.1.1.1")]
