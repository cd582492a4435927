"""The door's state: the keys of scripts, and the jobs that were asked for by idempotency key."""

from collections.abc import Mapping
from itertools import islice
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from ..catalog.control import CommandRefused, ControlEvent, KeyCreated, KeyRevoked

ASKED_MAX = 1_000  # idempotency keys that are remembered: the newest


class Key(Struct, frozen=True):
    """A key of a script; `digest` is the SHA-256 of what it shows. Times are unix seconds. `parent`
    is the id of the key that made it: with that one revoked, so is this."""

    id: str
    name: str
    prefix: str
    digest: bytes
    permissions: tuple[str, ...]  # no set; see notify.Target
    actor: str
    position: int
    created_at: float
    expires_at: float | None
    revoked_at: float | None = None
    parent: str | None = None

    def is_good(self, now: float) -> bool:
        """Whether it is neither revoked nor past its end."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Asked(Struct, frozen=True):
    """A job that was asked for by idempotency key; `request` is the SHA-256 of what was asked."""

    job_id: str
    request: bytes | None


class Control(Struct, frozen=True):
    """`keys` by id, a parent before its children; `asked` by `asked_as`."""

    keys: Mapping[str, Key] = {}
    asked: Mapping[str, Asked] = {}


def evolve(
    control: Control, event: ControlEvent, *, key_id: str, actor: str, position: int, at: float
) -> Control:
    """The door after `event`; `key_id` is that of its stream."""
    match event:
        case KeyCreated():
            key = Key(
                id=key_id,
                name=event.name,
                prefix=event.prefix,
                digest=event.digest,
                permissions=tuple(event.permissions),
                actor=actor,
                position=position,
                created_at=at,
                expires_at=event.expires_at,
                revoked_at=_revoked_at(control, event.parent),
                parent=event.parent,
            )
            return replace(control, keys={**control.keys, key_id: key})
        case KeyRevoked():
            return replace(control, keys=_without(control.keys, key_id, at))
        case CommandRefused():
            return control
        case _:
            assert_never(event)


def asked_as(actor: str, idempotency_key: str) -> str:
    """What an actor's idempotency key is remembered by. Neither part has a line's end."""
    return f"{actor}\n{idempotency_key}"


def remember(control: Control, name: str, job: Asked) -> Control:
    """The door, when a job was asked for; `name` is of `asked_as`."""
    asked = {**control.asked, name: job}
    return replace(control, asked=dict(islice(asked.items(), max(0, len(asked) - ASKED_MAX), None)))


def _revoked_at(control: Control, parent: str | None) -> float | None:
    return None if parent is None else control.keys[parent].revoked_at


def _without(keys: Mapping[str, Key], key_id: str, at: float) -> Mapping[str, Key]:
    """The keys after the end of one and of all that came of it."""
    ended, after = {key_id}, dict(keys)
    for key in keys.values():
        if key.parent in ended:
            ended.add(key.id)
        if key.id in ended and key.revoked_at is None:
            after[key.id] = replace(key, revoked_at=at)
    return after
