"""Shows rows of a log to people and to programs."""

from typing import Any

import msgspec

from .. import ids
from ..catalog.index import GhostsRemoved, RecordsCommitted, RecordsRemoved, RowsRecounted
from ..catalog.job import BatchHandedOff, DidsGiven, PageDiscovered
from ..catalog.lexicon import LexiconFetched, LexiconUploaded
from ..catalog.reconcile import ReconcileAsked, ReposCompared
from ..catalog.source import ReposObserved
from ..row import Row, utc_text

Payload = dict[str, Any]

DIDS_SHOWN_MAX = 3  # of a page, in a line for people; JSON has them all


def as_data(row: Row) -> Payload:
    """The row with its payload in plain words: DIDs unpacked, documents as text."""
    return {
        "position": row.position,
        "stream": row.stream,
        "version": row.version,
        "type": row.type,
        "schema": row.schema,
        "recorded_at": utc_text(row.at),
        "actor": row.actor,
        "cause": row.cause,
        "payload": payload(row),
        "hash": row.hash.hex(),
    }


def payload(row: Row) -> Payload:
    """The payload alone, as `as_data` has it."""
    event = row.event
    plain: Payload = msgspec.to_builtins(event)
    match event:
        case PageDiscovered() | DidsGiven():
            plain["dids"] = ids.unpack(event.dids)
        case LexiconUploaded() | LexiconFetched():
            plain["document"] = event.document.decode(errors="replace")
        case ReposObserved():
            plain["observations"] = [_named(seen) for seen in event.observations]
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
        case ReconcileAsked():
            plain["dids"] = ids.unpack(event.dids)
        case ReposCompared():
            plain["differing"] = [_named(one) for one in event.differing]
            plain["unread"] = [_named(one) for one in event.unread]
            plain["again"] = ids.unpack(event.again)
    return plain


def line(row: Row) -> str:
    """One line for people: position, time, stream, what happened, by whom."""
    why = f" cause #{row.cause}" if row.cause is not None else ""
    return (
        f"#{row.position} {utc_text(row.at)} {row.stream} {row.type}: {summary(row)}"
        f" ({row.actor}{why})"
    )


def summary(row: Row) -> str:
    """What an event says, for people, without who and when."""
    event = row.event
    match event:
        case PageDiscovered() | DidsGiven():
            some = ids.unpack(event.dids)[:DIDS_SHOWN_MAX]
            more = f" and {event.count - len(some)} more" if event.count > len(some) else ""
            return f"{event.count} repositories from ordinal {event.first}: {' '.join(some)}{more}"
        case BatchHandedOff():
            return f"ordinals {event.first}..{event.upto} accepted by {event.tap}"
        case RecordsCommitted():
            return (
                f"receipts {event.first}..{event.last}: "
                f"{sum(t.inserted for t in event.tallies)} inserted, "
                f"{sum(t.updated for t in event.tallies)} updated, "
                f"{sum(t.deleted for t in event.tallies)} deleted, "
                f"{sum(t.unchanged for t in event.tallies)} unchanged, "
                f"{len(event.accounts)} accounts"
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
            return f"receipt {event.receipt}: {rows} rows of {who}, {dropped} dropped"
        case ReposObserved():
            return f"{len(event.observations)} repositories changed at {event.tap}"
        case LexiconUploaded() | LexiconFetched():
            flag = "with" if event.backfill else "without"
            return f"{event.kind} {event.nsid} revision {event.revision}, {flag} backfill"
        case ReconcileAsked():
            return f"compare {event.scope} of {' '.join(event.collections)} by {event.method}"
        case ReposCompared():
            return (
                f"{event.count} repositories, {event.records} records the same, "
                f"{len(event.differing)} differences, {len(event.unread)} not read"
            )
        case _:
            fields: Payload = msgspec.to_builtins(event)
            return " ".join(f"{key}={ids.shown(value)}" for key, value in fields.items()) or "-"


def _named(entry: msgspec.Struct) -> Payload:
    fields = {name: getattr(entry, name) for name in entry.__struct_fields__}
    return {"did": ids.unpack_one(fields.pop("repo")), **fields}
