"""Dead letters on pages: which there are, what came, and what may be done about one.

The one rule: what Tap sent is shown sign by sign, escaped, and never more than SHOWN_MAX of it.
"""

import base64
from typing import Annotated, Any, Literal

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, QueryParameter, RawBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from ..control.door import Asked, actor
from ..control.problems import BadRequest, note
from ..control.routes.dead_letters import letters_of, settle, the_letter
from ..control.shapes import Problem
from ..delivery.deadletters import Action
from . import forms, places
from .frame import Frame
from .listing import NSIDS_MAX
from .lives import Position
from .say import clean

ROWS = 25
SHOWN_MAX = 16_384  # bytes of a message
STREAM = "dead-letters"

Resolved = Literal["false", "true", "all"]
WORDS: dict[Resolved, str] = {"false": "open", "true": "settled", "all": "all"}


def routes(frame: Frame) -> list[ControllerRouterHandler]:
    """See the handlers."""
    return [*_pages(frame), *_acts(frame)]


def _pages(frame: Frame) -> list[ControllerRouterHandler]:
    @get("/dead-letters", opt={"query": ("collection", "resolved", "cursor")})
    async def letters(
        request: Asked,
        collection: FromQuery[str] = "",
        resolved: Annotated[Resolved, QueryParameter(name="resolved")] = "false",
        cursor: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Messages that could not be used, newest first."""
        return await _list(frame, request, collection.strip(), resolved, cursor)

    @get("/dead-letters/{letter_id:str}", opt={"query": ("wrote",)})
    async def letter(
        letter_id: FromPath[str], request: Asked, wrote: Position = None
    ) -> Response[str]:
        """One of them."""
        return await _one(frame, request, letter_id, wrote)

    return [letters, letter]


def _acts(frame: Frame) -> list[ControllerRouterHandler]:
    @post("/dead-letters/{letter_id:str}/retry", status_code=200)
    async def retry(letter_id: FromPath[str], body: RawBody, request: Asked) -> Response[Any]:
        """Reads its bytes once more."""
        return await _do(frame, request, letter_id, body, "retry")

    @post("/dead-letters/{letter_id:str}/reindex", status_code=200)
    async def reindex(letter_id: FromPath[str], body: RawBody, request: Asked) -> Response[Any]:
        """Fetches its record from the account's server."""
        return await _do(frame, request, letter_id, body, "reindex")

    @post("/dead-letters/{letter_id:str}/dismiss", status_code=200)
    async def dismiss(letter_id: FromPath[str], body: RawBody, request: Asked) -> Response[Any]:
        """Puts it away."""
        return await _do(frame, request, letter_id, body, "dismiss")

    return [retry, reindex, dismiss]


def readable(raw: bytes) -> str:
    """Bytes as text: what is no UTF-8, is unseen or turns the direction is escaped. Pure."""
    return clean(raw.decode("utf-8", "backslashreplace"))


async def _list(
    frame: Frame, request: Asked, collection: str, resolved: Resolved, cursor: str | None
) -> Response[str]:
    door = frame.door
    found = await letters_of(door, collection or None, resolved, cursor, ROWS)
    query = {"collection": collection, "resolved": "" if resolved == "false" else resolved}
    following = found.cursor if isinstance(found.cursor, str) else ""
    lexicons = door.journal.state.lexicons.values()
    values = {
        "here": "letters",
        "letters": found.dead_letters,
        "many": await door.views.dead_letters(collection or None, resolved),
        "collection": collection,
        "resolved": resolved,
        "words": WORDS,
        "nsids": sorted(one.nsid for one in lexicons if one.is_record)[:NSIDS_MAX],
        "first": places.asked(places.LETTERS, **query) if cursor else "",
        "next": places.asked(places.LETTERS, **query, cursor=following) if following else "",
        "back": places.asked(places.LETTERS, **query, cursor=cursor),
    }
    return await frame.page(request, "letters.html", values)


async def _one(
    frame: Frame,
    request: Asked,
    letter_id: str,
    wrote: int | None = None,
    *,
    problem: Problem | None = None,
    status: int = 200,
) -> Response[str]:
    letter = await the_letter(frame.door, letter_id)
    raw = base64.b64decode(letter.raw_base64)
    told = None if wrote is None else await frame.door.views.event(wrote)
    is_ours = told is not None and told.stream == STREAM
    values = {
        "here": "letters",
        "letter": letter,
        "text": readable(raw[:SHOWN_MAX]),
        "not_shown": max(0, len(raw) - SHOWN_MAX),
        "problem": problem,
        "note": f"Written: event #{told.position:,}, {told.says}, by {told.actor}."
        if told is not None and is_ours
        else "",
        "back": places.letter(letter.id),
    }
    return await frame.page(request, "letter.html", values, status=status)


async def _do(
    frame: Frame, request: Asked, letter_id: str, body: bytes, action: Action
) -> Response[str] | Redirect:
    frame.door.check_csrf(request, forms.fields(body).get("csrf"))
    try:
        await settle(frame.door, action, letter_id, request)
    except BadRequest as error:
        if error.status != 409:
            raise
        note(request, error.problem)
        return await _one(frame, request, letter_id, problem=error.problem, status=error.status)
    newest = await frame.door.views.newest(STREAM, 1)
    ours = [told.position for told in newest if told.actor == actor(request)]
    told = places.asked(places.letter(letter_id), wrote=ours[0] if ours else None)
    return Redirect(told, status_code=303)
