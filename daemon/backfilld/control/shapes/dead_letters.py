"""The bodies of dead letters: messages of Tap that could not be used. Pure."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

IDS_MAX = 1000


class LetterShape(Struct):
    """One of them. Up to `resolved_at` as HappyView has it, whose `lexicon_id` is the collection;
    `error` says what could not be read, or why the last try went wrong, and `resolved_at` is there
    only if it is settled. `resolution`: retry, reindex, gone (its record is not there any more) or
    dismiss. Of the `raw_bytes` of the message `kept_bytes` are kept: fewer cannot be read again."""

    id: str
    lexicon_id: str | None
    uri: str | None
    did: str | None
    collection: str | None
    rkey: str | None
    action: str | None
    error: str
    attempts: int
    created_at: str
    resolved_at: str | UnsetType = UNSET
    resolution: str | UnsetType = UNSET
    raw_bytes: int = 0
    kept_bytes: int = 0


class LetterDetail(LetterShape, kw_only=True):
    """GET /admin/dead-letters/{id}. `record` is what the message holds of it, if that is JSON;
    `raw_base64` the bytes that are kept."""

    record: Any
    raw_base64: str


class Letters(Struct):
    """GET /admin/dead-letters, newest first. No cursor: there is no more."""

    dead_letters: list[LetterShape]
    cursor: str | UnsetType = UNSET


class LetterCount(Struct):
    """GET /admin/dead-letters/count."""

    count: int


class LetterDone(Struct):
    """The answer when it went well with one letter."""

    ok: bool = True


class BulkBody(Struct, forbid_unknown_fields=True):
    """POST /admin/dead-letters/bulk/…: `ids`, or `all` that are open (of a `collection`), from
    `cursor` on."""

    ids: Annotated[list[str], Meta(max_length=IDS_MAX)] | None = None
    all: bool = False
    collection: str | None = None
    cursor: str | None = None


class NotDone(Struct):
    """A letter with which it did not go well: why, and what may be done instead."""

    id: str
    error: str
    hint: str


class BulkDone(Struct):
    """Its answer. With a cursor there was no time for all: ask again with it."""

    ok: bool
    done: int
    failed: list[NotDone]
    cursor: str | UnsetType = UNSET
