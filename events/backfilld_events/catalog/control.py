"""What happens at the door: keys of scripts, and commands that were refused. Streams: `key/<id>`,
`control`."""

from msgspec import Struct


class KeyCreated(Struct, frozen=True, forbid_unknown_fields=True):
    """A key was made for a script. The key itself is shown once and kept nowhere: `digest` is its
    SHA-256, `prefix` its first characters, for people. `expires_at` is unix seconds. `parent`: the
    id of the key that made it, without which it is of no use; None: no key did."""

    name: str
    prefix: str
    digest: bytes
    permissions: list[str]
    expires_at: float | None
    parent: str | None


class KeyRevoked(Struct, frozen=True, forbid_unknown_fields=True):
    """The key is of no more use, from this moment on."""


class CommandRefused(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Somebody who may talk to us asked for a change that was refused. `command` is method and
    path; `code` and `why` are those of the answer, shortened. `more`: so many refusals of the same
    actor came before this one too fast to be told one by one."""

    command: str
    code: str
    why: str
    more: int = 0


ControlEvent = KeyCreated | KeyRevoked | CommandRefused

TYPES: dict[str, type[ControlEvent]] = {
    "key.created": KeyCreated,
    "key.revoked": KeyRevoked,
    "control.refused": CommandRefused,
}
