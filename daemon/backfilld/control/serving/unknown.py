"""Paths that are not there: why not, or which one was meant. Pure."""

import difflib

from ..shapes import Problem
from ..who import PERMISSIONS

_JOBS = "backfill jobs are at /admin/backfill/status"
_KEYS = "who may do what is said by keys (/admin/api-keys) and by the groups of the socket"
_SCRIPTS = "backfilld runs no scripts: what comes in is indexed as it is"

# what HappyView has under /admin and backfilld has not. Source: its src/admin/mod.rs at 0d0ef012
NOT_OURS = {
    "users": _KEYS,
    "admins": _KEYS,
    "permissions": _KEYS,
    "scripts": _SCRIPTS,
    "script-variables": _SCRIPTS,
    "plugins": "backfilld has no plugins; for news of jobs see [[notify]] in the configuration",
    "labelers": "backfilld subscribes to no labelers: it indexes the records of repositories",
    "domains": "backfilld serves no app: it has no domains",
    "api-clients": "backfilld has no OAuth; scripts come in with a key: /admin/api-keys",
    "settings": "settings are in the configuration file: backfilld check-config",
    "spaces": "backfilld reads public repositories only",
    "linked-repos": "backfilld writes to no repositories",
    "rate-limits": "backfilld serves no app whose users it would have to slow down",
    "jobs": _JOBS,
}


def not_found(path: str) -> Problem:
    """What to say of a path that no route has."""
    parts = [part for part in path[:500].split("/") if part]
    if len(parts) > 1 and parts[0] == "admin" and parts[1] in NOT_OURS:
        return Problem("not part of backfilld", "not-part-of-backfilld", NOT_OURS[parts[1]])
    known = sorted({known for _, known in PERMISSIONS})
    near = difflib.get_close_matches("/" + "/".join(parts), known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else "all paths: GET /admin/openapi.json"
    return Problem("Not Found", "not-found", hint)
