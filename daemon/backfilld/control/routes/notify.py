"""Notifications: try them."""

from litestar import post
from litestar.types import ControllerRouterHandler

from ..door import Asked, Door, actor
from ..shapes.notify import Samples


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @post("/admin/notify/test", status_code=200)
    async def test(request: Asked) -> Samples:
        """Sends a sample to every target, and says of each whether it took it."""
        return await door.send_samples(actor(request))

    return [test]
