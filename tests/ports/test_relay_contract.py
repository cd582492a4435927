"""What a relay's listing does, as collectiondir does it."""

import base64
import re

import httpx
import pytest
from ports.peers import COLLECTION

from backfilld.sandbox.relay import PATH
from backfilld_events.ids import is_did

NOBODYS = "net.example.nothing"
EMPTY = {"repos": []}
BAD_NSID = {
    "error": "BadRequest",
    "message": "bad collection nsid, NSID syntax didn't validate via regex",
}
NO_NSID = {"error": "BadRequest", "message": "bad collection nsid, expected NSID, got empty string"}
BAD_CURSOR = {"error": "DatabaseError", "message": "failed to read DIDs for collection"}


async def page(relay: httpx.AsyncClient, **params: object) -> dict[str, object]:
    answer = await relay.get(PATH, params={"collection": COLLECTION, **params})
    assert answer.status_code == 200
    return dict(answer.json())


def dids(body: dict[str, object]) -> list[str]:
    repos = body["repos"]
    assert isinstance(repos, list)
    return [repo["did"] for repo in repos]


async def everything(relay: httpx.AsyncClient, limit: int) -> list[dict[str, object]]:
    """All pages."""
    pages = [await page(relay, limit=limit)]
    while "cursor" in pages[-1]:
        pages.append(await page(relay, limit=limit, cursor=pages[-1]["cursor"]))
    return pages


async def other_collection(relay: httpx.AsyncClient) -> str:
    """A collection besides COLLECTION."""
    counts = (await relay.get("/v1/listCollections")).json()["collections"]
    return next(name for name in counts if name != COLLECTION)


async def collection_id(relay: httpx.AsyncClient, collection: str) -> bytes:
    return key_of((await page(relay, collection=collection, limit=1))["cursor"])[1:5]


def key_of(cursor: object) -> bytes:
    text = str(cursor)
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize(
    ("query", "status", "body"),
    [
        ("", 400, NO_NSID),
        ("collection=", 400, NO_NSID),
        ("collection=foo", 400, BAD_NSID),
        ("collection=xyz.statusphere.*", 400, BAD_NSID),
        (f"collection={NOBODYS}", 200, EMPTY),
        (f"collection={NOBODYS}&collection={COLLECTION}", 200, EMPTY),
        (f"collection={NOBODYS}&cursor=!!", 200, EMPTY),
        (f"collection={COLLECTION}&cursor=!!", 500, BAD_CURSOR),
        (f"collection={COLLECTION}&cursor=A", 500, BAD_CURSOR),
        (f"collection={COLLECTION}&cursor=QQ%3D", 500, BAD_CURSOR),
        (f"collection={COLLECTION}&cursor=zzzz", 200, EMPTY),
    ],
)
async def test_a_question_it_cannot_answer_has_this_answer(
    clock: object, relay: httpx.AsyncClient, query: str, status: int, body: object
) -> None:
    answer = await relay.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json()) == (status, body)
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert answer.text.endswith("}\n")


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/xrpc/com.atproto.sync.listRepos", 404, {"message": "Not Found"}),
        ("GET", "/", 404, {"message": "Not Found"}),
        ("GET", "/_health", 200, {"status": "ok"}),
        ("POST", PATH, 405, {"message": "Method Not Allowed"}),
    ],
)
async def test_a_collection_directory_has_no_other_xrpc_method(
    clock: object, relay: httpx.AsyncClient, method: str, path: str, status: int, body: object
) -> None:
    answer = await relay.request(method, path)
    assert (answer.status_code, answer.json()) == (status, body)


async def test_a_first_page_looks_like_this(clock: object, relay: httpx.AsyncClient) -> None:
    answer = await relay.get(PATH, params={"collection": COLLECTION, "limit": "2"})
    shape = r'\{"cursor":"[\w-]+","repos":\[\{"did":"([^"]+)"\},\{"did":"([^"]+)"\}\]\}\n'
    found = re.fullmatch(shape, answer.text)
    assert found is not None
    assert is_did(found[1])
    assert is_did(found[2])
    assert not {name for name in answer.headers if "ratelimit" in name.lower()}


@pytest.mark.parametrize("same", ["0", "-5", "1"])
async def test_a_limit_below_one_is_one(clock: object, relay: httpx.AsyncClient, same: str) -> None:
    assert len(dids(await page(relay, limit=same))) == 1


@pytest.mark.parametrize("same", ["500", "x", "", "1_0", "99999999999999999999"])
async def test_a_limit_that_is_no_number_is_500(
    clock: object, relay: httpx.AsyncClient, same: str
) -> None:
    assert await page(relay, limit=same) == await page(relay)


async def test_a_limit_above_ten_thousand_is_no_error(
    clock: object, relay: httpx.AsyncClient
) -> None:
    assert dids(await page(relay, limit="1000000")) == dids(await page(relay, limit="10000"))


async def test_a_walk_names_everyone_once_and_its_last_page_has_no_cursor(
    clock: object, relay: httpx.AsyncClient
) -> None:
    whole = dids(await page(relay, limit=10_000))
    limit = next(size for size in range(7, 100) if len(whole) % size)
    pages = await everything(relay, limit)
    assert [did for body in pages for did in dids(body)] == whole
    assert len(set(whole)) == len(whole)
    assert "cursor" not in pages[-1]
    assert 0 < len(dids(pages[-1])) < limit


async def test_when_the_limit_divides_the_count_an_empty_page_without_cursor_ends_the_walk(
    clock: object, relay: httpx.AsyncClient
) -> None:
    count = len(dids(await page(relay, limit=10_000)))
    full = await page(relay, limit=count)
    assert len(dids(full)) == count
    assert await page(relay, limit=count, cursor=full["cursor"]) == EMPTY


async def test_a_cursor_is_the_key_of_the_last_row_and_a_nul(
    clock: object, relay: httpx.AsyncClient
) -> None:
    body = await page(relay, limit=3)
    key = key_of(body["cursor"])
    assert key[:1] == b"A"
    assert 1_500_000_000_000 < int.from_bytes(key[5:13], "big") < 2_500_000_000_000
    assert key[13:] == dids(body)[-1].encode() + b"\0"


async def test_the_order_is_time_first_seen_then_did(
    clock: object, relay: httpx.AsyncClient
) -> None:
    keys = [key_of(body["cursor"]) for body in await everything(relay, 1) if "cursor" in body]
    assert keys == sorted(keys)


async def test_a_cursor_of_an_older_collection_lists_other_collections_too(
    clock: object, relay: httpx.AsyncClient
) -> None:
    other = await other_collection(relay)
    mine, theirs = [await collection_id(relay, name) for name in (COLLECTION, other)]
    old, new = (COLLECTION, other) if mine < theirs else (other, COLLECTION)
    cursor = (await page(relay, collection=old, limit=1))["cursor"]
    lying = dids(await page(relay, collection=new, limit=10_000, cursor=cursor))
    honest = dids(await page(relay, collection=new, limit=10_000))
    foreign = dids(await page(relay, collection=old, limit=10_000))
    assert lying == foreign[1:] + honest


async def test_a_cursor_of_a_newer_collection_reads_as_finished(
    clock: object, relay: httpx.AsyncClient
) -> None:
    other = await other_collection(relay)
    mine, theirs = [await collection_id(relay, name) for name in (COLLECTION, other)]
    old, new = (COLLECTION, other) if mine < theirs else (other, COLLECTION)
    cursor = (await page(relay, collection=new, limit=1))["cursor"]
    assert await page(relay, collection=old, cursor=cursor) == EMPTY


async def test_a_cursor_in_the_encoding_of_before_december_2025_is_accepted(
    clock: object, relay: httpx.AsyncClient
) -> None:
    body = await page(relay, limit=1)
    old = base64.b64encode(key_of(body["cursor"]) + b"\0").decode()  # another NUL: with padding
    again = base64.b64encode(key_of(body["cursor"])).decode()
    assert "=" in old or "=" in again
    padded = old if "=" in old else again
    assert dids(await page(relay, limit=1, cursor=padded)) == dids(await page(relay, limit=2))[1:]


async def test_counts_come_by_collection_and_unknown_ones_are_left_out(
    clock: object, relay: httpx.AsyncClient
) -> None:
    answer = await relay.get(f"/v1/listCollections?c={COLLECTION}&c={NOBODYS}")
    count = len(dids(await page(relay, limit=10_000)))
    assert answer.json() == {"collections": {COLLECTION: count}, "cursor": ""}
