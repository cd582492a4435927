"""The other channel: trio-websocket, whose own task pumps frames into a queue.

The one rule: it keeps the same promises as the fast one, by a library that others maintain. It is
the measure of the first, and the way out should that one ever be wrong.
"""

from collections.abc import Sequence

import trio
import trio_websocket
from trio_websocket import ConnectionClosed

from ...failures import Failure


class TrioWebsocketChannel:
    """A Channel; see the port for what its methods promise."""

    def __init__(self, connection: trio_websocket.WebSocketConnection) -> None:
        self._connection = connection

    async def receive(self) -> list[bytes]:
        """See the port."""
        try:
            message = await self._connection.get_message()
        except ConnectionClosed as error:
            raise Failure("cut", "Tap closed the channel") from error
        return [message.encode() if isinstance(message, str) else message]

    async def send(self, messages: Sequence[bytes]) -> None:
        """See the port."""
        try:
            for message in messages:
                await self._connection.send_message(message.decode())
        except ConnectionClosed as error:
            raise Failure("cut", "Tap closed the channel") from error

    async def check_alive(self, seconds: float) -> None:
        """See the port."""
        try:
            with trio.fail_after(seconds):
                await self._connection.ping()
        except trio.TooSlowError as error:
            raise Failure("timeout", f"no sign of life for {seconds:.0f} s") from error
        except ConnectionClosed as error:
            raise Failure("cut", "Tap closed the channel") from error
