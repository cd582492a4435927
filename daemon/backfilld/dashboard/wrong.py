"""What is shown when there is no page: who is not signed in, what is not there, what is refused."""

import structlog
import trio
from litestar import Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from ..backfill.decide import Refused
from ..control.door import Asked
from ..control.problems import BadRequest, note, remedy
from ..control.shapes import Problem
from ..journal import Frozen
from .frame import HOME, TEMPLATES, html, theme

SIGN_IN = "backfillctl dashboard"
UNKNOWN = "You are not signed in, or backfilld was restarted since."
USED = "This link was used already, or is too old: it works once, for a minute."

_CANNOT = "This cannot be done"
_TITLES = {403: "Not permitted", 404: "Not found"}


def sign_in(request: Asked, why: str) -> Response[str]:
    """How to get in. It shows nothing of what is inside."""
    problem = Problem(why, "unauthenticated", "A new link comes with the command below.")
    return _page(request, 401, problem, "Sign in", command=SIGN_IN)


def _page(
    request: Asked, status: int, problem: Problem, title: str, *, command: str = "", link: str = ""
) -> Response[str]:
    note(request, problem)
    values = {
        "title": title,
        "error": problem.message or problem.error,
        "hint": problem.hint,
        "command": command,
        "link": link,
        "theme": theme(request),
    }
    return html(TEMPLATES.get_template("plain.html").render(values), status)


def _bad_request(request: Asked, error: BadRequest) -> Response[str]:
    if error.status == 401:
        return sign_in(request, UNKNOWN)
    title = _TITLES.get(error.status, _CANNOT)
    return _page(request, error.status, error.problem, title, link=HOME)


def _refused(request: Asked, error: Refused) -> Response[str]:
    problem = Problem(error.why, error.code, error.hint)
    return _page(request, 409, problem, _CANNOT, link=HOME)


def _frozen(request: Asked, error: Frozen) -> Response[str]:
    problem = Problem(
        f"Nothing was done. {error}.",
        "log-broken",
        f"You may {remedy(request)}. See docs/audit.md.",
    )
    return _page(request, 503, problem, _CANNOT, link=HOME)


def _validation(request: Asked, _: ValidationException) -> Response[str]:
    problem = Problem("The address of this page is not right.", "bad-request", "Begin again.")
    return _page(request, 400, problem, _CANNOT, link=HOME)


def _http(request: Asked, error: HTTPException) -> Response[str]:
    if error.status_code >= 500:
        return _internal(request, error)
    problem = Problem("The request cannot be carried out.", "refused", None)
    if error.status_code == 404:
        problem = Problem("There is no such page.", "not-found", None)
    title = _TITLES.get(error.status_code, _CANNOT)
    return _page(request, error.status_code, problem, title, link=HOME)


def _too_slow(request: Asked, _: trio.TooSlowError) -> Response[str]:
    problem = Problem("The form did not come in time.", "too-slow", "Send it again.")
    return _page(request, 408, problem, _CANNOT, link=HOME)


def _internal(request: Asked, error: Exception) -> Response[str]:
    structlog.get_logger("dashboard").error("page failed", exc_info=error)
    hint = "The journal has the reason; backfillctl report collects what a bug report needs."
    problem = Problem("This is a bug in backfilld.", "internal", hint)
    return _page(request, 500, problem, "Something is wrong", link=HOME)


HANDLERS: ExceptionHandlersMap = {
    BadRequest: _bad_request,
    Refused: _refused,
    Frozen: _frozen,
    trio.TooSlowError: _too_slow,
    ValidationException: _validation,
    HTTPException: _http,
    Exception: _internal,
}
