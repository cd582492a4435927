"""What is outside of the daemon."""

import random
from collections.abc import Callable
from typing import NamedTuple

import httpx

from .clock import Clock, system
from .comparison import Compare, in_a_process
from .sources.tap.channel import Dial, dial_tcp
from .worker import ThreadWorker, Worker


class World(NamedTuple):
    """Replaced in tests that run in virtual time, with peers in memory."""

    clock: Clock = system
    transport: httpx.AsyncBaseTransport | None = None
    dial: Dial = dial_tcp
    worker: Callable[[], Worker] = ThreadWorker
    jitter: Callable[[], float] = random.random
    compare: Compare = in_a_process
