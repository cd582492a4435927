"""What the routes need, and who is asking."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from litestar import Request

from backfilld_events.folds.control import Key
from backfilld_events.row import utc_text

from ..backfill.desk import Desk
from ..clock import Clock
from ..config import Config
from ..delivery.deadletters import DeadLetters
from ..delivery.removal import Remover
from ..journal import Journal
from ..network.opened import Network
from ..reconcile.reconciler import Reconciler
from ..tapchild.child import TapChild
from ..verification.known import Verification
from .ourtap import child_shape
from .problems import BadRequest
from .serving.peers import rules_of
from .sessions import Session, Sessions
from .shapes import ChannelShape
from .shapes.notify import Samples
from .shapes.reads import ChildShape, TapFilters
from .tapfilters import tap_filters
from .tapstats import TapCounters
from .views import Views
from .who import Who, good

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
        clock: Clock,
        at_rest: Callable[[str], Awaitable[None]],
        remover: Remover,
        letters: DeadLetters,
        network: Network,
        send_samples: Callable[[str], Awaitable[Samples]],
        reconciler: Reconciler,
        verification: Verification,
        verify_now: Callable[[], None],
        tap_child: TapChild | None = None,
        quiet: Callable[[], str] = lambda: "",
        handed_over: Callable[[], int] = lambda: 0,
    ) -> None:
        """`at_rest` returns when nothing of a job is under way; `send_samples` takes an actor;
        `verify_now` asks for a verification, and `verification` has what comes of it; `tap_child`
        is the Tap that we run, if we do; `quiet` says why nothing comes just now, when that is
        usual; `handed_over` counts repositories since the start."""
        self.desk, self.journal, self.counters = desk, journal, counters
        self.at_rest, self.remover, self.letters = at_rest, remover, letters
        self.network, self.handles, self.reconciler = network, network.handles, reconciler
        self.send_samples, self.tap_child, self.quiet = send_samples, tap_child, quiet
        self.views, self.log_views, self.handed_over = views, log_views, handed_over
        self.verification, self.verify_now = verification, verify_now
        self.config, self.unacked, self.rebuilt, self.stop = config, unacked, rebuilt, stop
        self.clock, self.rules = clock, rules_of(config().control)
        self.sessions = Sessions()
        self.last_used: dict[str, float] = {}  # id of a key -> when
        self._no_session = secrets.token_urlsafe(32)

    def channel(self) -> ChannelShape:
        """The channel to Tap, as the log has it; but closed while nothing is written there."""
        source, problem = self.journal.state.source, self.verification.problem
        if problem is not None:
            why = "closed, for the log does not verify"
            return ChannelShape(
                connected=False, since=utc_text(problem.since), why=why, unacked=self.unacked()
            )
        return ChannelShape(
            connected=source.connected,
            since=None if source.since is None else utc_text(source.since),
            why=source.why or None,
            unacked=self.unacked(),
        )

    def child(self) -> ChildShape | None:
        """The Tap that we run, as it is now; None: we run none."""
        if self.tap_child is None:
            return None
        return child_shape(self.journal.state.child, self.tap_child.now(), self.clock())

    async def filters(self) -> TapFilters:
        """The filter that Tap should have, beside what comes."""
        state = self.journal.state
        wanted = [one.nsid for one in state.lexicons.values() if one.is_record]
        child = state.child
        ours = None if self.tap_child is None else child.filters if child.running else ()
        return tap_filters(wanted, await self.views.arrivals(wanted), ours)

    def still_allowed(self, request: Asked) -> bool:
        """Whether who asked may still have an answer: for those that go on for long."""
        who, session = who_of(request), session_of(request)
        is_over = session is not None and not self.sessions.is_open(session)
        return who is not None and self.is_good(who) and not is_over

    def is_good(self, who: Who) -> bool:
        """Whether the key by which somebody came in is still one, if it was by a key."""
        return who.key_id is None or self.is_in_force(self.key(who))

    def is_in_force(self, key: Key | None) -> bool:
        """Whether a key opens anything now."""
        return good(key, self.clock())

    def key(self, who: Who) -> Key | None:
        """The key by which somebody came in, as it is now."""
        return self.journal.state.control.keys.get(who.key_id or "")

    def csrf(self, request: Asked) -> str:
        """What the forms of a page carry in their field `csrf`."""
        session = session_of(request)
        return self._no_session if session is None else session.csrf

    def check_csrf(self, request: Asked, given: object) -> None:
        """Whether a form came from a page of ours. Raises BadRequest."""
        if not secrets.compare_digest(
            str(given or "").encode(errors="replace"), self.csrf(request).encode()
        ):
            raise BadRequest(
                403, "this form is not from a page of this session", "bad-csrf",
                "load the page again and send the form again", "csrf",
            )  # fmt: skip


def actor(request: Asked) -> str:
    """Who is asking, as the log has it."""
    return asker(request).actor


def may(request: Asked, permission: str) -> bool:
    """Whether who asks has this permission too."""
    return permission in asker(request).permissions


def asker(request: Asked) -> Who:
    """Who is asking, on a route that is not open. Raises LookupError on one that is."""
    who = who_of(request)
    if who is None:
        raise LookupError("an open route asks who is there")
    return who


def who_of(request: Asked) -> Who | None:
    """Who is asking; None: nobody we know."""
    who: Who | None = request.scope["state"].get("who")
    return who


def session_of(request: Asked) -> Session | None:
    """The browser's session by which a request came, if it did."""
    session: Session | None = request.scope["state"].get("session")
    return session
