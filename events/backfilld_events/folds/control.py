"""The door's state: the keys of scripts, and the jobs that were asked for by idempotency key."""

from collections.abc import Mapping
from itertools import islice
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from ..catalog.control import CommandRefused, ControlEvent, KeyCreated, KeyRevoked

ASKED_MAX = 1_000  # idempotency keys that are remembered: the newest


class Key(Struct, frozen=True):
    """A key of a script; `digest` is the SHA-256 of what it shows. Times are unix seconds."""

    id: str
    name: str
    prefix: str
    digest: bytes
    permissions: frozenset[str]
    actor: str
    position: int
    created_at: float
    expires_at: float | None
    revoked_at: float | None = None


class Control(Struct, frozen=True):
    """`keys` by id, `asked`: idempotency key -> id of its job."""

    keys: Mapping[str, Key] = {}
    asked: Mapping[str, str] = {}


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
                permissions=frozenset(event.permissions),
                actor=actor,
                position=position,
                created_at=at,
                expires_at=event.expires_at,
            )
            return replace(control, keys={**control.keys, key_id: key})
        case KeyRevoked():
            revoked = replace(control.keys[key_id], revoked_at=at)
            return replace(control, keys={**control.keys, key_id: revoked})
        case CommandRefused():
            return control
        case _:
            assert_never(event)


def remember(control: Control, idempotency_key: str, job_id: str) -> Control:
    """The door, when a job was asked for under this key."""
    asked = {**control.asked, idempotency_key: job_id}
    return replace(control, asked=dict(islice(asked.items(), max(0, len(asked) - ASKED_MAX), None)))
