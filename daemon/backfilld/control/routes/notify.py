"""Notifications: try them."""

import math

import trio
from litestar import post
from litestar.types import ControllerRouterHandler

from ..door import Asked, Door, actor
from ..problems import BadRequest
from ..shapes.notify import Samples

EVERY_S = 10.0  # each round goes to people and starts programs


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""
    next_at = -math.inf

    @post("/admin/notify/test", status_code=200)
    async def test(request: Asked) -> Samples:
        """Sends a sample to every target, and says of each whether it took it."""
        nonlocal next_at
        left = next_at - trio.current_time()
        if left > 0:
            seconds = str(math.ceil(left))
            raise BadRequest(
                429, "samples were sent a moment ago", "too-many-requests",
                f"try again in {seconds} s: each goes to every target",
                headers={"retry-after": seconds},
            )  # fmt: skip
        next_at = trio.current_time() + EVERY_S
        return await door.send_samples(actor(request))

    return [test]
