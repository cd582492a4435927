"""What becomes of a command about a key of a script: pure, as all decisions.

The one rule: a name stays with who first gave it, since it is what the log says of a key's deeds.
"""

from backfilld_events import ids
from backfilld_events.catalog.control import KeyCreated, KeyRevoked
from backfilld_events.folds import State
from backfilld_events.row import NewEvent

from .commands import CreateKey, RevokeKey
from .decide import Decision, Refused

GOOD_MAX = 1_000  # keys in force, of one owner


def create_key(state: State, command: CreateKey, *, key_id: str, actor: str) -> Decision:
    """Makes a key. Raises Refused: the name is somebody else's, the actor has too many, or the key
    by which they ask was revoked meanwhile."""
    keys = state.control.keys
    if command.parent is not None and keys[command.parent].revoked_at is not None:
        raise Refused(
            "key-revoked",
            "the key that you came with is revoked",
            "ask somebody who has one: backfillctl key create NAME",
        )
    if any(key.name == command.name and key.actor != actor for key in keys.values()):
        raise Refused(
            "name-taken",
            f"the name {ids.shown(command.name)} is taken",
            "somebody else made a key of this name; choose another",
            "name",
        )
    mine = [key for key in keys.values() if key.actor == actor]
    if sum(key.is_good(command.at) for key in mine) >= GOOD_MAX:
        raise Refused(
            "too-many-keys",
            f"{actor} has {GOOD_MAX:,} keys in force already",
            "revoke those of no more use: backfillctl key ls",
        )
    stream = f"key/{key_id}"
    event = KeyCreated(
        name=command.name,
        prefix=command.prefix,
        digest=command.digest,
        permissions=list(command.permissions),
        expires_at=command.expires_at,
        parent=command.parent,
    )
    return Decision([NewEvent(stream, event, actor)], {stream: 0}, key_id)


def revoke_key(state: State, command: RevokeKey, *, actor: str) -> Decision:
    """Revokes a key, and with it all that came of it; nothing to do for one that is. Raises Refused
    for one that is not there."""
    key = state.control.keys.get(command.key_id)
    if key is None:
        raise Refused(
            "api-key-not-found",
            f"api key '{ids.shown(command.key_id)}' not found",
            "backfillctl key ls shows those that are there",
        )
    if key.revoked_at is not None:
        return Decision([], {}, key.id)
    return Decision([NewEvent(f"key/{key.id}", KeyRevoked(), actor)], {}, key.id)
