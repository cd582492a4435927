"""How asking a peer over HTTP fails: foreign errors become words of ours, in one place.

A `Failure` says what was so (`kind`, `message`) and when to ask again at the earliest. What
follows from it is the caller's business. Peers are not trusted: bodies are bounded, and their
texts are shortened and made printable before they go anywhere.
"""

import email.utils
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import Literal

import httpx
import msgspec

MESSAGE_CHARS_MAX = 300
RETRY_AFTER_S_MAX = 3600.0  # a peer may not send us to sleep for longer

Kind = Literal[
    "unreachable",  # no connection: refused, no route, no such name
    "timeout",
    "cut",  # the connection ended before the answer did
    "rate_limited",
    "server_error",
    "refused",  # a 4xx that no other word fits
    "unauthorized",
    "not_offered",  # this relay has no listing by collection
    "bad_answer",  # not what the protocol says
    "too_large",
    "cursor_repeated",
    "empty_pages",
]


class Failure(Exception):
    """A peer did not do what it was asked. `retry_after` is seconds, None: it did not say."""

    def __init__(self, kind: Kind, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = clean(message)
        self.retry_after = retry_after


class Answer(msgspec.Struct, frozen=True):
    """A complete answer: `body` is whole and within the bound that was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _ErrorBody(msgspec.Struct):
    error: str = ""
    message: str = ""


def clean(text: str) -> str:
    """A stranger's text for people: one printable line, shortened."""
    line = "".join(c if c.isprintable() else " " for c in text[: MESSAGE_CHARS_MAX + 1]).strip()
    return line[:MESSAGE_CHARS_MAX] + "…" if len(line) > MESSAGE_CHARS_MAX else line


async def ask(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    body_max: int,
    params: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> Answer:
    """Sends one request and reads the answer, at most `body_max` bytes. Raises Failure for
    everything that keeps an answer from coming; any status is an answer."""
    headers = {} if content is None else {"content-type": "application/json"}
    try:
        async with client.stream(
            method, url, params=params, content=content, headers=headers
        ) as response:
            body = bytearray()
            async with aclosing(response.aiter_bytes()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > body_max:
                        raise Failure("too_large", f"the answer is over {body_max:,} bytes")
            return Answer(response.status_code, response.headers, bytes(body))
    except httpx.TimeoutException as error:
        raise Failure("timeout", f"no answer in time ({type(error).__name__})") from error
    except httpx.ConnectError as error:
        raise Failure("unreachable", f"cannot connect: {error}") from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise Failure("cut", f"the connection ended early: {error}") from error


def failure_of(answer: Answer, now: float) -> Failure:
    """What an answer other than 200 means. `now` (unix seconds) turns moments into waits."""
    text = said(answer)
    wait = _retry_after(answer.headers, now)
    match answer.status:
        case 401:
            return Failure("unauthorized", text, wait)
        case 429:
            return Failure("rate_limited", text, wait)
        case status if status >= 500:
            return Failure("server_error", text, wait)
        case _:
            return Failure("refused", text, wait)


def said(answer: Answer) -> str:
    """The status and what the error body says, in one line."""
    try:
        body = msgspec.json.decode(answer.body, type=_ErrorBody)
    except (msgspec.MsgspecError, UnicodeDecodeError):  # a proxy's page, or nothing at all
        body = _ErrorBody()
    words = ": ".join(part for part in (body.error, body.message) if part)
    return clean(f"answered {answer.status}" + (f" {words}" if words else ""))


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait by Retry-After (seconds or a date) or RateLimit-Reset (unix seconds)."""
    waits: list[float] = []
    if after := headers.get("retry-after"):
        if after.strip().isdecimal():
            waits.append(float(after[:12]))
        else:
            with suppress(ValueError, OverflowError):  # no date: as if it were not there
                waits.append(email.utils.parsedate_to_datetime(after).timestamp() - now)
    reset = headers.get("ratelimit-reset", "").strip()
    if not waits and reset.isdecimal():
        moment = float(reset[:15])
        waits.append(moment - now if moment > 1e9 else moment)  # some send a duration
    return min(max(waits[0], 0.0), RETRY_AFTER_S_MAX) if waits else None
