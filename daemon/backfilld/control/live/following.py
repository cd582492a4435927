"""Answers that go on: how they wait, and how they end."""

from collections.abc import AsyncGenerator, Mapping

import trio
from litestar.background_tasks import BackgroundTask
from litestar.response import Stream

from ..door import Asked, Door


class NoLongerAllowed(Exception):
    """Ends an answer in its middle, so that what is cut does not look whole."""


def streamed(
    content: AsyncGenerator[bytes, None], media_type: str, headers: Mapping[str, str] | None = None
) -> Stream:
    """An answer that is sent as it comes. When the one who asked has left, `content` is closed:
    Litestar alone would leave that to the garbage collector."""
    closing = BackgroundTask(content.aclose)
    return Stream(content, media_type=media_type, headers=dict(headers or {}), background=closing)


def go_on(door: Door, request: Asked) -> None:
    """Between the parts of an answer that must be whole. Raises NoLongerAllowed."""
    if not door.still_allowed(request):
        raise NoLongerAllowed


async def news_or_stop(door: Door, news: trio.Event, seconds: float) -> bool:
    """Whether there was news within these seconds. It returns at once when the daemon stops."""
    with trio.move_on_after(max(seconds, 0.0)):
        async with trio.open_nursery() as nursery:

            async def wait(event: trio.Event) -> None:
                await event.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(wait, news)
            nursery.start_soon(wait, door.stop)
    return news.is_set()
