"""How many refusals of one actor the log takes.

The one rule: whoever may do nothing writes next to nothing. The log is never shortened, so what
comes too fast is counted, and the actor's next event there says how many it was.
"""

import trio

PER_MINUTE = 30
MINUTE_S = 60.0


class _Minute:
    def __init__(self, since: float) -> None:
        self.since, self.told, self.more = since, 0, 0


class Refusals:
    """Of this life of the daemon; one entry for each actor that was ever refused."""

    def __init__(self) -> None:
        self._minutes: dict[str, _Minute] = {}

    def more(self, actor: str) -> int | None:
        """Whether one more refusal goes to the log: how many before it did not; None: nor does
        this."""
        now = trio.current_time()
        minute = self._minutes.setdefault(actor, _Minute(now))
        if now - minute.since >= MINUTE_S:
            minute.since, minute.told = now, 0
        if minute.told >= PER_MINUTE:
            minute.more += 1
            return None
        minute.told += 1
        more, minute.more = minute.more, 0
        return more
