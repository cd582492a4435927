"""Takes over what a Tap says: into our log, at its level, and no more of it than is good."""

from collections.abc import Awaitable, Callable

import structlog
import trio

from .lines import Cutter, Line, Sieve, Tail, parse

LAST_WORDS_S = 1.0  # for what it said before it ended


class Hearing:
    """Hears one run of Tap; `receive` gives what it said since the last time, empty at the end."""

    def __init__(self, receive: Callable[[], Awaitable[bytes]]) -> None:
        self._receive, self._log = receive, structlog.get_logger("tap")
        self._tail, self._silent = Tail(), trio.Event()
        self._hearing = trio.CancelScope(shield=True)  # a pipe that is full would hold up its end

    async def run(self) -> None:
        """Hears until it says no more, or `last_words` are over; a cancellation does not end it."""
        cutter, sieve = Cutter(), Sieve(trio.current_time())
        with self._hearing:
            while chunk := await self._receive():
                for raw in cutter.lines(chunk):
                    if (line := parse(raw)) is not None:
                        self._tail.add(line)
                        self._tell(line, sieve)
        self._silent.set()

    async def last_words(self) -> str:
        """The last it said; ends `run`. For when the process has ended."""
        with trio.move_on_after(LAST_WORDS_S):
            await self._silent.wait()
        self._hearing.cancel()
        return self._tail.text()

    def _tell(self, line: Line, sieve: Sieve) -> None:
        left_out = sieve.left_out
        if not sieve.passes(trio.current_time()):
            return
        if left_out:
            self._log.warning("Tap said too much", lines_left_out=left_out)
            sieve.left_out = 0
        getattr(self._log, line.level)(
            line.text, by="tap", **({"about": line.about} if line.about else {})
        )
