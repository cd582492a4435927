"""The sandbox's relay where it can be other than a plain collection directory."""

import json

import pytest

from backfilld.sandbox.http import Request, Response
from backfilld.sandbox.relay import PATH, Quirks, Relay
from backfilld.sandbox.world import World
from backfilld_events.ids import Nsid

STATUS, LIKE, LATE = (Nsid(f"xyz.statusphere.{name}") for name in ("status", "like", "late"))


def world_of(repos: int = 20) -> World:
    return World(1, repos, (STATUS, LIKE), 1, odd_share=0.3, empty_share=0.2)


async def ask(relay: Relay, query: str, path: str = PATH) -> tuple[int, dict[str, object]]:
    answer = await relay.handle(Request("GET", f"{path}?{query}"))
    assert isinstance(answer, Response)
    return answer.status, json.loads(answer.body)


async def page(
    relay: Relay, collection: str = STATUS, limit: int = 1000, cursor: object = None
) -> tuple[list[object], object]:
    query = f"collection={collection}&limit={limit}" + (f"&cursor={cursor}" if cursor else "")
    status, body = await ask(relay, query)
    assert status == 200
    repos = body["repos"]
    assert isinstance(repos, list)
    return [repo["did"] for repo in repos], body.get("cursor")


async def test_accounts_that_are_gone_or_empty_stay_listed() -> None:
    world = world_of()
    world.set_status(world.did(4), "deleted")
    dids, _ = await page(Relay(world))
    assert dids == [world.did(n) for n in range(20)]


async def test_a_further_collection_is_held_by_every_second_repository() -> None:
    world = world_of()
    dids, _ = await page(Relay(world), LIKE)
    assert dids == [world.did(n) for n in range(1, 20, 2)]


async def test_who_comes_later_is_listed_at_the_end_once_and_an_old_cursor_finds_it() -> None:
    world = world_of()
    relay = Relay(world)
    first, cursor = await page(relay, limit=20)
    newcomer = world.new_account()
    world.create(newcomer, STATUS)
    world.create(newcomer, STATUS)
    world.create(world.did(3), STATUS)
    assert await page(relay, cursor=cursor) == ([newcomer], None)
    assert (await page(relay))[0] == [*first, newcomer]


async def test_a_collection_nobody_had_is_listed_from_its_first_record_on() -> None:
    world = world_of()
    relay = Relay(world)
    assert await page(relay, LATE) == ([], None)
    world.create(world.did(5), LATE)
    assert await page(relay, LATE) == ([world.did(5)], None)


async def test_counts_agree_with_the_listing() -> None:
    world = world_of(repos=21)
    relay = Relay(world)
    world.create(world.did(0), LIKE)
    _, body = await ask(relay, "", "/v1/listCollections")
    counts = {name: len((await page(relay, name))[0]) for name in (STATUS, LIKE)}
    assert body == {"collections": counts, "cursor": ""}
    assert counts == {STATUS: 21, LIKE: 11}


@pytest.mark.parametrize(
    ("offers", "status", "body"),
    [
        ("nothing", 404, {"error": "Not Found"}),
        (
            "pds",
            400,
            {
                "error": "InvalidRequest",
                "message": "No service configured for com.atproto.sync.listReposByCollection",
            },
        ),
    ],
)
async def test_a_server_without_the_listing_says_so(offers: str, status: int, body: object) -> None:
    quirks = Quirks(offers=offers)  # type: ignore[arg-type]
    assert await ask(Relay(world_of(), quirks), f"collection={STATUS}") == (status, body)


async def test_a_repeated_cursor_is_the_one_that_was_sent() -> None:
    relay = Relay(world_of(), Quirks(repeats_cursor=True))
    _, cursor = await page(relay, limit=5)
    assert (await page(relay, limit=5, cursor=cursor))[1] == cursor


async def test_an_empty_page_has_another_cursor_for_the_same_place() -> None:
    world = world_of()
    relay = Relay(world)
    _, cursor = await page(relay, limit=5)
    relay.quirks.empty_pages = 1
    dids, other = await page(relay, cursor=cursor)
    assert dids == []
    assert other not in (cursor, None)
    assert (await page(relay, cursor=other))[0] == [world.did(n) for n in range(5, 20)]


async def test_an_empty_first_page_leads_to_the_start() -> None:
    world = world_of()
    relay = Relay(world, Quirks(empty_pages=1))
    _, cursor = await page(relay)
    assert (await page(relay, cursor=cursor))[0] == [world.did(n) for n in range(20)]


async def test_duplicates_and_malformed_entries_stand_at_the_end_of_a_page() -> None:
    world = world_of()
    odd = ["not a did", 'with "quotes"', None, 7, {"a": 1}]
    relay = Relay(world, Quirks(duplicates=True, malformed=odd))
    dids, cursor = await page(relay, limit=3)
    assert dids == [world.did(0), world.did(1), world.did(2), world.did(0), *odd]
    assert (await page(relay, limit=3, cursor=cursor))[0][-1] == world.did(3)


async def test_after_a_rebuild_an_old_cursor_of_one_collection_reads_as_finished() -> None:
    world = world_of()
    relay = Relay(world)
    _, status_cursor = await page(relay, STATUS, limit=5)
    _, like_cursor = await page(relay, LIKE, limit=5)
    before = await page(relay)
    relay.rebuild()
    assert await page(relay) == before
    assert await page(relay, LIKE, cursor=like_cursor) == ([], None)
    everyone = [world.did(n) for n in range(20)]
    holders = [world.did(n) for n in range(1, 20, 2)]
    assert await page(relay, STATUS, cursor=status_cursor) == (holders + everyone, None)
