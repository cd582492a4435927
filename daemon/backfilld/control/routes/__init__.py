"""The API's routes: HappyView's paths and shapes, over the desk (commands) and the views (reads).

The one rule: an answer is given when what it says is durable. Who asked is the peer of the
socket, and stands in the log as the actor.
"""

from litestar.types import ControllerRouterHandler

from ..door import Door
from . import backfill, lexicons, log, reads


def routes(door: Door) -> list[ControllerRouterHandler]:
    """All of them."""
    parts = (backfill, lexicons, reads, log)
    return [handler for part in parts for handler in part.routes(door)]
