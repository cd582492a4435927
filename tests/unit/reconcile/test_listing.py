"""A listing is read to its end from every kind of server, and a host is asked politely."""

from collections.abc import Callable
from itertools import count

import httpx
import pytest
import trio
from support.given import POSTS, did
from support.servers import Answer, Pds, Servers, ok, refusal
from trio.testing import MockClock

from backfilld.failures import Failure
from backfilld.network.manners import EVERY_S, WAIT_S_MAX, Manners
from backfilld.network.opened import Network
from backfilld.network.pds import AGAIN_S, LIMITED_S, PAGE_RECORDS_MAX, TRIES
from backfilld.reconcile import listing
from backfilld.reconcile.listing import EMPTY_PAGES_MAX, listed
from backfilld_events.ids import Cid, Rkey

ALICE = did(1)
RECORDS = {Rkey(f"r{n:04}"): Cid(f"bafyrei{n:04}") for n in range(250)}


@pytest.fixture
def pds(servers: Servers) -> Pds:
    return servers.has(ALICE, {POSTS: RECORDS})


async def failed(network: Network, pds: Pds) -> Failure:
    with pytest.raises(Failure) as failure:
        await listed(network.pds, pds.url, ALICE, POSTS)
    return failure.value


def reference(pds: Pds) -> None:
    pass


def looks_ahead(pds: Pds) -> None:
    pds.cursor_at_end = False


def knows_no_reverse(pds: Pds) -> None:
    pds.knows_reverse = False


def inclusive(pds: Pds) -> None:
    pds.is_inclusive, pds.knows_reverse = True, False


def small_pages(pds: Pds) -> None:
    pds.page_max = 7


@pytest.mark.parametrize("way", [reference, looks_ahead, knows_no_reverse, inclusive, small_pages])
async def test_every_record_is_read_whatever_the_server_makes_of_the_protocol(
    network: Network, pds: Pds, way: Callable[[Pds], None], autojump_clock: MockClock
) -> None:
    way(pds)
    assert await listed(network.pds, pds.url, ALICE, POSTS) == RECORDS


async def test_a_collection_that_is_not_there_is_empty(
    network: Network, pds: Pds, autojump_clock: MockClock
) -> None:
    pds.records[ALICE] = {}
    assert await listed(network.pds, pds.url, ALICE, POSTS) == {}


async def test_what_would_never_end_is_a_failure(
    network: Network, pds: Pds, autojump_clock: MockClock
) -> None:
    numbers = count()
    pds.says = lambda *_: ok({"records": [], "cursor": f"c{next(numbers)}"})
    assert (await failed(network, pds)).kind == "empty_pages"
    assert len(pds.asked) == EMPTY_PAGES_MAX + 1
    pds.says = lambda *_: ok({"records": [], "cursor": "c"})
    assert (await failed(network, pds)).kind == "cursor_repeated"


async def test_a_page_that_brings_nothing_new_is_the_last(
    network: Network, pds: Pds, autojump_clock: MockClock
) -> None:
    one = {"uri": f"at://{ALICE}/{POSTS}/r", "cid": "bafyreione"}
    numbers = count()
    pds.says = lambda *_: ok({"records": [one], "cursor": f"c{next(numbers)}"})
    assert await listed(network.pds, pds.url, ALICE, POSTS) == {"r": "bafyreione"}


async def test_more_than_is_compared_is_a_failure_and_not_read_on(
    network: Network, pds: Pds, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(listing, "RECORDS_MAX", 120)
    failure = await failed(network, pds)
    assert (failure.kind, len(pds.asked)) == ("too_large", 2)


async def test_records_that_are_too_large_together_are_asked_for_in_small_pages(
    network: Network, pds: Pds, autojump_clock: MockClock
) -> None:
    def large(method: str, params: httpx.QueryParams) -> Answer | None:
        return Failure("too_large", "it is") if int(params["limit"]) > 10 else None

    pds.says = large
    assert await listed(network.pds, pds.url, ALICE, POSTS) == RECORDS


@pytest.mark.parametrize(
    "record",
    [
        {"uri": f"at://{did(2)}/{POSTS}/r", "cid": "bafyreione"},
        {"uri": f"at://{ALICE}/net.example.other/r", "cid": "bafyreione"},
        {"uri": f"at://{ALICE}/{POSTS}/a/b", "cid": "bafyreione"},
        {"uri": f"at://{ALICE}/{POSTS}/r", "cid": "x"},
        {"uri": 7, "cid": "bafyreione"},
    ],
)
async def test_an_answer_about_something_else_is_a_bad_one(
    network: Network, pds: Pds, record: object, autojump_clock: MockClock
) -> None:
    pds.says = lambda *_: ok({"records": [record]})
    assert (await failed(network, pds)).kind == "bad_answer"


async def test_a_page_of_any_number_of_records_is_not_taken(
    network: Network, pds: Pds, autojump_clock: MockClock
) -> None:
    one = {"uri": f"at://{ALICE}/{POSTS}/r", "cid": "bafyreione"}
    pds.says = lambda *_: ok({"records": [one] * (PAGE_RECORDS_MAX + 1)})
    assert (await failed(network, pds)).kind == "bad_answer"


async def test_a_cursor_of_any_length_is_not_taken(
    network: Network, pds: Pds, autojump_clock: MockClock
) -> None:
    pds.says = lambda *_: ok({"records": [], "cursor": "c" * 5000})
    assert (await failed(network, pds)).kind == "bad_answer"


# --- manners ---------------------------------------------------------------------------------


async def test_a_host_is_asked_one_thing_at_a_time_and_five_a_second(
    network: Network, pds: Pds, autojump_clock: MockClock
) -> None:
    pds.page_max, pds.takes_s = 10, 0.05
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(listed, network.pds, pds.url, ALICE, POSTS)
    assert pds.most_at_once == 1
    gaps = [later - one for one, later in zip(pds.asked_at, pds.asked_at[1:], strict=False)]
    assert min(gaps) >= EVERY_S - 1e-9
    assert len(pds.asked) == 3 * 26


@pytest.mark.parametrize(
    ("headers", "waits_s"),
    [
        ({"retry-after": "42"}, 42.0),
        ({"ratelimit-reset": "30"}, 30.0),
        ({}, LIMITED_S),
    ],
)
async def test_a_host_that_has_enough_is_left_alone_as_long_as_it_says(
    network: Network, pds: Pds, headers: dict[str, str], waits_s: float, autojump_clock: MockClock
) -> None:
    answers = [httpx.Response(429, html="<html>", headers=headers)]
    pds.says = lambda *_: answers.pop() if answers else None
    assert await listed(network.pds, pds.url, ALICE, POSTS) == RECORDS
    assert pds.asked_at[1] - pds.asked_at[0] >= waits_s


async def test_the_last_answer_of_a_window_is_enough_to_wait(
    network: Network, pds: Pds, autojump_clock: MockClock
) -> None:
    told: list[int] = []

    def empty(*_: object) -> Answer | None:
        told.append(1)
        if len(told) > 1:
            return None
        body = {"records": [], "cursor": None}
        headers = {"ratelimit-remaining": "0", "ratelimit-reset": "60"}
        return httpx.Response(200, json=body, headers=headers)

    pds.says = empty
    await listed(network.pds, pds.url, ALICE, POSTS)
    await listed(network.pds, pds.url, ALICE, POSTS)
    assert pds.asked_at[1] - pds.asked_at[0] >= 60


async def test_a_host_that_wants_to_be_left_alone_for_long_is_not_waited_for(
    network: Network, pds: Pds, autojump_clock: MockClock
) -> None:
    pds.says = lambda *_: httpx.Response(429, headers={"retry-after": f"{WAIT_S_MAX + 60:.0f}"})
    began = trio.current_time()
    failure = await failed(network, pds)
    assert (failure.kind, len(pds.asked)) == ("rate_limited", 1)
    assert trio.current_time() - began < 1


async def test_what_may_pass_is_tried_again_and_what_does_not_is_not(
    network: Network, pds: Pds, autojump_clock: MockClock
) -> None:
    answers: list[Answer] = [httpx.Response(502), httpx.ReadError("reset")]
    pds.says = lambda *_: answers.pop() if answers else None
    assert await listed(network.pds, pds.url, ALICE, POSTS) == RECORDS
    assert pds.asked_at[2] - pds.asked_at[0] >= 2 * AGAIN_S
    pds.asked.clear()
    pds.says = lambda *_: httpx.Response(500)
    assert (await failed(network, pds)).kind == "server_error"
    assert len(pds.asked) == TRIES
    pds.asked.clear()
    pds.says = lambda *_: refusal("InvalidRequest")
    assert (await failed(network, pds)).kind == "refused"
    assert len(pds.asked) == 2, "the second time without reverse"


async def test_single_records_are_asked_for_as_politely(
    network: Network, pds: Pds, autojump_clock: MockClock
) -> None:
    limited = [httpx.Response(429, headers={"retry-after": "42"})]

    def one(method: str, params: httpx.QueryParams) -> Answer | None:
        if method != "getRecord":
            return None
        if limited:
            return limited.pop()
        uri = f"at://{ALICE}/{POSTS}/{params['rkey']}"
        return ok({"uri": uri, "cid": RECORDS[Rkey(params["rkey"])], "value": {}})

    pds.says, pds.takes_s = one, 1.0
    with pytest.raises(Failure):
        await network.records.now(ALICE, POSTS, Rkey("r0000"))
    async with trio.open_nursery() as nursery:
        for rkey in list(RECORDS)[:4]:
            nursery.start_soon(network.records.now, ALICE, POSTS, rkey)
    assert pds.most_at_once == 1
    assert pds.asked_at[2] - pds.asked_at[1] >= 42


async def test_hosts_are_remembered_in_bounds(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr("backfilld.network.manners.HOSTS_MAX", 3)
    manners = Manners()
    manners.leave_alone("busy", 50)
    for n in range(20):
        async with manners.turn(f"host{n}"):
            pass
        await trio.sleep(1)
    assert len(manners._hosts) <= 3
    began = trio.current_time()
    async with manners.turn("busy"):
        assert trio.current_time() - began >= 29
