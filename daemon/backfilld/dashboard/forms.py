"""What a form sends, checked. Pure."""

import re
from typing import Literal, cast, get_args
from urllib.parse import parse_qsl

import msgspec

from backfilld_events.ids import shown

from ..control.problems import BadRequest
from ..control.shapes import StartBody
from ..control.shapes.progress import REASON_CHARS_MAX

FIELDS_MAX = 20
Mode = Literal["auto", "add", "refetch"]

_BETWEEN = re.compile(r"[\s,]+")


class StartForm(msgspec.Struct, frozen=True):
    """The form that starts a job, as it was filled in."""

    collection: str = ""
    dids: str = ""
    mode: str = ""
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
        mode=sent.get("mode", ""),
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
        mode=_mode(form.mode),
        reason=reason({"reason": form.reason}) or None,
    )


def _mode(given: str) -> Mode | None:
    """Raises BadRequest. Blank: that of the configuration."""
    if given == "":
        return None
    for mode in get_args(Mode):
        if given == mode:
            return cast(Mode, mode)
    raise BadRequest(
        400, f"there is no mode {shown(given)}", "bad-request",
        f"one of {', '.join(get_args(Mode))}", "mode",
    )  # fmt: skip


def reason(sent: dict[str, str]) -> str:
    """Why something is done. Raises BadRequest."""
    given = sent.get("reason", "").strip()
    if len(given) > REASON_CHARS_MAX:
        raise BadRequest(
            400, f"the reason is longer than {REASON_CHARS_MAX} characters", "bad-request",
            "say it shorter", "reason",
        )  # fmt: skip
    return given
