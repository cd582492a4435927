"""One connection: who is at the other end, and how long it may keep us waiting.

HTTP/1.1 alone: HTTP/2 has windows of its own, by which a client could hold an answer for ever
without once refusing to read. It rests on hypercorn's inner classes (pyproject.toml has the
ceiling): its own serve() does not tell who is calling, and waits without end for who does not read.
"""

import http
import socket
from typing import Any

import h11
import msgspec
import structlog
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import EventWrapper
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr

from ...asking import leaves
from ..shapes import Problem
from .peers import peer_of

UNREAD_S_MAX = 30.0  # a client that reads nothing for so long is let go

_LOG = structlog.get_logger("control")


class Connection(TCPServer):
    """Puts the peer beside each request: request.scope["state"]["peer"]; None: it came over TCP."""

    _is_gone = False  # the other side sends no more

    async def run(self) -> None:
        """Serves it to its end, whatever the client does."""
        sock = self.stream.socket
        peer = peer_of(sock) if sock.family == socket.AF_UNIX else None
        self.state = ConnectionState({**self.state, "peer": peer})
        try:
            await self._serve()
        except* Exception as errors:  # noqa: BLE001 - whatever it was, it is this connection's
            _LOG.debug("a connection broke", reason=[repr(one) for one in leaves(errors)])
        finally:
            self.stream.socket.close()

    async def _serve(self) -> None:
        sock = self.stream.socket
        try:
            ends = (
                parse_socket_addr(sock.family, sock.getpeername()),
                parse_socket_addr(sock.family, sock.getsockname()),
            )
            async with TaskGroup() as group:
                self._task_group = group
                speaks: Any = _Protocol(  # hypercorn's own chooses among versions
                    self.app, self.config, self.context, group, ConnectionState(self.state),
                    False, *ends, self.protocol_send,
                )  # fmt: skip
                self.protocol = speaks
                await self.idle_task.restart(group, self._idle_timeout)
                await self._read_data()
                self._is_gone = True
                await self.idle_task.stop()
        except OSError:
            pass  # it has gone
        finally:
            await self._close()

    async def _close(self) -> None:
        # Who streams is told at once that its client is gone, and cancels what it does: this
        with trio.CancelScope(shield=True):
            await super()._close()

    async def protocol_send(self, event: Event) -> None:
        """Sends, for as long as the other side reads."""
        if not isinstance(event, RawData):
            if self._is_gone and not isinstance(event, Closed):
                return  # whoever has left is not waited for
            await super().protocol_send(event)
            return
        async with self.send_lock:
            left = memoryview(event.data)
            try:
                while left:
                    with trio.fail_after(UNREAD_S_MAX, shield=True):
                        left = left[await self.stream.socket.send(left) :]
                return
            except trio.TooSlowError:
                self.stream.socket.close()
            except (OSError, trio.ClosedResourceError):
                pass  # it has gone
        await self.protocol.handle(Closed())


class _Turn(EventWrapper):
    """When the next request may be read, of those that a client sent without waiting for answers.
    Nothing is read until then, not even that the client has left: so it must not be long."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def wait(self) -> None:
        with trio.fail_after(self._seconds):
            await super().wait()


class _Protocol(H11Protocol):
    def __init__(self, app: Any, config: Config, *rest: Any) -> None:
        super().__init__(app, config, *rest)
        self.can_read = _Turn(config.keep_alive_timeout)

    async def handle(self, event: Event) -> None:
        """Lets go of a client that sent requests behind one whose answer goes on."""
        try:
            await super().handle(event)
        except trio.TooSlowError:
            await self.send(Closed())

    async def _check_protocol(self, event: h11.Request) -> None:
        """Nothing else is spoken here."""

    async def _send_error_response(self, status_code: int) -> None:
        """The envelope, also for what is no HTTP."""
        said = http.HTTPStatus(status_code).phrase
        hint = "send HTTP/1.1, with a head of at most 16 KiB"
        body = msgspec.json.encode(Problem(f"no request: {said}", "bad-request", hint))
        headers: Any = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        await self._send_h11_event(h11.Response(status_code=status_code, headers=headers))
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())
