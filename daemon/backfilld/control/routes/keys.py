"""Keys of scripts: make one, list one's own, revoke one.

The one rule: nobody gives more than they have, neither in words nor in time. A name stays with
who first gave it, since it is what the log says of the key's deeds.
"""

import hashlib
import secrets

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

GOOD_MAX = 1_000  # keys in force, of one owner
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
        _room(door, name, who.actor)
        key = f"hv_{secrets.token_hex(16)}"
        command = CreateKey(
            name=name,
            prefix=key[:PREFIX_CHARS],
            digest=hashlib.sha256(key.encode()).digest(),
            permissions=tuple(words),
            expires_at=expires_at,
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
        known = door.journal.state.control.keys.values()
        mine = [key for key in known if _is_mine(key, request, door)]
        newest = sorted(mine, key=lambda key: key.position, reverse=True)
        return [_shown(key, door.last_used.get(key.id)) for key in newest]

    @delete("/admin/api-keys/{key_id:str}")
    async def revoke(key_id: FromPath[str], request: Asked) -> None:
        """Revokes a key: its next request is refused, and what it listens to ends."""
        key = door.journal.state.control.keys.get(key_id)
        if key is None or not _is_mine(key, request, door):
            raise BadRequest(
                404, f"api key {shown(key_id)} not found", "api-key-not-found",
                "backfillctl key ls shows those that are yours",
            )  # fmt: skip
        await door.desk.submit(RevokeKey(key_id), actor(request))

    return [make, keys, revoke]


def _is_mine(key: Key, request: Asked, door: Door) -> bool:
    who = actor(request)
    return who in {key.actor, "uid:0", f"uid:{door.rules.uid}"}


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
    own = door.key(who)
    latest = None if own is None else own.expires_at
    if latest is not None and (wanted is None or wanted > latest):
        raise BadRequest(
            403, "Cannot grant an API key that outlives yours", "permission-denied",
            f"set expires_at to {utc_text(latest)} or before", "expires_at",
        )  # fmt: skip
    return wanted


def _room(door: Door, name: str, maker: str) -> None:
    known = door.journal.state.control.keys.values()
    if any(key.name == name and key.actor != maker for key in known):
        raise BadRequest(
            409, f"the name {shown(name)} is taken", "name-taken",
            "somebody else made a key of this name; choose another", "name",
        )  # fmt: skip
    if sum(key.actor == maker and door.is_in_force(key) for key in known) >= GOOD_MAX:
        raise BadRequest(
            409, f"{maker} has {GOOD_MAX:,} keys in force already", "too-many-keys",
            "revoke those of no more use: backfillctl key ls",
        )  # fmt: skip


def _time(at: float | None) -> str | None:
    return None if at is None else utc_text(at)


def _shown(key: Key, last_used: float | None) -> KeyShape:
    return KeyShape(
        id=key.id,
        name=key.name,
        key_prefix=key.prefix,
        permissions=sorted(key.permissions),
        created_at=utc_text(key.created_at),
        last_used_at=_time(last_used),
        revoked_at=_time(key.revoked_at),
        expires_at=_time(key.expires_at),
        created_by=key.actor,
    )
