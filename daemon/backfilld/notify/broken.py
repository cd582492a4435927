"""Tells people that the log does not verify.

The one rule: it asks nothing of the log. No other news goes out like this: it is no event, so it is
told once in each life of the daemon, and what no target took is gone with that life.
"""

import structlog
import trio

from .. import __version__, asking
from ..config import BadConfig, Config
from ..verification.known import Problem
from . import targets
from .courier import GIVE_UP_S, backoff
from .letter import BROKEN, Letter, NotTaken, broken
from .notifier import Outside
from .targets import Target
from .webhook import WITHIN_S


async def tell(problem: Problem, settings: Config, outside: Outside) -> None:
    """Tells every target that wants it; returns when each has taken it, or was given up."""
    wanted = [one for one in settings.notify if BROKEN in one.on]
    letter, log = broken(problem), structlog.get_logger("notify")
    headers = {"user-agent": f"backfilld/{__version__}"}
    async with (
        asking.client(WITHIN_S, transport=outside.transport, headers=headers) as client,
        trio.open_nursery() as nursery,
    ):
        for one in wanted:
            try:
                target = targets.target(one, client, outside.clock)
            except BadConfig as error:  # its secret could be read when we started
                log.error("not told, and given up", to=targets.to(one), reason=str(error))
                continue
            nursery.start_soon(_bring, target, letter, outside)


async def _bring(target: Target, letter: Letter, outside: Outside) -> None:
    log = structlog.get_logger("notify").bind(to=target.to, kind=letter.kind, position=letter.id)
    began, attempts = trio.current_time(), 0
    while True:
        try:
            await target.deliver(letter)
        except NotTaken as refusal:
            attempts += 1
            wait = backoff(attempts, refusal, outside.jitter)
            if trio.current_time() + wait - began > GIVE_UP_S:
                log.error("not told, and given up", reason=refusal.why)
                return
            log.warning("not told, will try again", reason=refusal.why, in_s=round(wait))
            await trio.sleep(wait)
        else:
            log.info("told", attempts=attempts + 1)
            return
