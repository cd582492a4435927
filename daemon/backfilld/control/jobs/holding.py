"""Holds an answer back until a job has ended: for scripts that cannot ask again."""

import re

import trio

from ..door import Asked, Door
from ..problems import BadRequest

WAIT_S_MAX = 3600

_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])', re.ASCII | re.IGNORECASE)


def preferred_wait(request: Asked) -> int | None:
    """The seconds of a header `Prefer: wait=N`, as many as we are willing to wait."""
    found = _WAIT.search(request.headers.get("prefer", ""))
    return None if found is None else max(1, min(int(found[1]), WAIT_S_MAX))


async def until_ended(door: Door, request: Asked, job_id: str, seconds: float) -> None:
    """Returns when the job has ended, the time has passed, the daemon stops, its log is frozen, or
    whoever asked has hung up. The body of the request has been read. Raises BadRequest if they may
    no longer know."""
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:

            async def ended(end: trio.Event) -> None:
                await end.wait()
                nursery.cancel_scope.cancel()

            async def hung_up() -> None:
                while (await request.receive())["type"] != "http.disconnect":
                    pass
                nursery.cancel_scope.cancel()

            nursery.start_soon(ended, door.stop)
            nursery.start_soon(ended, door.journal.freezing)
            nursery.start_soon(hung_up)
            while True:
                news = door.journal.watch(f"job/{job_id}")
                if job_id not in door.journal.state.jobs:
                    break
                await news.wait()
            nursery.cancel_scope.cancel()
    if not door.still_allowed(request):
        raise BadRequest(
            401, "invalid or revoked API key", "unauthenticated",
            "what was asked for is begun; the key was revoked before it ended",
        )  # fmt: skip
