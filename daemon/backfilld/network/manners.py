"""How a host is asked: one question at a time, few a second, and not before it wants to be.

The one rule: what a host says of its limits is obeyed by all who ask it, not only by who heard it.
Source: the reference PDS allows 3,000 requests in 5 minutes an address, 10 a second.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from ..failures import Failure

EVERY_S = 0.2
WAIT_S_MAX = 300.0  # the window of the reference PDS; who wants us away for longer is left alone
HOSTS_MAX = 10_000  # remembered; one that is idle and free is as good as new


class _Host:
    def __init__(self) -> None:
        self.alone = trio.Lock()
        self.free_at = -math.inf


class Manners:
    """The hosts that were asked lately, and when each may be asked again."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Inside it nobody else asks `host`. Raises Failure("rate_limited") if the host wants to be
        left alone for long."""
        one = self._of(host)
        async with one.alone:
            left = one.free_at - trio.current_time()
            if left > WAIT_S_MAX:
                text = f"{host} wants to be left alone for {math.ceil(left)} s more"
                raise Failure("rate_limited", text, left)
            await trio.sleep(max(left, 0.0))
            one.free_at = trio.current_time() + EVERY_S
            yield

    def leave_alone(self, host: str, seconds: float) -> None:
        """The host said so."""
        one = self._of(host)
        one.free_at = max(one.free_at, trio.current_time() + seconds)

    def _of(self, host: str) -> _Host:
        if len(self._hosts) >= HOSTS_MAX and host not in self._hosts:
            now = trio.current_time()
            busy = {
                name: one
                for name, one in self._hosts.items()
                if one.free_at > now or one.alone.statistics().tasks_waiting or one.alone.locked()
            }
            self._hosts = busy
        return self._hosts.setdefault(host, _Host())
