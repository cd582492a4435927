"""Keys of scripts: make one, list one's own, revoke one.

The one rule: nobody gives more than they have, neither in words nor in time. What a key makes is
its owner's too, and ends with it.
"""

import hashlib
import secrets
from datetime import UTC, datetime

from litestar import Response, delete, get, post
from litestar.params import FromPath, RawBody
from litestar.types import ControllerRouterHandler

from backfilld_events.folds.control import Key
from backfilld_events.ids import shown
from backfilld_events.row import utc_text

from ...backfill.commands import CreateKey, RevokeKey
from ..door import Asked, Door, actor, asker
from ..problems import BadRequest, decoded
from ..shapes.keys import KeyBody, KeyMade, KeyShape
from ..who import ALL, HAPPYVIEWS, Who

END_MAX = datetime(9000, 1, 1, tzinfo=UTC).timestamp()  # far from what no calendar can show
PREFIX_CHARS = 11  # hv_ and eight more: enough to tell keys apart


def routes(door: Door) -> list[ControllerRouterHandler]:
    """See the handlers."""

    @post("/admin/api-keys", status_code=201, opt={"body": KeyBody})
    async def make(body: RawBody, request: Asked) -> Response[KeyMade]:
        """Makes a key, and shows it this once."""
        data, who = decoded(body, KeyBody), asker(request)
        name = _name(data.name)
        words, warnings = _words(data.permissions, who)
        expires_at = _end(data, who, door)
        key = f"hv_{secrets.token_hex(16)}"
        command = CreateKey(
            name=name,
            prefix=key[:PREFIX_CHARS],
            digest=hashlib.sha256(key.encode()).digest(),
            permissions=tuple(words),
            at=door.clock(),
            expires_at=expires_at,
            parent=who.key_id,
        )
        done = await door.desk.submit(command, who.actor)
        made = KeyMade(
            id=done.id or "",
            name=name,
            key=key,
            key_prefix=command.prefix,
            permissions=words,
            created_at=utc_text(done.rows[0].at),
            expires_at=_time(expires_at),
            warnings=warnings,
        )
        return Response(made, headers={"cache-control": "no-store"})

    @get("/admin/api-keys")
    async def keys(request: Asked) -> list[KeyShape]:
        """One's own keys, newest first."""
        newest = sorted(_mine(request, door).values(), key=lambda key: key.position, reverse=True)
        return [_shown(key, door.last_used.get(key.id)) for key in newest]

    @delete("/admin/api-keys/{key_id:str}")
    async def revoke(key_id: FromPath[str], request: Asked) -> None:
        """Revokes a key: its next request is refused, and what it listens to ends."""
        if key_id not in _mine(request, door):
            raise BadRequest(
                404, f"api key {shown(key_id)} not found", "api-key-not-found",
                "backfillctl key ls shows those that are yours",
            )  # fmt: skip
        await door.desk.submit(RevokeKey(key_id), actor(request))

    return [make, keys, revoke]


def _mine(request: Asked, door: Door) -> dict[str, Key]:
    """What they made and what came of it; root and the service's own user have all."""
    who, known = actor(request), door.journal.state.control.keys
    if who in {"uid:0", f"uid:{door.rules.uid}"}:
        return dict(known)
    mine: dict[str, Key] = {}
    for key in known.values():  # a parent stands before its children
        if key.actor == who or key.parent in mine:
            mine[key.id] = key
    return mine


def _name(given: str) -> str:
    name = given.strip()
    if not name or not name.isprintable():
        raise BadRequest(
            400, "a key needs a name that can be read", "bad-name",
            "name it after the script that will use it: it stands in the log", "name",
        )  # fmt: skip
    return name


def _words(given: list[str], who: Who) -> tuple[list[str], list[str]]:
    """The words it grants, and what to say of those that grant nothing."""
    asked = dict.fromkeys(given)
    if unknown := [word for word in asked if word not in ALL | HAPPYVIEWS]:
        raise BadRequest(
            400, f"unknown permission: {', '.join(map(shown, unknown[:10]))}", "bad-permission",
            f"known: {', '.join(sorted(ALL))}", "permissions",
        )  # fmt: skip
    words = [word for word in asked if word in ALL]
    if missing := [word for word in words if word not in who.permissions]:
        raise BadRequest(
            403, f"Cannot grant API key permission you don't have: {', '.join(missing)}",
            "permission-denied", "leave it out, or ask somebody who has it", "permissions",
        )  # fmt: skip
    theirs = [word for word in asked if word in HAPPYVIEWS]
    return words, [f"{word} is HappyView's and grants nothing here" for word in theirs]


def _end(body: KeyBody, who: Who, door: Door) -> float | None:
    wanted = None if body.expires_at is None else body.expires_at.timestamp()
    if wanted is not None and wanted <= door.clock():
        raise BadRequest(
            400, "expires_at has passed", "bad-request", "name a time to come", "expires_at"
        )
    if wanted is not None and wanted >= END_MAX:
        raise BadRequest(
            400, "expires_at is beyond the year 9000", "bad-request",
            "leave it out for a key that is good until it is revoked", "expires_at",
        )  # fmt: skip
    own = door.key(who)
    latest = None if own is None else own.expires_at
    if latest is not None and (wanted is None or wanted > latest):
        raise BadRequest(
            403, "Cannot grant an API key that outlives yours", "permission-denied",
            f"set expires_at to {utc_text(latest)} or before", "expires_at",
        )  # fmt: skip
    return wanted


def _time(at: float | None) -> str | None:
    return None if at is None else utc_text(at)


def _shown(key: Key, last_used: float | None) -> KeyShape:
    return KeyShape(
        id=key.id,
        name=key.name,
        key_prefix=key.prefix,
        permissions=sorted(set(key.permissions)),
        created_at=utc_text(key.created_at),
        last_used_at=_time(last_used),
        revoked_at=_time(key.revoked_at),
        expires_at=_time(key.expires_at),
        created_by=key.actor,
    )
