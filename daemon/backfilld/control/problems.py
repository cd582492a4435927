"""Everything that goes wrong becomes one envelope: error, code, hint, field; no inner text."""

import uuid
from typing import TypeVar

import msgspec
import structlog
import trio
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from backfilld_events.ids import BadId, Nsid, parse_nsid, shown

from ..backfill.decide import Refused
from ..failures import Failure
from .shapes import Problem

_STATUS = {"lexicon-not-found": 404}

Asked = Request[object, object, object]  # type: ignore[type-var]


T = TypeVar("T")


class BadRequest(Exception):
    """The request cannot be carried out as it is."""

    def __init__(
        self, status: int, error: str, code: str, hint: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(error)
        self.status = status
        self.problem = Problem(error=error, code=code, hint=hint, field=field)


def decoded(body: bytes, shape: type[T]) -> T:
    """A JSON body as `shape`. Raises BadRequest, with the field's path."""
    try:
        return msgspec.json.decode(body, type=shape)
    except RecursionError as error:
        hint = "no lexicon is nested that deep"
        raise BadRequest(400, "the body is nested too deep", "bad-request", hint) from error
    except UnicodeDecodeError as error:
        hint = "send JSON in UTF-8"
        raise BadRequest(400, "the body is not UTF-8", "bad-request", hint) from error
    except msgspec.MsgspecError as error:
        what, _, where = str(error).partition(" - at ")
        field = where.strip("`").removeprefix("$.") or None
        hint = "correct this field and send again" if field else "send a JSON object"
        raise BadRequest(400, what, "bad-request", hint, field) from error


def nsid_of(value: str | None, field: str) -> Nsid | None:
    """A field that names a collection. Raises BadRequest."""
    if value is None:
        return None
    try:
        return parse_nsid(value)
    except BadId as error:
        raise BadRequest(400, str(error), "bad-nsid", "name one collection", field) from error


def answer(status: int, problem: Problem) -> Response[Problem]:
    """The envelope as an answer."""
    return Response(problem, status_code=status, media_type="application/json")


def known_query(request: Asked) -> None:
    """Refuses query parameters that the route does not know: an answer that left one out of
    account would be wrong without a word. Routes name theirs as `opt={"query": ...}`."""
    known = sorted(request.route_handler.opt.get("query", ()))
    unknown = sorted(set(request.query_params) - set(known))
    if unknown:
        hint = f"known here: {', '.join(known)}" if known else "this route takes none"
        error = f"unknown query parameter {shown(unknown[0])}"
        raise BadRequest(400, error, "bad-request", hint, unknown[0][:80])


def _too_slow(_: Asked, error: trio.TooSlowError) -> Response[Problem]:
    problem = Problem(
        error="the body did not come in time", code="too-slow", hint="send it whole, and at once"
    )
    return answer(408, problem)


def _bad_request(_: Asked, error: BadRequest) -> Response[Problem]:
    return answer(error.status, error.problem)


def _refused(_: Asked, error: Refused) -> Response[Problem]:
    return answer(
        _STATUS.get(error.code, 409), Problem(error=error.why, code=error.code, hint=error.hint)
    )


def _tap_failed(_: Asked, error: Failure) -> Response[Problem]:
    hint = "is Tap running, and is tap.url right? backfilld goes on trying"
    return answer(
        502,
        Problem(
            error=f"tap HTTP request failed: {error.message}", code=f"tap-{error.kind}", hint=hint
        ),
    )


def _validation(_: Asked, error: ValidationException) -> Response[Problem]:
    field, text = None, error.detail
    if isinstance(error.extra, list) and error.extra:
        first = error.extra[0]
        field, text = first.get("key"), first.get("message", text)
    return answer(
        400,
        Problem(
            error=text, code="bad-request", field=field, hint="correct this field and send again"
        ),
    )


def _http(_: Asked, error: HTTPException) -> Response[Problem]:
    codes = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 400: "bad-request"}
    hint = "not part of backfilld; see the README for what is" if error.status_code == 404 else None
    return answer(
        error.status_code,
        Problem(error=error.detail, code=codes.get(error.status_code, "refused"), hint=hint),
    )


def _internal(_: Asked, error: Exception) -> Response[dict[str, str]]:
    number = uuid.uuid4().hex[:16]
    structlog.get_logger("control").error("request failed", correlation=number, exc_info=error)
    return Response(
        {"error": "Internal server error", "code": "internal", "correlationId": number},
        status_code=500,
        media_type="application/json",
    )


HANDLERS: ExceptionHandlersMap = {
    BadRequest: _bad_request,
    Refused: _refused,
    Failure: _tap_failed,
    trio.TooSlowError: _too_slow,
    ValidationException: _validation,
    HTTPException: _http,
    Exception: _internal,
}
