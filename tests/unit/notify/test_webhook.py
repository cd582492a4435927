"""What is posted is signed, never redirected, and a refusal is a reason."""

import hashlib
import hmac
import json

import httpx
import pytest

from backfilld import asking
from backfilld.config import Secret
from backfilld.notify.letter import Letter, NotTaken, sample
from backfilld.notify.webhook import Webhook, signature

NOW = 1_800_000_000.75
LETTER = Letter(48213, "job.failed", "3b0d", "failed", NOW, b'{"id":48213,"kind":"job.failed"}')
URL = "https://hooks.test/T0KEN/x?y=z"


class Peer(httpx.AsyncBaseTransport):
    """Answers with what it is given, and keeps what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers, self.asked = list(answers), list[httpx.Request]()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def posted(*answers: httpx.Response | Exception) -> Peer:
    peer = Peer(*answers)
    async with asking.client(5, transport=peer) as client:
        await Webhook(client, URL, Secret("our secret"), lambda: NOW).post(LETTER)
    return peer


async def refused(answer: httpx.Response | Exception) -> NotTaken:
    with pytest.raises(NotTaken) as refusal:
        await posted(answer)
    return refusal.value


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_a_letter_is_posted_once_with_its_id_and_a_signature_of_time_and_body(
    status: int,
) -> None:
    (request,) = (await posted(httpx.Response(status))).asked
    assert (request.method, str(request.url)) == ("POST", URL)
    assert request.content == LETTER.body
    assert request.headers["content-type"] == "application/json"
    assert request.headers["backfilld-id"] == "48213"
    assert request.headers["backfilld-event"] == "job.failed"
    time, given = request.headers["backfilld-timestamp"], request.headers["backfilld-signature"]
    assert time == "1800000000"
    signed = time.encode() + b"." + request.content
    assert given == "v1=" + hmac.new(b"our secret", signed, hashlib.sha256).hexdigest()


def test_the_signature_is_what_openssl_makes_of_it() -> None:
    """printf '%s.%s' 1800000000 '{"a":1}' | openssl dgst -sha256 -hmac 'our secret'"""
    known = "62caa71603cfc91ce594896454d967a9595ea6ac9327f47de07f054edda59534"
    assert signature(Secret("our secret"), 1_800_000_000, b'{"a":1}') == known


async def test_a_redirect_is_not_followed() -> None:
    moved = httpx.Response(307, headers={"location": "https://elsewhere.test/"})
    assert (await refused(moved)).why.startswith("answered 307: no redirect is followed")


async def test_a_refusal_says_why_and_how_long_to_wait() -> None:
    busy = httpx.Response(429, headers={"retry-after": "120"}, json={"error": "slow down"})
    assert ((refusal := await refused(busy)).why, refusal.retry_after) == (
        "answered 429 slow down",
        120.0,
    )
    gone = await refused(httpx.Response(404, text="<html>"))
    assert (gone.why, gone.retry_after) == ("answered 404", None)
    cut = await refused(httpx.ReadError("", request=None))
    assert cut.why.startswith("the connection ended early")


async def test_no_refusal_shows_the_address_or_the_secret() -> None:
    for answer in (
        httpx.Response(500),
        httpx.Response(302, headers={"location": "x"}),
        httpx.ConnectError("All connection attempts failed"),
        httpx.ReadTimeout(""),
    ):
        why = (await refused(answer)).why
        assert "T0KEN" not in why
        assert "our secret" not in why


def test_a_sample_says_that_it_is_one() -> None:
    body = json.loads(sample(NOW).body)
    assert (body["sample"], body["kind"], body["job"]) == (True, "sample", None)
