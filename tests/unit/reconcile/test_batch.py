"""Each repository of a batch agrees to the record, or is named: with what differs for certain, or
with why it could not be compared. What changes meanwhile is no difference."""

import json
import sqlite3
from contextlib import closing
from itertools import count

import httpx
import pytest
import trio
from benchmarks.tap import repository
from benchmarks.tap.dagcbor import Cid as BlockCid
from support.given import LIKES, POSTS, did
from support.servers import REV, Answer, Pds, Servers, cid_at, ok, refusal
from trio.testing import MockClock
from unit.reconcile.conftest import OLD, Side

from backfilld.reconcile import whole
from backfilld.reconcile.batch import GIVEN_UP_AFTER, HOSTS_AT_ONCE, Compared
from backfilld.reconcile.compare import AGAIN_S
from backfilld.reconcile.reader import LISTED_WITHIN_S
from backfilld.reconcile.repository.car import CarReader
from backfilld.reconcile.repository.dagcbor import text_of
from backfilld_events.catalog.reconcile import Method
from backfilld_events.ids import Cid, Did, Nsid, Rev, Rkey, unpack_one

ALICE, BOB = did(1), did(2)
ONE, TWO, THREE = (Cid(f"bafyrei{name}") for name in ("one", "two", "three"))
NEW = Rev("3mmmmmmmmmmm2")


def posts(**records: Cid) -> dict[Nsid, dict[Rkey, Cid]]:
    return {POSTS: {Rkey(rkey): cid for rkey, cid in records.items()}}


async def compared(side: Side, *dids: Did, method: Method = "list") -> Compared:
    return await side.batches.compare(dids, [POSTS], method)


def kinds(found: Compared) -> dict[Did, str]:
    return {unpack_one(one.repo): one.kind for one in found.unread}


async def test_repositories_that_agree_are_read_once_and_counted_to_the_record(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    for who in (ALICE, BOB):
        pds = servers.has(who, posts(a=ONE, b=TWO))
        side.holds(who, {**posts(a=ONE, b=TWO), LIKES: {Rkey("x"): ONE}})
    assert await compared(side, ALICE, BOB) == Compared(4, [], [])
    assert pds.asked == ["listRecords"] * 4


async def test_what_differs_for_good_is_told_record_for_record(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    servers.has(ALICE, posts(a=ONE, b=TWO, c=ONE, d=ONE))
    side.holds(ALICE, posts(a=ONE, b=ONE, ghost=ONE))
    side.buries(ALICE, POSTS, "d")
    servers.has(BOB, posts(a=ONE))
    side.holds(BOB, posts(a=ONE))
    found = await compared(side, ALICE, BOB)
    (one,) = found.differing
    assert (one.missing, one.extra, one.different) == (2, 1, 1)
    assert one.samples == ["~b", "-c", "-d", "+ghost"]
    assert (one.dead, one.rev, one.newest) == (1, REV, OLD)
    assert (found.records, found.unread) == (1, [])


async def test_a_dead_letter_that_was_settled_explains_nothing(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    servers.has(ALICE, posts(a=ONE))
    side.buries(ALICE, POSTS, "a")
    with closing(sqlite3.connect(side.folder / "records.db")) as db, db:
        db.execute("UPDATE dead_letter SET open = 0")
    (one,) = (await compared(side, ALICE)).differing
    assert (one.missing, one.dead) == (1, 0)


async def test_a_record_that_a_person_took_out_is_not_missing(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    servers.has(ALICE, posts(a=ONE, b=ONE))
    side.holds(ALICE, posts(a=ONE, b=ONE))
    side.store.remove(ALICE, POSTS, Rkey("b"), "uid:1000", 2)
    assert await compared(side, ALICE) == Compared(1, [], [])


async def test_a_record_that_reaches_us_meanwhile_is_no_difference(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    pds = servers.has(ALICE, posts(a=ONE, b=ONE))
    side.holds(ALICE, posts(a=ONE, old=ONE))

    def news(method: str, _: httpx.QueryParams) -> Answer | None:
        if method == "getLatestCommit":  # the second look begins
            side.holds(ALICE, posts(b=ONE), NEW)
            side.forgets(ALICE, POSTS, "old", NEW)
        return None

    pds.says = news
    assert await compared(side, ALICE) == Compared(2, [], [])


async def test_a_repository_that_never_stands_still_is_no_difference(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    pds = servers.has(ALICE, posts(a=ONE))
    side.holds(ALICE, posts(a=ONE))
    looks = iter([TWO, THREE, Cid("bafyreifour")])

    def changing(method: str, _: httpx.QueryParams) -> Answer | None:
        if method == "listRecords" and pds.asked[-2:-1] != ["listRecords"]:
            pds.records[ALICE] = posts(a=next(looks))
        return None

    pds.says = changing
    assert (await compared(side, ALICE)).differing == []


@pytest.mark.parametrize(("newest", "looks"), [(OLD, 3), (Rev(REV), 2), (NEW, 2)])
async def test_it_is_believed_at_once_only_if_no_news_can_be_under_way(
    side: Side, servers: Servers, newest: Rev, looks: int, autojump_clock: MockClock
) -> None:
    pds = servers.has(ALICE, posts(a=ONE, b=ONE))
    side.holds(ALICE, posts(a=ONE))
    side.holds(ALICE, {LIKES: {Rkey("x"): ONE}}, newest)
    found = await compared(side, ALICE)
    assert found.differing[0].newest == newest
    assert pds.asked.count("getLatestCommit") == looks - 1
    assert pds.asked_at[-1] - pds.asked_at[0] >= (looks - 1) * AGAIN_S


async def test_many_that_differ_wait_together(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    for n in range(30):
        pds = servers.has(did(n), posts(a=ONE), servers.pds(f"pds{n}.example"))
        side.holds(did(n), posts(b=ONE))
    began = pds.asked_at
    assert len((await compared(side, *(did(n) for n in range(30)))).differing) == 30
    assert began[-1] - began[0] < 4 * AGAIN_S


async def test_accounts_that_are_not_active_are_left_out_and_named(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    pds = servers.has(ALICE, posts(a=ONE))
    side.holds(ALICE, posts(a=ONE))
    side.hears(ALICE, "takendown")
    servers.has(BOB, posts(a=ONE))
    side.holds(BOB, posts(a=ONE))
    pds.inactive[BOB] = "deactivated"
    found = await compared(side, ALICE, BOB)
    assert kinds(found) == {ALICE: "account", BOB: "account"}
    said = [one.message for one in found.unread]
    assert said == [
        "its account is takendown: it is left out",
        "its server says: the account is deactivated",
    ]
    assert found.records == 0


async def test_an_account_that_moved_away_is_compared_where_it_is_now(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    old = servers.has(ALICE, posts(a=ONE), servers.pds("old.example"))
    side.holds(ALICE, posts(a=ONE))
    assert (await compared(side, ALICE)).records == 1
    old.inactive[ALICE] = "deactivated"
    servers.has(ALICE, posts(a=ONE), servers.pds("new.example"))
    assert await compared(side, ALICE) == Compared(1, [], [])


async def test_what_cannot_be_read_says_why(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    hosts = {who: servers.has(who, posts(a=ONE), servers.pds(f"{who[-4:]}.example"))
             for who in map(did, range(3, 8))}  # fmt: skip
    nobody, nowhere = did(1), did(2)
    servers.has(nowhere, {}, Pds("down.example"))
    answers: list[Answer] = [
        httpx.Response(500),
        httpx.ReadTimeout("late"),
        httpx.Response(200, content=b"<html>"),
        refusal("SomethingElse", "who \x1b[31m knows"),
        httpx.Response(200, headers={"content-encoding": "gzip"}),
    ]
    for pds, answer in zip(hosts.values(), answers, strict=True):
        pds.says = lambda method, _, said=answer: said if method == "listRecords" else None
    found = await compared(side, nobody, nowhere, *hosts)
    assert kinds(found) == {
        nobody: "not_found", nowhere: "unreachable", did(3): "server_error", did(4): "timeout",
        did(5): "bad_answer", did(6): "refused", did(7): "bad_answer",
    }  # fmt: skip
    assert all(one.message.isprintable() for one in found.unread)
    assert (found.records, found.differing) == (0, [])


async def test_a_host_that_is_down_is_not_tried_for_every_repository(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    whole = [did(n) for n in range(20)]
    for who in whole:
        pds = servers.has(who, posts(a=ONE))
    pds.says = lambda *_: httpx.ConnectError("refused")
    found = await compared(side, *whole)
    assert set(kinds(found).values()) == {"unreachable"}
    assert len(found.unread) == 20
    assert len(pds.asked) == GIVEN_UP_AFTER


async def test_four_hosts_are_asked_at_once(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    most = 0

    def here(*_: object) -> Answer | None:
        nonlocal most
        most = max(most, sum(one.at_once for one in servers.hosts.values()))
        return None

    for n in range(12):
        pds = servers.has(did(n), posts(a=ONE), servers.pds(f"pds{n}.example"))
        side.holds(did(n), posts(a=ONE))
        pds.takes_s, pds.says = 1.0, here
    assert (await compared(side, *(did(n) for n in range(12)))).records == 12
    assert most == HOSTS_AT_ONCE


# --- signed repositories ---------------------------------------------------------------------

PATHS = [f"{POSTS}/r{n}" for n in range(40)] + [f"{LIKES}/x{n}" for n in range(20)]


def held(*paths: str) -> dict[Nsid, dict[Rkey, Cid]]:
    return {POSTS: {Rkey(path.partition("/")[2]): cid_at(path) for path in paths}}


async def test_a_server_that_never_comes_to_an_end_is_left(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    pds, numbers = servers.has(ALICE, posts()), count()

    def one_more(*_: object) -> Answer:
        rkey = f"r{next(numbers)}"
        record = {"uri": f"at://{ALICE}/{POSTS}/{rkey}", "cid": ONE}
        return ok({"records": [record], "cursor": rkey})

    pds.says, pds.takes_s = one_more, 9.0
    began = trio.current_time()
    assert kinds(await compared(side, ALICE)) == {ALICE: "timeout"}
    assert trio.current_time() - began < LISTED_WITHIN_S + 60


async def test_a_signed_repository_is_compared_to_the_record(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    pds = servers.signs(ALICE, PATHS)
    side.holds(ALICE, held(*PATHS[:40]))
    assert await compared(side, ALICE, method="repo") == Compared(40, [], [])
    assert pds.asked == ["getRepo"]
    side.forgets(ALICE, POSTS, "r7", NEW)
    (one,) = (await compared(side, ALICE, method="repo")).differing
    assert (one.samples, one.rev, one.newest) == (["-r7"], REV, NEW)


async def test_a_repository_that_its_account_did_not_sign_is_not_believed(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    servers.signs(ALICE, PATHS)
    side.holds(ALICE, held(*PATHS[:40]))
    key = repository.key_of("somebody else").public_key()
    pds = servers.pds()
    servers.documents[ALICE] = json.loads(repository.document(ALICE, key, pds.url))
    (why,) = (await compared(side, ALICE, method="repo")).unread
    assert (why.kind, "did not sign" in why.message) == ("bad_answer", True)
    servers.documents[ALICE].pop("verificationMethod")
    (why,) = (await compared(side, ALICE, method="repo")).unread
    assert "names no signing key" in why.message


async def test_a_key_that_was_changed_lately_is_looked_up_again(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    servers.signs(ALICE, PATHS)
    side.holds(ALICE, held(*PATHS[:40]))
    right = servers.documents[ALICE]
    other = repository.key_of("an older key").public_key()
    servers.documents[ALICE] = json.loads(repository.document(ALICE, other, servers.pds().url))
    assert (await compared(side, ALICE, method="repo")).unread
    servers.documents[ALICE] = right
    assert await compared(side, ALICE, method="repo") == Compared(40, [], [])


async def test_another_repository_under_a_name_is_refused(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    servers.signs(ALICE, PATHS)
    servers.signs(BOB, PATHS)
    servers.pds().cars[ALICE] = servers.pds().cars[BOB]
    (why,) = (await compared(side, ALICE, method="repo")).unread
    assert "of another account" in why.message


@pytest.mark.parametrize("cut", [0, 1, 59, 400, -1, -300])
async def test_a_repository_that_ends_early_is_never_taken_for_a_whole_one(
    side: Side, servers: Servers, cut: int, autojump_clock: MockClock
) -> None:
    pds = servers.signs(ALICE, PATHS)
    pds.cars[ALICE] = pds.cars[ALICE][:cut]
    side.holds(ALICE, held(*PATHS[:40]))
    found = await compared(side, ALICE, method="repo")
    assert kinds(found) == {ALICE: "bad_answer"}


async def test_a_repository_that_lacks_a_record_of_its_own_is_not_taken_for_whole(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    pds = servers.signs(ALICE, PATHS)
    side.holds(ALICE, held(*PATHS[:40]))
    car = CarReader()
    blocks = {BlockCid(cid): block for cid, block in car.feed(pds.cars[ALICE])}
    (lost,) = [cid for cid in blocks if text_of(cid) == cid_at(PATHS[3])]
    del blocks[lost]
    pds.cars[ALICE] = repository.car(BlockCid(car.end()), blocks)
    (why,) = (await compared(side, ALICE, method="repo")).unread
    assert why.message.endswith(f"the record {cid_at(PATHS[3])} is missing")


async def test_a_disk_that_is_full_leaves_the_repository_unread(
    side: Side, servers: Servers, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    class Small(whole._Blocks):
        def __init__(self) -> None:
            super().__init__()
            self._db.execute("PRAGMA max_page_count = 3")

    monkeypatch.setattr(whole, "_Blocks", Small)
    servers.signs(ALICE, PATHS)
    (why,) = (await compared(side, ALICE, method="repo")).unread
    assert (why.kind, why.message) == (
        "too_large", "no room for its blocks: database or disk is full"
    )  # fmt: skip


async def test_a_tree_that_takes_too_long_is_left(
    side: Side, servers: Servers, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(whole, "VERIFIED_WITHIN_S", 0.0)
    servers.signs(ALICE, PATHS)
    assert kinds(await compared(side, ALICE, method="repo")) == {ALICE: "too_large"}


async def test_a_server_that_hands_out_no_repositories_says_so(
    side: Side, servers: Servers, autojump_clock: MockClock
) -> None:
    pds = servers.signs(ALICE, PATHS)
    pds.says = lambda *_: httpx.Response(501, json={"error": "MethodNotImplemented"})
    found = await compared(side, ALICE, method="repo")
    assert kinds(found) == {ALICE: "not_offered"}
    pds.says = lambda *_: ok({})
    assert kinds(await compared(side, ALICE, method="repo")) == {ALICE: "bad_answer"}
