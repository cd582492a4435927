"""Who is asking, and the way in for their browser."""

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from backfilld_events.row import utc_text

from ..door import Asked, Door, asker
from ..problems import BadRequest
from ..sessions import TICKET_S
from ..shapes.keys import KeyUsed, Me, Ticket


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @get("/admin/whoami")
    async def whoami(request: Asked) -> Me:
        """Who is asking, and what they may do."""
        who = asker(request)
        key = door.key(who)
        used = None
        if key is not None:
            ends = None if key.expires_at is None else utc_text(key.expires_at)
            used = KeyUsed(key.id, key.name, key.prefix, ends)
        return Me(who.actor, sorted(who.permissions), used)

    @post("/admin/dashboard/tickets", status_code=201, opt={"writes": False})
    async def ticket(request: Asked) -> Response[Ticket]:
        """A ticket by which a browser comes in as who asks: once, and soon."""
        who, control = asker(request), door.config().control
        if not control.dashboard:
            hint = "set control.dashboard = true and restart"
            raise BadRequest(409, "the dashboard is switched off", "dashboard-off", hint)
        value = door.sessions.ticket(who)
        made = Ticket(
            ticket=value,
            url=f"/dashboard/login?ticket={value}",
            listen=control.listen or None,
            expires_in=int(TICKET_S),
        )
        return Response(made, headers={"cache-control": "no-store"})

    return [whoami, ticket]
