"""Everything that goes wrong becomes one envelope: error, code, hint, field; no inner text.

The status is what HappyView's framework answers in the same case: 400 for what is no JSON, 415 for
what does not call itself that, 422 for a field of the wrong type. The refusals of what came from
outside stand here too, where several routes need them.
"""

import difflib
import re
import uuid
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import structlog
import trio
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from backfilld_events.ids import BadId, Nsid, parse_nsid, shown

from ..backfill.decide import Refused
from ..failures import Failure
from ..journal import Frozen
from ..verification.known import REMEDY, Verification
from .serving.unknown import not_found
from .shapes import Problem

TEXT_CHARS_MAX = 300  # of what a parser says: it repeats names that a client chose
_NOT_RUNNING = frozenset({"job-not-running", "job-not-paused"})  # HappyView's 400
_MISSING = re.compile(r"Missing required query parameter '(\w+)'")
_NAMED = re.compile(r"(unknown|required) field `(.*)`", re.DOTALL)

Asked = Request[Any, Any, Any]


T = TypeVar("T")


class BadRequest(Exception):
    """The request cannot be carried out as it is."""

    def __init__(
        self,
        status: int,
        error: str,
        code: str,
        hint: str | None = None,
        field: str | None = None,
        *,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.status, self.headers = status, headers
        self.problem = Problem(error=error, code=code, hint=hint, field=field, message=message)


def network_busy() -> BadRequest:
    """What is said to whoever meets failures.Busy."""
    text = "too many names are being looked up on the network already"
    return BadRequest(503, text, "network-busy", "nothing was done; try again later")


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
    except msgspec.ValidationError as error:
        raise _misfit(str(error), shape) from error
    except msgspec.MsgspecError as error:
        if not body.strip():
            hint = "send a JSON object"
            raise BadRequest(400, "the body is empty", "bad-request", hint) from error
        raise BadRequest(400, clean(str(error)), "bad-request", "send a JSON object") from error


def _misfit(text: str, shape: type[Any]) -> BadRequest:
    what, _, where = text.rpartition(" - at ") if " - at `" in text else (text, "", "")
    field = where.strip("`").removeprefix("$").removeprefix(".")
    hint = "correct this field and send again" if field else "send a JSON object"
    if (named := _NAMED.search(what)) is not None:
        field, hint = f"{field}.{named[2]}" if field else named[2], "add it and send again"
        if named[1] == "unknown":
            known = getattr(shape, "__struct_encode_fields__", ())
            near = difflib.get_close_matches(named[2][:80], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return BadRequest(422, clean(what), "bad-request", hint, clean(field, 80) or None)


def nsid_of(value: str | None, field: str) -> Nsid | None:
    """A field that names a collection. Raises BadRequest."""
    if value is None:
        return None
    try:
        return parse_nsid(value)
    except BadId as error:
        raise BadRequest(400, str(error), "bad-nsid", "name one collection", field) from error


def clean(text: str, chars_max: int = TEXT_CHARS_MAX) -> str:
    """`text` on one line, cut, and nothing in it that a terminal would obey."""
    cut = text[: chars_max + 1]
    cut = cut if len(cut) <= chars_max else f"{cut[: chars_max - 1]}…"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in cut)


def answer(
    request: Asked, status: int, problem: Problem, headers: Mapping[str, str] | None = None
) -> Response[Problem]:
    """The envelope as an answer; what it says goes into the log too, if it refuses a change."""
    note(request, problem)
    return Response(
        problem, status_code=status, media_type="application/json", headers=dict(headers or {})
    )


def note(request: Asked, problem: Problem) -> None:
    """What the log shall say of this request's refusal: for answers that are no envelope."""
    request.scope["state"]["problem"] = problem


def known_query(request: Asked) -> None:
    """Refuses query parameters that the route does not know: an answer that left one out of
    account would be wrong without a word. Routes name theirs as `opt={"query": ...}`."""
    known = sorted(request.route_handler.opt.get("query", ()))
    unknown = sorted(set(request.query_params) - set(known))
    if unknown:
        hint = f"known here: {', '.join(known)}" if known else "this route takes none"
        error = f"unknown query parameter {shown(unknown[0])}"
        raise BadRequest(400, error, "bad-request", hint, clean(unknown[0], 80))


def json_body(request: Asked) -> None:
    """Refuses a body that does not call itself JSON, as a browser's form from a foreign page
    cannot. The pages have forms of their own."""
    sent = request.headers
    empty = sent.get("content-length", "0") == "0" and "transfer-encoding" not in sent
    if request.method != "POST" or empty or request.scope["path"].startswith("/dashboard"):
        return
    kind = sent.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not re.fullmatch(r"application/[\w.-]+\+json", kind):
        raise BadRequest(
            415, "Expected request with `Content-Type: application/json`", "bad-content-type",
            "send JSON, with Content-Type: application/json",
        )  # fmt: skip


def _too_slow(request: Asked, error: trio.TooSlowError) -> Response[Problem]:
    problem = Problem(
        error="the body did not come in time", code="too-slow", hint="send it whole, and at once"
    )
    return answer(request, 408, problem)


def _bad_request(request: Asked, error: BadRequest) -> Response[Problem]:
    return answer(request, error.status, error.problem, error.headers)


def _refused(request: Asked, error: Refused) -> Response[Problem]:
    status = 400 if error.code in _NOT_RUNNING else 409
    if error.code.endswith("-not-found"):
        status = 404
    return answer(request, status, Problem(error.why, error.code, error.hint, error.field))


def of_tap(error: Failure) -> Problem:
    """What is said when Tap gives no answer."""
    hint = "is Tap running, and is tap.url right? backfilld goes on trying"
    text = f"tap HTTP request failed: {error.message}"
    return Problem(error=text, code=f"tap-{error.kind}", hint=hint)


def _tap_failed(request: Asked, error: Failure) -> Response[Problem]:
    return answer(request, 502, of_tap(error))


def remedy(request: Asked) -> str:
    """What a person may do about the log that does not verify."""
    known: Verification = request.app.state.verification
    return REMEDY if known.problem is None else known.problem.remedy


def _frozen(request: Asked, error: Frozen) -> Response[Problem]:
    hint = f"nothing was done; {remedy(request)}"
    return answer(request, 503, Problem(str(error), "log-broken", hint))


def _validation(request: Asked, error: ValidationException) -> Response[Problem]:
    field, text = None, error.detail
    if isinstance(error.extra, list) and error.extra:
        first = error.extra[0]
        field, text = first.get("key"), first.get("message", text)
    hint = "correct this field and send again"
    if (missing := _MISSING.match(text)) is not None:
        field, hint = missing[1], "add it and send again"
        text = f"missing query parameter {field}"
    return answer(
        request, 400, Problem(error=clean(text), code="bad-request", field=field, hint=hint)
    )


def _http(request: Asked, error: HTTPException) -> Response[Any]:
    if error.status_code >= 500 and request.scope["state"].get("gone"):
        return Response(None, status_code=500)  # it left before it had said all: nobody hears
    if error.status_code >= 500:
        return _internal(request, error)
    if error.status_code == 404:
        return answer(request, 404, not_found(request.scope["path"]))
    codes = {405: "method-not-allowed", 413: "too-large", 400: "bad-request"}
    code, headers = codes.get(error.status_code, "refused"), error.headers or {}
    hint = {413: "split it: 8 MiB are the most"}.get(error.status_code)
    if allowed := headers.get("allow"):
        hint = f"this path takes {allowed}"
    return answer(request, error.status_code, Problem(clean(error.detail), code, hint), headers)


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
    Frozen: _frozen,
    ValidationException: _validation,
    HTTPException: _http,
    Exception: _internal,
}
