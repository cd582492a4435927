"""The relay client: what an answer is, and what it is not."""

import httpx
import pytest
from support.given import NOON, POSTS, RELAY, did

from backfilld.discovery.page import Page
from backfilld.discovery.relay import BODY_BYTES_MAX, Relay
from backfilld.failures import Failure

Answer = httpx.Response | Exception


async def asked(answer: Answer, cursor: str | None = None) -> tuple[Page, httpx.Request]:
    seen: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
        page = await Relay(client, lambda: NOON, 30.0).list_page(RELAY, POSTS, cursor, 1000)
    return page, seen[0]


async def failed(answer: Answer) -> Failure:
    with pytest.raises(Failure) as failure:
        await asked(answer)
    return failure.value


def listing(*entries: object, cursor: str | None = None) -> httpx.Response:
    body: dict[str, object] = {"repos": list(entries), "later": "fields are ignored"}
    return httpx.Response(200, json=body if cursor is None else {"cursor": cursor, **body})


async def test_a_page_is_every_entry_in_order() -> None:
    entries = [{"did": did(1)}, {"did": did(0), "status": "x"}, {"did": did(1)}]
    page, _ = await asked(listing(*entries, cursor="QQ-_"))
    assert page == Page([did(1), did(0), did(1)], [], "QQ-_")


async def test_a_cursor_is_sent_back_percent_encoded() -> None:
    _, request = await asked(listing(), cursor="a+/=&b::c")
    assert request.url.params["cursor"] == "a+/=&b::c"
    assert b"a%2B%2F%3D%26b" in request.url.query


async def test_entries_that_are_no_dids_are_kept_apart_and_shortened() -> None:
    page, _ = await asked(listing({"did": "x" * 5000}, {"did": None}, {}, {"did": did(2)}))
    assert page.dids == [did(2)]
    assert len(page.malformed) == 3
    assert max(map(len, page.malformed)) < 100


async def test_no_cursor_is_the_end_and_nothing_else_is() -> None:
    assert (await asked(listing()))[0].cursor is None
    assert (await asked(listing(cursor="c")))[0].cursor == "c"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(404, json={"error": "Not Found"}), "not_offered"),
        (
            httpx.Response(
                400,
                json={
                    "error": "InvalidRequest",
                    "message": "No service configured for com.atproto.sync.listReposByCollection",
                },
            ),
            "not_offered",
        ),
        (
            httpx.Response(
                400,
                json={"error": "BadRequest", "message": "failed to proxy to upstream relay"},
            ),
            "refused",
        ),
        (
            httpx.Response(
                500,
                json={
                    "error": "DatabaseError",
                    "message": "failed to read DIDs for collection",
                },
            ),
            "server_error",
        ),
        (httpx.Response(502, text="<html>bad gateway</html>"), "server_error"),
        (httpx.Response(401), "unauthorized"),
        (httpx.Response(200, text="<html>"), "bad_answer"),
        (httpx.Response(200, json={"repos": "none"}), "bad_answer"),
        (httpx.Response(200, json={"repos": [], "cursor": "c" * 5000}), "bad_answer"),
        (httpx.Response(200, content=b"x" * (BODY_BYTES_MAX + 1)), "too_large"),
        (httpx.Response(302, headers={"location": "http://127.0.0.1/"}), "refused"),
        (httpx.ConnectError("connection refused"), "unreachable"),
        (httpx.ReadTimeout("slow"), "timeout"),
        (httpx.ReadError("reset"), "cut"),
        (httpx.RemoteProtocolError("cut"), "cut"),
    ],
)
async def test_every_kind_of_trouble_has_its_word(answer: Answer, kind: str) -> None:
    assert (await failed(answer)).kind == kind


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "133"}, 133.0),
        ({"retry-after": "Fri, 15 Jan 2027 08:02:00 GMT"}, 120.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "99999999"}, 3600.0),
        ({"ratelimit-reset": str(int(NOON) + 77)}, 77.0),
        ({"ratelimit-reset": "30"}, 30.0),
        ({"ratelimit-reset": str(int(NOON) - 5)}, 0.0),
        ({"retry-after": "5", "ratelimit-reset": str(int(NOON) + 77)}, 5.0),
    ],
)
async def test_a_429_says_when_to_come_back(headers: dict[str, str], wait: float | None) -> None:
    failure = await failed(httpx.Response(429, headers=headers, text="<html>slow down</html>"))
    assert (failure.kind, failure.retry_after) == ("rate_limited", wait)


async def test_a_strangers_text_is_one_short_printable_line() -> None:
    nasty = "\x1b[31mred\n" + "x" * 5000
    failure = await failed(httpx.Response(500, json={"error": nasty, "message": nasty}))
    assert failure.message.isprintable()
    assert len(failure.message) < 320
