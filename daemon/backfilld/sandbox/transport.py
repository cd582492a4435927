"""The sandbox's servers for httpx without a socket: requests go to handlers, faults come back as
the exceptions httpx raises for them on a real connection."""

import math
from collections.abc import AsyncIterator, Callable

import httpx
import trio

from .http import Answer, Cut, Garbage, Handler, Hang, Request, Response, Upgrade

_NO_ANSWER = "Server disconnected without sending a response."
_HALF = "peer closed connection without sending complete message body"


class Transport(httpx.AsyncBaseTransport):
    """`find` gives the handler of a host and a port; None: nobody listens there."""

    def __init__(self, find: Callable[[str, int], Handler | None]) -> None:
        self._find = find

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        handler = self._find(request.url.host, request.url.port or 80)
        await trio.lowlevel.checkpoint()
        if handler is None:
            raise httpx.ConnectError("All connection attempts failed", request=request)
        asked = Request(
            request.method,
            request.url.raw_path.decode(),
            {name.lower(): value for name, value in request.headers.items()},
            await request.aread(),
        )
        limit = request.extensions.get("timeout", {}).get("read")
        with trio.move_on_after(math.inf if limit is None else limit):
            answer = await handler(asked)
            if isinstance(answer, Hang):
                await trio.sleep_forever()
            return _response(request, answer)
        raise httpx.ReadTimeout("", request=request)


class _Half(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body[: len(self._body) // 2]
        raise httpx.RemoteProtocolError(_HALF)


def _response(request: httpx.Request, answer: Answer) -> httpx.Response:
    match answer:
        case Response():
            return _real(answer, answer.body)
        case Cut(Response() as within):
            return _real(within, _Half(within.body))
        case Garbage():
            raise httpx.RemoteProtocolError("illegal status line", request=request)
        case Upgrade():
            raise httpx.RemoteProtocolError("no WebSocket through httpx", request=request)
        case _:
            raise httpx.RemoteProtocolError(_NO_ANSWER, request=request)


def _real(answer: Response, body: bytes | _Half) -> httpx.Response:
    headers = dict(answer.headers)
    if answer.body and answer.content_type:
        headers["Content-Type"] = answer.content_type
    if isinstance(body, bytes):
        return httpx.Response(answer.status, headers=headers, content=body)
    return httpx.Response(answer.status, headers=headers, stream=body)
