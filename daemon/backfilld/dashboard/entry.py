"""The way in, the choice of colours, and addresses where nothing is."""

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.exceptions import NotFoundException
from litestar.params import RawBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from ..control.door import Asked, who_of
from ..control.sessions import COOKIE
from . import forms
from .frame import HOME, THEME_COOKIE, THEMES, Frame
from .wrong import UNKNOWN, USED, sign_in

THEME_S = 365 * 86_400


def routes(frame: Frame) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @get("/login", opt={"query": ("ticket",)})
    async def login(request: Asked, ticket: str = "") -> Response[str] | Redirect:
        """Takes a one-time ticket for a session."""
        cookie = frame.door.sessions.redeem(ticket) if ticket else None
        if cookie is not None:
            kept = frame.door.sessions.set_cookie(cookie)
            return Redirect(HOME, status_code=303, cookies=[kept])
        if who_of(request) is not None:
            return Redirect(HOME, status_code=303)
        return sign_in(request, USED if ticket else UNKNOWN)

    @post("/logout", status_code=200, opt={"writes": False})
    async def logout(body: RawBody, request: Asked) -> Redirect:
        """Ends the browser's session."""
        frame.door.check_csrf(request, forms.fields(body).get("csrf"))
        frame.door.sessions.end(request.cookies.get(COOKIE))
        return Redirect("/dashboard/login", status_code=303)

    @get("/theme", opt={"query": ("to", "back")})
    async def theme(to: str = "", back: str = "") -> Redirect:
        """Remembers the colours that this browser wants, before the next page is painted."""
        inside = back.startswith("/dashboard/") and back.isprintable() and "\\" not in back
        chosen = to if to in THEMES else THEMES[0]
        kept = Cookie(
            key=THEME_COOKIE, value=chosen, path="/dashboard", max_age=THEME_S, samesite="lax"
        )
        return Redirect(back if inside else HOME, status_code=303, cookies=[kept])

    @get("/{rest:path}")
    async def nowhere(rest: str) -> None:
        """No such page."""
        raise NotFoundException("no such page")

    return [login, logout, theme, nowhere]
