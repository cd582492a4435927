"""What the routes need, and who is asking."""

from collections.abc import Callable
from typing import Any

import trio
from litestar import Request

from backfilld_events.row import utc_text

from ..backfill.desk import Desk
from ..config import Config
from ..journal import Journal
from .shapes import ChannelShape
from .tapstats import TapCounters
from .views import Views

Asked = Request[Any, Any, Any]


class Door:
    """What the routes need. `config` is asked for at each request, since a reload changes it."""

    def __init__(
        self,
        desk: Desk,
        journal: Journal,
        views: Views,
        log_views: Views,
        counters: TapCounters,
        config: Callable[[], Config],
        unacked: Callable[[], int],
        rebuilt: bool,
        stop: trio.Event,
    ) -> None:
        self.desk, self.journal, self.counters = desk, journal, counters
        self.views, self.log_views = views, log_views
        self.config, self.unacked, self.rebuilt, self.stop = config, unacked, rebuilt, stop

    def channel(self) -> ChannelShape:
        """The channel to Tap, as the log has it."""
        source = self.journal.state.source
        return ChannelShape(
            connected=source.connected,
            since=None if source.since is None else utc_text(source.since),
            why=source.why or None,
            unacked=self.unacked(),
        )


def actor(request: Asked) -> str:
    """Who is asking: the user at the other end of the socket."""
    peer = request.scope.get("state", {}).get("peer")
    return "unknown" if peer is None else f"uid:{peer.uid}"
