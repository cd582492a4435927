"""The bodies of keys and of who is asking. Pure."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

NAME_CHARS_MAX = 100
WORDS_MAX = 200


class KeyBody(Struct, forbid_unknown_fields=True):
    """POST /admin/api-keys. `permissions` are words such as backfill:read; no `expires_at`: until
    it is revoked."""

    name: Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
    permissions: Annotated[list[str], Meta(max_length=WORDS_MAX)]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class KeyMade(Struct):
    """Its answer: the only one that ever shows `key`."""

    id: str
    name: str
    key: str
    key_prefix: str
    permissions: list[str]
    created_at: str
    expires_at: str | None
    warnings: list[str]


class KeyShape(Struct):
    """One key in a list. `last_used_at` is as of this start of the daemon."""

    id: str
    name: str
    key_prefix: str
    permissions: list[str]
    created_at: str
    last_used_at: str | None
    revoked_at: str | None
    expires_at: str | None
    created_by: str


class KeyUsed(Struct):
    """The key by which somebody came in."""

    id: str
    name: str
    key_prefix: str
    expires_at: str | None


class Me(Struct):
    """GET /admin/whoami. No `key`: the kernel says who it is."""

    actor: str
    permissions: list[str]
    key: KeyUsed | None


class Ticket(Struct):
    """POST /admin/dashboard/tickets. `url` is a path; `listen` the address that a browser can
    reach, if there is one."""

    ticket: str
    url: str
    listen: str | None
    expires_in: int
