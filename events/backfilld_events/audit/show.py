"""Shows rows of a log to people and to programs."""

import re
from typing import Any, Final

import msgspec

from .. import ids
from ..catalog.index import (
    GhostsRemoved,
    IndexRestored,
    RecordsCommitted,
    RecordsRemoved,
    RowsRecounted,
)
from ..catalog.job import BatchHandedOff, DidsGiven, PageDiscovered
from ..catalog.lexicon import LexiconFetched, LexiconUploaded
from ..catalog.reconcile import ReconcileAsked, ReposCompared
from ..catalog.service import BreakAccepted
from ..catalog.source import ReposDiffer, ReposLeaving, ReposObserved
from ..row import Row, utc_text
from ..words import counted

Payload = dict[str, Any]

DIDS_SHOWN_MAX = 3  # of a page, in a line for people; JSON has them all
ENTRIES_SHOWN_MAX = 10  # of any other list there
UNREADABLE: Final = (ValueError, LookupError, ArithmeticError, RecursionError)
"""What `as_data`, `line` and others raise of a payload that is not what it should be."""

_WORD: Final = re.compile(r"[\w.:/@#%+*~-]+")  # what needs no quotes to be seen as one


def as_data(row: Row) -> Payload:
    """The row with its payload in plain words: DIDs unpacked, documents as text, hashes of the log
    in hex. Raises UNREADABLE."""
    return {**_columns(row), "payload": payload(row), "hash": row.hash.hex()}


def unreadable(row: Row, error: Exception) -> Payload:
    """What can be said of a row all the same, as `as_data`, and why there is no payload."""
    return {
        **_columns(row), "payload": None, "unreadable": str(error), "hash": row.hash.hex()
    }  # fmt: skip


def _columns(row: Row) -> Payload:
    return {
        "position": row.position,
        "stream": row.stream,
        "version": row.version,
        "type": row.type,
        "schema": row.schema,
        "recorded_at": utc_text(row.at),
        "actor": row.actor,
        "cause": row.cause,
    }


def payload(row: Row) -> Payload:
    """The payload alone, as `as_data` has it."""
    event = row.event
    plain: Payload = msgspec.to_builtins(event)
    match event:
        case PageDiscovered() | DidsGiven() | ReposLeaving() | ReconcileAsked():
            plain["dids"] = ids.unpack(event.dids)
        case LexiconUploaded() | LexiconFetched():
            plain["document"] = event.document.decode(errors="replace")
        case ReposObserved():
            plain["observations"] = [_named(seen) for seen in event.observations]
            plain["unchanged"] = ids.unpack(event.unchanged) if event.unchanged else []
        case ReposDiffer():
            plain["differing"] = [_named(one) for one in event.differing]
        case RecordsCommitted():
            plain["tallies"] = [
                {**_named(tally), "collection": event.collections[tally.collection]}
                for tally in event.tallies
            ]
            plain["accounts"] = [_named(account) for account in event.accounts]
        case RecordsRemoved():
            plain["repos"] = [_named(one) for one in event.repos]
        case GhostsRemoved() | RowsRecounted():
            plain = _named(event)
        case ReposCompared():
            plain["differing"] = [_named(one) for one in event.differing]
            plain["unread"] = [_named(one) for one in event.unread]
            plain["again"] = ids.unpack(event.again)
        case BreakAccepted():
            plain["hash"] = event.hash.hex()
    return plain


def line(row: Row) -> str:
    """One line for people: position, time, stream, what happened, by whom. Raises UNREADABLE."""
    return _line(row, summary(row))


def unreadable_line(row: Row, error: Exception) -> str:
    """The same of a row whose payload cannot be read."""
    return _line(row, f"it cannot be read: {error}")


def _line(row: Row, says: str) -> str:
    why = f" cause #{row.cause}" if row.cause is not None else ""
    return f"#{row.position} {utc_text(row.at)} {row.stream} {row.type}: {says} ({row.actor}{why})"


def summary(row: Row) -> str:
    """What an event says, for people, without who and when."""
    event = row.event
    match event:
        case PageDiscovered() | DidsGiven():
            some = _some(event.dids, event.count)
            return f"{_repositories(event.count)} from ordinal {event.first}: {some}"
        case ReposLeaving():
            then = "to be put back" if event.again else "for good"
            some = _some(event.dids, event.count)
            return f"{_repositories(event.count)} out of Tap, {then} ({event.why}): {some}"
        case BatchHandedOff():
            return f"ordinals {event.first}..{event.upto} accepted by {event.tap}"
        case RecordsCommitted():
            return (
                f"receipts {event.first}..{event.last}: "
                f"{sum(t.inserted for t in event.tallies)} inserted, "
                f"{sum(t.updated for t in event.tallies)} updated, "
                f"{sum(t.deleted for t in event.tallies)} deleted, "
                f"{sum(t.unchanged for t in event.tallies)} unchanged, "
                f"{counted(len(event.accounts), 'account', 'accounts')}"
            )
        case RecordsRemoved():
            count = sum(one.count for one in event.repos)
            return f"receipt {event.receipt}: {count} removed, {event.uri or event.collection}"
        case GhostsRemoved():
            count = sum(count for _, count in event.collections)
            who = ids.unpack_one(event.repo)
            return f"receipt {event.receipt}: {count} removed that {who} no longer has"
        case RowsRecounted():
            rows = sum(rows for _, rows, _ in event.collections)
            dropped = sum(dropped for _, _, dropped in event.collections)
            who = ids.unpack_one(event.repo)
            many = counted(rows, "row", "rows")
            return f"receipt {event.receipt}: {many} of {who}, {dropped:,} dropped"
        case IndexRestored(made):
            return f"the index is a backup of {utc_text(made)}"
        case ReposObserved():
            return f"{_repositories(len(event.observations))} changed at {event.tap}"
        case LexiconUploaded() | LexiconFetched():
            flag = "with" if event.backfill else "without"
            return f"{event.kind} {event.nsid} revision {event.revision}, {flag} backfill"
        case ReconcileAsked():
            return f"compare {event.scope}: {', '.join(event.collections)}, method {event.method}"
        case ReposCompared():
            return (
                f"{_repositories(event.count)}, "
                f"{counted(event.records, 'record', 'records')} the same, "
                f"{counted(len(event.differing), 'difference', 'differences')}, "
                f"{len(event.unread):,} not read"
            )
        case _:
            return _fields(payload(row)) or "-"


def _repositories(n: int) -> str:
    return counted(n, "repository", "repositories")


def _fields(fields: Payload) -> str:
    return " ".join(f"{key}={_words(value)}" for key, value in fields.items())


def _words(value: Any) -> str:
    """A value as people write it: a text whole, in quotes where it is more than a word."""
    match value:
        case None | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return value if _WORD.fullmatch(value) else repr(value)
        case list():
            more = len(value) - ENTRIES_SHOWN_MAX
            some = ",".join(map(_words, value[:ENTRIES_SHOWN_MAX]))
            return f"{some} and {more:,} more" if more > 0 else some
        case dict():
            return f"{{{_fields(value)}}}"
        case _:
            return str(value)


def _some(packed: bytes, count: int) -> str:
    """The first of packed DIDs."""
    some = ids.unpack(packed)[:DIDS_SHOWN_MAX]
    more = f" and {count - len(some)} more" if count > len(some) else ""
    return f"{' '.join(some)}{more}"


def _named(entry: msgspec.Struct) -> Payload:
    fields = {name: getattr(entry, name) for name in entry.__struct_fields__}
    return {"did": ids.unpack_one(fields.pop("repo")), **fields}
