"""The page of one account: how it stands, and its whole history in plain words."""

from litestar import Response

from ..control.door import Asked
from ..control.jobs.accounts import accounts
from . import places
from .frame import Frame

LINES = 50


async def page(frame: Frame, request: Asked, name: str, before: int | None) -> Response[str]:
    """The page of the account with this DID or handle, its history up to the event `before`.
    Raises BadRequest."""
    (did,) = await accounts(frame.door.handles, name, None)
    found = await frame.door.log_views.account(did, before, LINES)
    here = places.account(did)
    values = {
        "here": "repos",
        "did": did,
        "account": found,
        "before": before,
        "newest": here if before else "",
        "older": places.asked(here, before=found.before) if found and found.before else "",
        "back": places.asked(here, before=before),
    }
    return await frame.page(request, "account.html", values, status=200 if found else 404)
