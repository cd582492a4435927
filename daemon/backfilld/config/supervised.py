"""What the types cannot refuse of a Tap that we run ourselves: tap.command, tap.env.

The one rule: what we set ourselves cannot be set beside it, neither as a variable nor as an option
of the command (Tap's option --no-replay is its variable TAP_NO_REPLAY).
"""

import re
import shutil
from collections.abc import Mapping
from urllib.parse import urlsplit

from .hosts import loopback
from .keys import TapConfig

_LOST = "leave it away: records would never come here, or come and be lost"
_NOT_THERE: Mapping[str, str] = {
    "TAP_BIND": "set tap.url",
    "TAP_COLLECTION_FILTERS": "leave it away: the lexicons say what Tap sends",
    "TAP_ADMIN_PASSWORD": "put the password into a file: tap.password_file",
    "TAP_PLC_URL": "set identity.plc_url",
    "ATP_PLC_HOST": "set identity.plc_url",
    "TAP_OUTBOX_PARALLELISM": "leave it away: with more than 1 the order of an account is lost",
    "TAP_DISABLE_ACKS": _LOST,
    "TAP_WEBHOOK_URL": _LOST,
    "TAP_OUTBOX_ONLY": _LOST,
}


def supervised_fault(tap: TapConfig) -> tuple[str, str] | None:
    """The first value with which we could not run Tap: (key, what is so and what to do)."""
    if not tap.supervise:
        return None
    return _url(tap.url) or _command(tap.command) or _env(tap.env)


def _url(url: str) -> tuple[str, str] | None:
    parts = urlsplit(url)
    try:
        loopback(parts.netloc)
        fits = parts.scheme == "http"
    except ValueError:
        fits = False
    if fits:
        return None
    return "tap.url", (
        f"{url!r} is not where we could run Tap (tap.supervise); write an address of loopback with "
        "its port: http://127.0.0.1:2480"
    )


def _command(command: tuple[str, ...]) -> tuple[str, str] | None:
    if any("\0" in part for part in command):
        return "tap.command", "has a NUL character in it"
    for part in command[1:]:
        option = part.partition("=")[0].lstrip("-").replace("-", "_").upper()
        if part.startswith("-") and (remedy := _NOT_THERE.get(f"TAP_{option}")) is not None:
            return "tap.command", f"has the option {part.partition('=')[0]}; {remedy}"
    if shutil.which(command[0]) is None:
        return "tap.command", f"there is no program {command[0]!r} that can be run; install Tap"
    return None


def _env(env: Mapping[str, str]) -> tuple[str, str] | None:
    for name, value in env.items():
        if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,99}", name):
            return "tap.env", f"{name!r} is no name of a variable; they are TAP_… in capitals"
        if (remedy := _NOT_THERE.get(name)) is not None:
            return "tap.env", f"has {name}; {remedy}"
        if "\0" in value:
            return "tap.env", f"{name} has a NUL character in it"
        if re.search(r"://[^/@\s]*:[^/@\s]+@", value):
            return "tap.env", (
                f"{name} has a password in it; a secret belongs into a file, for PostgreSQL: "
                "PGPASSFILE"
            )
    return None
