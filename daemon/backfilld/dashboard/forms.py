"""What a form sends, checked. Pure."""

import re
from urllib.parse import parse_qsl

import msgspec

from ..control.problems import BadRequest
from ..control.shapes import StartBody
from ..control.shapes.progress import REASON_CHARS_MAX

FIELDS_MAX = 20
_BETWEEN = re.compile(r"[\s,]+")


class StartForm(msgspec.Struct, frozen=True):
    """The form that starts a job, as it was filled in."""

    collection: str = ""
    dids: str = ""
    reason: str = ""


def fields(body: bytes) -> dict[str, str]:
    """The fields of a form; the last one of a name. Raises BadRequest."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX
        )
    except ValueError as error:
        raise BadRequest(
            400, "this is not a form of these pages", "bad-request", "load the page again"
        ) from error
    return dict(pairs)


def start(sent: dict[str, str]) -> StartForm:
    """What the start form has in it."""
    return StartForm(
        collection=sent.get("collection", "").strip(),
        dids=sent.get("dids", "").strip(),
        reason=sent.get("reason", "").strip(),
    )


def start_body(form: StartForm) -> StartBody:
    """The same as the API takes it. Raises BadRequest: a blank form is not "everything"."""
    accounts = [entry for entry in _BETWEEN.split(form.dids) if entry]
    if not form.collection and not accounts:
        raise BadRequest(
            400, "nothing is named", "bad-request",
            "name a collection, or accounts, or both", "collection",
        )  # fmt: skip
    return StartBody(
        collection=form.collection or None,
        dids=accounts or None,
        reason=reason({"reason": form.reason}) or None,
    )


def reason(sent: dict[str, str]) -> str:
    """Why something is done. Raises BadRequest."""
    given = sent.get("reason", "").strip()
    if len(given) > REASON_CHARS_MAX:
        raise BadRequest(
            400, f"the reason is longer than {REASON_CHARS_MAX} characters", "bad-request",
            "say it shorter", "reason",
        )  # fmt: skip
    return given
