"""Asks a peer over HTTP: foreign errors become words of ours, in one place.

Peers are not trusted: bodies are bounded and not compressed, redirects not followed, cookies not
kept, the whole request limited in time, and the waits they ask for capped.
"""

import email.utils
import os
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar, cast

import httpx
import msgspec
import trio

from .failures import Failure, clean

T = TypeVar("T")

Into = Callable[[bytes], Awaitable[None]]

RETRY_AFTER_S_MAX = 3600.0  # a peer may not send us to sleep for longer


class Answer(msgspec.Struct, frozen=True):
    """A complete answer: `body` is whole and within the bound that was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _ErrorBody(msgspec.Struct):
    error: str = ""
    message: str = ""


def cause_of(error: BaseException) -> str:
    """What the system said at the bottom of `error`, such as "connection refused"."""
    seen: list[BaseException] = [error]
    for one in seen:  # grows while we look: causes, and the parts of groups
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"certificate refused: {one.verify_message}"
        if isinstance(one, ssl.SSLError):  # its errno is OpenSSL's, none of the system
            return f"TLS: {one.reason or one}"
        if isinstance(one, OSError) and one.errno and one.errno > 0:
            return os.strerror(one.errno).lower()
        if isinstance(one, BaseExceptionGroup):
            seen += one.exceptions
        if (cause := one.__cause__ or one.__context__) is not None:
            seen.append(cause)
    return str(error) or type(error).__name__


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions inside groups of groups; `error` itself when it is no group."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    else:
        yield error


async def ask(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    body_max: int,
    within_s: float,
    params: Mapping[str, str] | None = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    into: Into | None = None,
) -> Answer:
    """Sends one request and reads the answer, at most `body_max` bytes, within `within_s` in all.
    The body of a 200 goes `into` that piece by piece, if it is given, and is not kept. Raises
    Failure for everything that keeps an answer from coming; any status is an answer."""
    sent = {"accept-encoding": "identity", **(headers or {})}
    if content is not None:
        sent["content-type"] = "application/json"
    try:
        with trio.fail_after(within_s):
            return await _answer(client, method, url, body_max, params, content, sent, into)
    except trio.TooSlowError as error:
        raise Failure("timeout", f"no whole answer within {within_s:g} s") from error
    except httpx.TimeoutException as error:
        raise Failure("timeout", f"no answer in time ({type(error).__name__})") from error
    except httpx.ConnectError as error:
        raise Failure("unreachable", f"cannot connect: {cause_of(error)}") from error
    except httpx.TransportError as error:
        raise Failure("cut", f"the connection ended early: {cause_of(error)}") from error
    except (httpx.InvalidURL, httpx.DecodingError, ValueError) as error:
        # a Location or a cookie that httpx cannot read
        raise Failure("bad_answer", f"the answer's head cannot be read: {error}") from error


async def _answer(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    body_max: int,
    params: Mapping[str, str] | None,
    content: bytes | None,
    headers: Mapping[str, str],
    into: Into | None,
) -> Answer:
    async with client.stream(
        method, url, params=params, content=content, headers=headers
    ) as response:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):  # a few bytes of it may be gigabytes
            raise Failure("bad_answer", f"a compressed answer ({encoding}), not asked for")
        body, size = bytearray(), 0
        sink = into if response.status_code == 200 else None
        body_chunks = cast(AsyncGenerator[bytes, None], response.aiter_bytes())
        async with aclosing(body_chunks) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                if size > body_max:
                    raise Failure("too_large", f"the answer is over {body_max:,} bytes")
                if sink is None:
                    body += chunk
                else:
                    await sink(chunk)
        return Answer(response.status_code, response.headers, bytes(body))


def client(timeout_s: float, **options: Any) -> httpx.AsyncClient:
    """A client for peers as they are: no cookies, no proxies of the environment, no redirects."""
    jar = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(
        timeout=timeout_s, cookies=jar, trust_env=False, follow_redirects=False, **options
    )


def decoded(answer: Answer, kind: type[T]) -> T:
    """The answer's JSON as `kind`. Raises Failure."""
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Failure("bad_answer", f"the answer cannot be read: {error}") from error


def failure_of(answer: Answer, now: float) -> Failure:
    """What an answer other than 200 means. `now` (unix seconds) turns moments into waits."""
    text = said(answer)
    wait = wait_of(answer.headers, now)
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
        body = decoded(answer, _ErrorBody)
    except Failure:  # a proxy's page, or nothing at all
        body = _ErrorBody()
    words = ": ".join(part for part in (body.error, body.message) if part)
    return clean(f"answered {answer.status}" + (f" {words}" if words else ""))


def wait_of(headers: Mapping[str, str], now: float) -> float | None:
    """How long a peer wants to be left alone, in seconds: by Retry-After (seconds or a date) or
    RateLimit-Reset (unix seconds). None: it does not say."""
    waits: list[float] = []
    after = headers.get("retry-after", "").strip()
    if _number(after):
        waits.append(float(after[:12]))
    elif after:
        with suppress(ValueError, OverflowError):  # no date: as if it were not there
            waits.append(email.utils.parsedate_to_datetime(after).timestamp() - now)
    reset = headers.get("ratelimit-reset", "").strip()
    if not waits and _number(reset):
        moment = float(reset[:15])
        waits.append(moment - now if moment > 1e9 else moment)  # some send a duration
    return min(max(waits[0], 0.0), RETRY_AFTER_S_MAX) if waits else None


def _number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
