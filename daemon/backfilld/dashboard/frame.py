"""What all pages share: templates, headers, the top line, the choice of colours.

The one rule: every text goes through a template that escapes it, and a page may load nothing from
elsewhere and run nothing that stands in it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jinja2
import msgspec
import trio
from litestar import Response

from backfilld_events.row import utc_text

from .. import __version__
from ..control.door import Asked, Door, session_of
from ..control.health import health
from ..control.relays import relays
from ..control.words import counted
from . import files, places, say
from .live import Part
from .tap import Looks, tiles
from .top import top

HOME = places.OVERVIEW
SHARED_S = 0.2  # pages that are shown in the same moment share a look
THEME_COOKIE = "backfilld_theme"
THEMES = ("system", "light", "dark")
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
HTMX = msgspec.json.encode(
    {
        "extensions": "sse",
        "history": False,
        "includeIndicatorCSS": False,
        "noSwap": [204, 304, "4xx", "5xx"],
        "sse": {"reconnectDelay": 1000, "reconnectMaxDelay": 5000},
    }
).decode()


class Page(NamedTuple):
    """A page of the navigation, and the key that goes there after `g`."""

    key: str
    name: str
    path: str
    go: str


PAGES = (
    Page("overview", "Overview", HOME, "o"),
    Page("jobs", "Jobs", places.JOBS, "j"),
    Page("repos", "Repos", places.REPOS, "r"),
    Page("tap", "Tap", places.TAP, "t"),
    Page("letters", "Dead letters", places.LETTERS, "d"),
    Page("log", "Log", places.LOG, "e"),
)


def _templates() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("backfilld.dashboard"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for word in (say.mark, say.what, say.whole, say.handed, say.synced, say.since, say.span,
                 say.unix, say.moment, say.clean):  # fmt: skip
        made.filters[word.__name__] = word
    made.globals.update(
        asset=files.address,
        counted=counted,
        percent=say.percent,
        htmx_config=HTMX,
        version=__version__,
        pages=PAGES,
        states=say.STATES,
        to=places,
    )
    return made


TEMPLATES = _templates()


class Frame:
    """Makes pages and parts of pages."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self._looks = Looks(door)
        self._stands: dict[str, Any] = {}
        self._looked_at, self._one = -SHARED_S, trio.Lock()

    async def stands(self) -> dict[str, Any]:
        """How things stand, for every page and every live part; looked at once for all that are
        shown in the same moment."""
        async with self._one:
            if trio.current_time() - self._looked_at >= SHARED_S:
                self._stands, self._looked_at = await self._look(), trio.current_time()
        return self._stands

    async def _look(self) -> dict[str, Any]:
        door = self.door
        tap, whole = await self._looks.seen(), await health(door)
        now, channel = door.clock(), door.channel()
        asked = relays(door.journal.state, [url.rstrip("/") for url in whole.relays])
        return {
            "top": top(whole.status, whole.verdict, tap, asked, channel, now),
            "tap": tiles(tap, channel.unacked, now),
            "seen": tap,
            "health": whole,
            "at": utc_text(now),
            "now": now,
        }

    async def page(
        self, request: Asked, name: str, values: dict[str, Any], *, status: int = 200
    ) -> Response[str]:
        """A whole page. `values["live"]` is where its live parts come from; "": it has none."""
        path = request.scope["path"]
        query = request.url.query
        shown = {
            **await self.stands(),
            "theme": theme(request),
            "csrf": self.door.csrf(request),
            "signed_in": session_of(request) is not None,
            "back": f"{path}?{query}" if query else path,
            "note": "",
            "live": "",
            **values,
        }
        return html(TEMPLATES.get_template(name).render(shown), status)


def rendered(parts: Mapping[str, str], values: Mapping[str, Any]) -> list[Part]:
    """Live parts: the id of the element that each stands in, with the name of its template."""
    return [
        Part(target, TEMPLATES.get_template(f"parts/{name}.html").render(values))
        for target, name in parts.items()
    ]


def html(text: str, status: int = 200) -> Response[str]:
    """A page as an answer."""
    return Response(text, status_code=status, media_type="text/html", headers=HEADERS)


def theme(request: Asked) -> str:
    """The colours this browser chose; its system's if it chose none."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else THEMES[0]
