"""Events of the log as HappyView's admin API names them. Pure.

Where an event is what HappyView has too, it has HappyView's name and fields; all others have our
own type names. Source of the names: HappyView's src/admin/events.rs and the calls of its logger.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from backfilld_events.catalog import TYPES
from backfilld_events.catalog.control import CommandRefused, KeyCreated
from backfilld_events.catalog.index import (
    GhostsRemoved,
    RecordsRemoved,
    RemovalAsked,
    RowsRecounted,
)
from backfilld_events.catalog.job import JobCompleted, JobFailed
from backfilld_events.catalog.source import TapDisconnected
from backfilld_events.ids import unpack_one
from backfilld_events.row import Row

Severity = Literal["info", "warn", "error"]
SEVERITIES = ("info", "warn", "error")

_UPLOADED = ("lexicon.created", "lexicon.updated")  # which of them, the revision says

_RETRY = "backfill.retry_started"

# our type -> the names it may have
NAMES: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in TYPES},
    "job.started": ("backfill.started", _RETRY),
    "job.completed": ("backfill.completed",),
    "job.failed": ("backfill.failed",),
    "job.paused": ("backfill.pausing",),
    "job.resumed": ("backfill.resumed",),
    "job.cancel-asked": ("backfill.cancelling",),
    "job.cancelled": ("backfill.cancelled",),
    "lexicon.uploaded": _UPLOADED,
    "lexicon.fetched": _UPLOADED,
    "key.created": ("api_key.created",),
    "key.revoked": ("api_key.revoked",),
    "control.refused": ("auth.permission_denied", "control.refused"),
}

_SEVERITY: Mapping[str, Severity] = {
    "job.failed": "error",
    "job.listing-failed": "warn",
    "job.attempt-failed": "warn",
    "tap.disconnected": "warn",
    "tap.stalled": "warn",
    "control.refused": "warn",
    "notify.failed": "warn",
    "tap-child.not-started": "warn",
}

_MISSING = "Missing permission: "


class About(NamedTuple):
    """What an answer tells of an event's job besides: its collection, if it has one, its
    repositories and its records as they are now."""

    collection: str | None
    repos: int
    records: int
    accounts: int | None


class Shown(NamedTuple):
    """An event in HappyView's words."""

    event_type: str
    severity: Severity
    subject: str | None
    detail: dict[str, Any]


class _Page(Struct):
    collection: str
    relay: str
    first: int
    count: int


class _Given(Struct):
    first: int
    count: int


class _Lexicon(Struct):
    nsid: str
    revision: int
    kind: str
    backfill: bool


class _Receipts(Struct):
    first: int
    last: int


class _Observed(Struct):
    tap: str
    drained: bool


# What is shown of events whose payload may be large: the rest is passed over, not decoded
_PARTS: Mapping[str, msgspec.msgpack.Decoder[Any]] = {
    name: msgspec.msgpack.Decoder(part)
    for name, part in {
        "job.page-discovered": _Page,
        "job.dids-given": _Given,
        "lexicon.uploaded": _Lexicon,
        "lexicon.fetched": _Lexicon,
        "index.records-committed": _Receipts,
        "tap.repos-observed": _Observed,
    }.items()
}


def types_of(event_type: str | None, category: str | None, severity: str | None) -> frozenset[str]:
    """Our types of which an event may have this name, be in this category (the name up to its
    first dot) and have this severity."""
    return frozenset(
        name
        for name, shown in NAMES.items()
        if (event_type is None or event_type in shown)
        and (category is None or any(one.startswith(f"{category}.") for one in shown))
        and (severity is None or _SEVERITY.get(name, "info") == severity)
    )


def is_told_by_type(type_name: str) -> bool:
    """Whether all events of the type have the same name, so that none need be decoded to know."""
    return len(NAMES.get(type_name, ())) == 1


def shown(row: Row, about: About | None = None) -> Shown:
    """A row in HappyView's words; `about` is its job. Raises codec.Undecodable."""
    part = _PARTS.get(row.type)
    event: Any = row.event if part is None else part.decode(row.payload)
    name = NAMES[row.type][0]
    kind, _, key = row.stream.partition("/")
    subject: str | None = None
    detail: dict[str, Any] = {}
    if kind == "job":
        subject = None if about is None else about.collection
        detail = {"job_id": key, **_of_job(event, about)}
        name = _RETRY if "source_job_id" in detail else name
    elif kind == "lexicon":
        subject, name, detail = key, _lexicon_name(name, event), _fields(event, "nsid")
    elif kind == "key":
        subject, detail = key, _of_key(event)
    elif isinstance(event, CommandRefused):
        name, subject, detail = _refused(event)
    elif isinstance(event, RecordsRemoved):
        deleted = sum(one.count for one in event.repos)
        detail = {"uri": event.uri, "removal_id": event.removal, "deleted": deleted}
        subject = event.collection
    elif isinstance(event, GhostsRemoved | RowsRecounted):
        subject, detail = unpack_one(event.repo), _fields(event, "repo")
    elif isinstance(event, RemovalAsked):
        subject, detail = event.collection, {"removal_id": event.id}
    elif isinstance(event, TapDisconnected):
        detail = {"reason": event.message, "kind": event.kind, "url": event.url}
    else:
        detail = _fields(event)
    return Shown(name, _SEVERITY.get(row.type, "info"), subject, detail)


def _of_job(event: Any, about: About | None) -> dict[str, Any]:
    one = _JOB.get(type(event))
    return _fields(event, "digest") if one is None else one(event, about)


def _started(event: Any, about: About | None) -> dict[str, Any]:
    again = {} if event.retries is None else _of_retry(event, about)
    return {
        **again,
        "scope": "accounts" if event.given else "network",
        "account_count": None if about is None else about.accounts,
        "collections": event.collections,
        "reason": event.reason,
    }


def _of_retry(event: Any, about: About | None) -> dict[str, Any]:
    return {
        "source_job_id": event.retries,
        "retried_repos": None if about is None else about.accounts,
        "kinds": event.kinds,
    }


def _completed(event: JobCompleted, about: About | None) -> dict[str, Any]:
    return {
        "total_repos": event.discovered if about is None else about.repos,
        "total_records": None if about is None else about.records,
        "malformed": event.malformed,
        "failed_listings": event.failed_listings,
    }


def _failed(event: JobFailed, about: About | None) -> dict[str, Any]:
    return {"error": event.why, "code": event.code}


_JOB: Mapping[type, Callable[[Any, About | None], dict[str, Any]]] = {
    TYPES["job.started"]: _started,
    JobCompleted: _completed,
    JobFailed: _failed,
}


def _lexicon_name(name: str, event: Any) -> str:
    if isinstance(event, _Lexicon):
        return _UPLOADED[event.revision > 1]
    return name


def _of_key(event: Any) -> dict[str, Any]:
    if isinstance(event, KeyCreated):
        return {
            "name": event.name, "key_prefix": event.prefix, "permissions": event.permissions,
        }  # fmt: skip
    return {}


def _refused(event: CommandRefused) -> tuple[str, str | None, dict[str, Any]]:
    denied, own = NAMES["control.refused"]
    if event.code == "permission-denied":
        return denied, event.why.removeprefix(_MISSING), _fields(event, "code", "why")
    return own, None, _fields(event)


def _fields(event: Any, *but: str) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(event)
    return {name: value for name, value in plain.items() if name not in but}
