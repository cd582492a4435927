"""The API's routes: HappyView's paths and shapes, over the desk (commands) and the views (reads).

The one rule: an answer is given when what it says is durable. Who asked is known by the guard,
and stands in the log as the actor.
"""

from litestar.types import ControllerRouterHandler

from ..door import Door
from . import (
    backfill,
    coverage,
    dead_letters,
    errors,
    events,
    jobs,
    keys,
    lexicons,
    log,
    me,
    metrics,
    network_lexicons,
    notify,
    openapi,
    reads,
    reconcile,
    records,
    repos,
    stream,
)


def routes(door: Door) -> list[ControllerRouterHandler]:
    """All of them."""
    parts = (
        backfill,
        jobs,
        coverage,
        errors,
        repos,
        lexicons,
        network_lexicons,
        reads,
        log,
        keys,
        me,
        notify,
        records,
        dead_letters,
        reconcile,
        events,
        metrics,
        stream,
    )
    handlers = [handler for part in parts for handler in part.routes(door)]
    return [*handlers, openapi.route(handlers)]
