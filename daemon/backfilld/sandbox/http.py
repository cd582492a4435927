"""HTTP/1.1 for the sandbox's servers: a request goes to one handler, its answer comes back.

The one rule: a handler decides everything, also how an answer goes wrong (`Cut`, `Hang`,
`Garbage`). The same handler is served here over any stream and, without bytes, by
`network.Transport`. Bodies are framed as Go's net/http does: chunked from 2 KiB on.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cached_property
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

import h11
import trio

BODY_BYTES_MAX = 16 * 2**20  # 3,640 of the longest DIDs are 7.5 MB
RECEIVE_BYTES = 64 * 2**10
CHUNKED_FROM_BYTES = 2048
JSON = "application/json"


@dataclass(frozen=True)
class Request:
    """A whole request. `target` is what the client sent; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path as sent, not unescaped."""
        return self.target.partition("?")[0]

    @cached_property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)

    def first(self, name: str) -> str:
        """The first value of a query parameter; empty when there is none."""
        return self.query.get(name, [""])[0]

    def __str__(self) -> str:
        return f"{self.method} {unquote(self.target)}"


class Response(NamedTuple):
    """A whole answer; `headers` besides Content-Type, Content-Length and Date."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = {}


class Cut(NamedTuple):
    """The connection ends before the answer, or in the middle of `within`."""

    within: Response | None = None


class Hang(NamedTuple):
    """No answer ever comes; the connection stays open."""


class Garbage(NamedTuple):
    """Bytes that are no HTTP, then the end."""

    text: bytes = b"\x00\xff no HTTP here\r\n\r\n"


class Upgrade(NamedTuple):
    """101, then the stream belongs to `run`. A client that did not wait for it is cut off."""

    headers: Mapping[str, str]
    run: Callable[[trio.abc.Stream], Awaitable[None]]


Answer = Response | Cut | Hang | Garbage | Upgrade
Handler = Callable[[Request], Awaitable[Answer]]


async def serve(handler: Handler, stream: trio.abc.Stream) -> None:
    """Serves one connection until it ends. The stream is closed after."""
    try:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=64 * 2**10)
        while (request := await _receive(connection, stream)) is not None:
            answer = await handler(request)
            if not await _answer(connection, stream, request, answer):
                return
            connection.start_next_cycle()
    except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
        pass  # the client went away, or spoke no HTTP: nothing to tell it
    finally:
        await trio.aclose_forcefully(stream)


async def _receive(connection: h11.Connection, stream: trio.abc.Stream) -> Request | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(RECEIVE_BYTES)))
        elif isinstance(event, h11.Request):
            head = event
            if connection.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await _send(connection, stream, go_on)
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_BYTES_MAX:
                return None
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
            target = head.target.decode("latin-1")
            return Request(head.method.decode(), target, headers, bytes(body))
        else:  # the client closed
            return None


async def _answer(
    connection: h11.Connection, stream: trio.abc.Stream, request: Request, answer: Answer
) -> bool:
    """Sends `answer`; whether the connection can bear another request."""
    match answer:
        case Response():
            await _send(connection, stream, *_events(answer, request.method == "HEAD"))
            return connection.our_state is h11.DONE
        case Cut():
            if answer.within is not None:
                whole = b"".join(connection.send(event) or b"" for event in _events(answer.within))
                await stream.send_all(whole[: -max(1, len(answer.within.body) // 2)])
        case Hang():
            await trio.sleep_forever()
        case Garbage():
            await stream.send_all(answer.text)
        case Upgrade() if not connection.trailing_data[0]:
            headers = list(answer.headers.items())
            reply = h11.InformationalResponse(
                status_code=101, headers=headers, reason="Switching Protocols"
            )
            await _send(connection, stream, reply)
            await answer.run(stream)
    return False


def _events(answer: Response, head_only: bool = False) -> list[h11.Event]:
    kind = {"Content-Type": answer.content_type} if answer.body else {}
    headers = sorted({**answer.headers, **kind}.items())
    headers.append(("Date", formatdate(usegmt=True)))
    if len(answer.body) > CHUNKED_FROM_BYTES:
        headers.append(("Transfer-Encoding", "chunked"))
    elif not head_only and answer.status != 204:
        headers.append(("Content-Length", str(len(answer.body))))
    head = h11.Response(
        status_code=answer.status, headers=headers, reason=HTTPStatus(answer.status).phrase
    )
    data = [h11.Data(data=answer.body)] if answer.body and not head_only else []
    return [head, *data, h11.EndOfMessage()]


async def _send(connection: h11.Connection, stream: trio.abc.Stream, *events: h11.Event) -> None:
    await stream.send_all(b"".join(connection.send(event) or b"" for event in events))
