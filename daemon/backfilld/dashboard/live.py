"""Pages that live: parts of a page sent as they change, on one stream a page.

The one rule: a message says all that is new since the one before, at most RATE a second. Its id
is the position of the log that it shows, so that a page which comes back says from where.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import trio
from markupsafe import escape

from ..control.door import Asked, Door
from ..control.live.following import news_or_stop
from .said import Saying

GAP_S = 0.25  # between two messages: at most four a second
TICK_S = 2.0  # a message at least so often: it also tells that the numbers are of now
_LINES = re.compile(r"\r\n|\r|\n")


class Part(NamedTuple):
    """What stands in the element with this id, as HTML."""

    target: str
    html: str


class View(NamedTuple):
    """A page's live parts, and the jobs whose change is said aloud: (id, what, state, percent)."""

    parts: list[Part]
    saying: list[Saying]


Look = Callable[[], Awaitable[View]]


async def stream(
    door: Door, request: Asked, look: Look, say: Callable[[list[Saying], float], str]
) -> AsyncIterator[bytes]:
    """Messages until the client goes, may no longer see it, or the daemon stops."""
    yield b"retry: 1000\n\n"
    sent: dict[str, str] = {}
    while not door.stop.is_set() and door.still_allowed(request):
        news, position = door.journal.watch(), door.journal.state.position
        view = await look()
        parts = [part for part in view.parts if sent.get(part.target) != part.html]
        if said := say(view.saying, trio.current_time()):
            parts.append(Part("said", str(escape(said))))
        sent.update((part.target, part.html) for part in parts)
        yield message(position, parts)
        await trio.sleep(GAP_S)
        await news_or_stop(door, news, TICK_S - GAP_S)


def message(position: int, parts: list[Part]) -> bytes:
    """One message of the stream. Pure."""
    html = partials(parts)
    data = "".join(f"data: {line}\n" for line in _LINES.split(html))
    return f"id: {position}\n{data}\n".encode()


def partials(parts: list[Part]) -> str:
    """Parts as htmx takes them. Pure."""
    return "\n".join(
        f'<hx-partial hx-target="#{part.target}" hx-swap="innerMorph">{part.html}</hx-partial>'
        for part in parts
    )
