"""What time it is, for what is stored and shown.

A `Clock` gives unix seconds. The service uses `system`; tests use `virtual`, which follows trio's
clock, so that virtual time reaches stored times too. Waiting is always trio's.
"""

import time
from collections.abc import Callable

import trio

Clock = Callable[[], float]

system: Clock = time.time


def virtual(start: float) -> Clock:
    """A clock that says `start` at the first moment of trio's clock now, and runs with it."""
    zero = trio.current_time()
    return lambda: start + trio.current_time() - zero


async def sleep_until(moment: float, clock: Clock) -> None:
    """Sleeps until `clock` says `moment`; looks again each minute, since clocks are set."""
    while (left := moment - clock()) > 0:  # noqa: ASYNC110 - no event says that time has passed
        await trio.sleep(min(left, 60.0))
