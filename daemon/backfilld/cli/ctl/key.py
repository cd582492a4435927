"""backfillctl key: keys for scripts that come over TCP. A key is shown once."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import click

from ...control.shapes.keys import KeyMade, KeyShape
from .. import say
from . import text
from .faults import Fault
from .frame import Ctl, read
from .options import DURATION
from .suggest import meant
from .verbs import Verbs, verb

KEYS = "/admin/api-keys"
PERMISSIONS = ("backfill:read", "stats:read", "events:read", "lexicons:read", "records:read")


@click.group(
    "key",
    cls=Verbs,
    examples=[
        ("backfillctl key create ci -p backfill:create > ci.key", "the key itself to a file"),
        ("backfillctl key ls", "who has one"),
    ],
)
def key() -> None:
    """Make, list and revoke keys. Scripts that come over TCP (control.listen) need one."""


@verb(
    "create",
    ("backfillctl key create ci -p backfill:create > ci.key", "umask 077 first"),
    ("backfillctl key create board", "may look, not act"),
    ("backfillctl key create ci --expires 90d --json", "with its id and permissions"),
    group=key,
)
@click.argument("name")
@click.option(
    "-p", "--permission", "permissions", multiple=True, metavar="WORD",
    help=f"What it may do; repeatable. None: {' '.join(PERMISSIONS)}.",
)  # fmt: skip
@click.option("--expires", type=DURATION, metavar="DURATION", help="It ends by itself, e.g. 90d.")
def create(ctl: Ctl, name: str, permissions: tuple[str, ...], expires: float | None) -> int:
    """Make a key. It goes to stdout, alone, and is never shown again."""
    asked: dict[str, Any] = {"name": name, "permissions": list(permissions or PERMISSIONS)}
    if expires is not None:
        ends = datetime.now(UTC) + timedelta(seconds=expires)
        asked["expires_at"] = ends.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = ctl.post(KEYS, asked)
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    made = read(body, KeyMade)
    for warning in made.warnings:
        ctl.aside(f"warning: {warning}")
    ctl.aside(f"Made key {made.id} for {made.name}: {' '.join(made.permissions) or 'nothing'}.")
    ctl.aside("Here it is, this once; keep it where others cannot read it:")
    say.out(made.key)
    return say.OK


@verb("ls", ("backfillctl key ls", "newest first; never the keys themselves"), group=key)
def ls(ctl: Ctl) -> int:
    """List the keys."""
    body = ctl.get(KEYS)
    if ctl.as_data:
        ctl.put(body)
        return say.OK
    rows = [
        (one.id[:8], one.name, f"{one.key_prefix}…", _stands(one), _used(one),
         " ".join(one.permissions) or "nothing")
        for one in read(body, list[KeyShape])
    ]  # fmt: skip
    if rows:
        say.out(text.table(("KEY", "NAME", "BEGINS", "IS", "LAST USED", "MAY"), rows))
    else:
        say.out("No key yet. Make one: backfillctl key create NAME")
    return say.OK


@verb(
    "revoke",
    ("backfillctl key revoke ci", "by its name"),
    ("backfillctl key revoke 9f1c", "or by the beginning of its id"),
    group=key,
)
@click.argument("name", metavar="KEY")
def revoke(ctl: Ctl, name: str) -> int:
    """Make a key of no more use, at once and for good. KEY is its name, its id or a beginning of
    either that fits no other."""
    one = _named(name, read(ctl.get(KEYS), list[KeyShape]))
    ctl.delete(f"{KEYS}/{quote(one.id, safe='')}")
    if ctl.as_data:
        ctl.put({"id": one.id, "revoked": True})
    else:
        say.out(f"Revoked {one.name} ({one.key_prefix}…): it opens nothing any more.")
    return say.OK


def _named(name: str, keys: list[KeyShape]) -> KeyShape:
    alive = [one for one in keys if one.revoked_at is None]
    for fits in (
        [one for one in alive if name in (one.id, one.name)],
        [one for one in alive if name and one.id.startswith(name)],
        [one for one in alive if name and one.key_prefix.startswith(name)],
    ):
        if len(fits) == 1:
            return fits[0]
        if fits:
            break
    many = "; it fits more than one" if fits else meant(name, [one.name for one in alive])
    hint = "backfillctl key ls shows those that are there"
    raise Fault(f"no key is named {text.clean(name)!r}{many}", "key-not-found", hint, say.NOT_FOUND)


def _stands(one: KeyShape) -> str:
    if one.revoked_at is not None:
        return f"revoked {text.age(one.revoked_at)} ago"
    if one.expires_at is None:
        return "good"
    left = -text.seconds_ago(one.expires_at)
    return f"good for {text.span(left)}" if left > 0 else "past its end"


def _used(one: KeyShape) -> str:
    return "never" if one.last_used_at is None else f"{text.age(one.last_used_at)} ago"
