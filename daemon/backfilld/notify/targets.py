"""The targets of the configuration: each with a name that stays while it wants and is the same."""

import hashlib
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec import Struct

from ..clock import Clock
from ..config import BadConfig, Secret, secret_in
from ..config.keys import NotifyConfig
from . import program
from .letter import Deliver
from .webhook import Webhook

NAME_CHARS = 16


class Target(Struct, frozen=True):
    """Where news of these kinds goes. `to` is for people, and shows no secret."""

    name: str
    to: str
    kinds: frozenset[str]
    deliver: Deliver


def target(one: NotifyConfig, client: httpx.AsyncClient, clock: Clock) -> Target:
    """The target that the configuration names. Raises BadConfig when its secret cannot be read."""
    if one.exec:
        deliver: Deliver = partial(program.run, one.exec)
    else:
        deliver = Webhook(client, one.url, _secret(one.secret_file), clock).post
    return Target(name(one), to(one), frozenset(one.on), deliver)


def _secret(path: str) -> Secret:
    try:
        return secret_in(Path(path))
    except (OSError, ValueError) as error:  # it could be read a moment ago
        raise BadConfig(f"notify.secret_file: {path} cannot be read: {error}") from error


def name(one: NotifyConfig) -> str:
    """A hash of what it wants and where that goes: another kind, program or address is another
    target; another secret is not."""
    identity = msgspec.json.encode([sorted(set(one.on)), one.exec, one.url])
    return hashlib.sha256(identity).hexdigest()[:NAME_CHARS]


def to(one: NotifyConfig) -> str:
    """The program, or the address without its path: in that, some keep a secret."""
    if one.exec:
        return one.exec[0]
    parts = urlsplit(one.url)
    return f"{parts.scheme}://{parts.netloc}"
