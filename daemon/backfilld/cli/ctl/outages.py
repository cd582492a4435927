"""A daemon that is started anew while one waits for it to get done with something.

The one rule: it is asked again and again, and believed to be gone when it is for a minute.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from ...control.caller.client import NotPermitted, TimedOut, Unreachable
from .frame import Ctl

OUTAGE_S_MAX = 60.0

Answer = TypeVar("Answer")


class Patience:
    """Of whoever waits: says once that nobody answers, and that somebody does again."""

    def __init__(self, ctl: Ctl) -> None:
        self._ctl, self._answered_at, self._silent = ctl, time.monotonic(), False

    def answer(self, ask: Callable[[], Answer]) -> Answer | None:
        """What `ask` returns; None: nobody answers just now. Raises as `ask`, and Unreachable or
        TimedOut when nobody has for OUTAGE_S_MAX."""
        try:
            answer = ask()
        except NotPermitted:
            raise
        except (Unreachable, TimedOut) as error:
            if time.monotonic() - self._answered_at > OUTAGE_S_MAX:
                raise
            if not self._silent:
                self._ctl.aside(f"backfilld does not answer; trying again. {error}")
            self._silent = True
            return None
        if self._silent:
            self._ctl.aside("backfilld answers again.")
        self._answered_at, self._silent = time.monotonic(), False
        return answer
