"""Who asks, and what each route asks of them.

The one rule: a route that nobody decided on is closed. The words are HappyView's; what they do not
cover here (`/metrics`, the dashboard) is under the nearest of them. Pure.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

from backfilld_events.folds.control import Key

ALL = frozenset(
    {
        "backfill:create", "backfill:read", "stats:read", "events:read", "events:purge",
        "lexicons:create", "lexicons:read", "lexicons:delete",
        "records:read", "records:delete", "records:delete-collection",
        "api-keys:create", "api-keys:read", "api-keys:delete",
        "dead-letters:read", "dead-letters:manage",
    }
)  # fmt: skip
LOOK = frozenset(word for word in ALL if word.endswith(":read"))

# HappyView's words for what is not part of backfilld: taken, and of no use. Source: its
# src/admin/permissions.rs at 0d0ef012
HAPPYVIEWS = frozenset(
    {
        "script-variables:create", "script-variables:read", "script-variables:delete",
        "users:create", "users:read", "users:update", "users:delete",
        "labelers:create", "labelers:read", "labelers:delete", "settings:manage",
        "plugins:read", "plugins:create", "plugins:delete",
        "api-clients:view", "api-clients:create", "api-clients:edit", "api-clients:delete",
        "spaces:create", "spaces:read", "spaces:update", "spaces:delete",
        "spaces:manage-members", "spaces:manage-invites", "spaces:manage-records",
        "spaces:manage-credentials", "scripts:read", "scripts:manage",
        "jobs:read", "jobs:create", "jobs:manage",
        "linked-repos:read", "linked-repos:create", "linked-repos:delete",
    }
)  # fmt: skip

OPEN = None  # for everybody, even without a key
KNOWN = ""  # for everybody whom we know, whatever they may do

_ACT = "dead-letters:manage dead-letters:read"  # what is refused is said on the page that shows it

# (method, path) -> the words it takes, all of them. The name of a path's parameter does not matter
PERMISSIONS: Mapping[tuple[str, str], str | None] = {
    ("GET", "/health"): OPEN,
    ("POST", "/admin/backfill"): "backfill:create",
    ("GET", "/admin/backfill/status"): "backfill:read",
    ("GET", "/admin/backfill/{id}"): "backfill:read",
    ("POST", "/admin/backfill/{id}/cancel"): "backfill:create",
    ("POST", "/admin/backfill/{id}/pause"): "backfill:create",
    ("POST", "/admin/backfill/{id}/resume"): "backfill:create",
    ("POST", "/admin/backfill/{id}/retry-failed"): "backfill:create",
    ("GET", "/admin/backfill/{id}/events"): "backfill:read",
    ("GET", "/admin/backfill/{id}/repos"): "backfill:read",
    ("GET", "/admin/backfill/{id}/pds-summary"): "backfill:read",
    ("GET", "/admin/backfill/{id}/errors"): "backfill:read",
    ("GET", "/admin/backfill/{id}/coverage"): "backfill:read",
    ("DELETE", "/admin/backfill/{id}/details"): "backfill:create",
    ("DELETE", "/admin/backfill/details"): "backfill:create",
    ("GET", "/admin/coverage"): "backfill:read",
    ("GET", "/admin/repos/{did}"): "backfill:read",
    ("POST", "/admin/reconcile"): "backfill:create",
    ("GET", "/admin/reconcile/{id}"): "backfill:read",
    ("DELETE", "/admin/reconcile/{id}"): "backfill:create",
    ("POST", "/admin/lexicons"): "lexicons:create",
    ("GET", "/admin/lexicons"): "lexicons:read",
    ("GET", "/admin/lexicons/{id}"): "lexicons:read",
    ("DELETE", "/admin/lexicons/{id}"): "lexicons:delete",
    ("POST", "/admin/network-lexicons"): "lexicons:create",
    ("GET", "/admin/network-lexicons"): "lexicons:read",
    ("GET", "/admin/network-lexicons/resolve/{nsid}"): "lexicons:read",
    ("DELETE", "/admin/network-lexicons/{nsid}"): "lexicons:delete",
    ("GET", "/admin/tap/stats"): "stats:read",
    ("GET", "/admin/tap"): "stats:read",
    ("GET", "/admin/relay"): "stats:read",
    ("GET", "/admin/stats"): "stats:read",
    ("GET", "/admin/health"): "backfill:read",
    ("GET", "/metrics"): "stats:read",
    ("GET", "/admin/records"): "records:read",
    ("GET", "/admin/records/collections"): "records:read",
    ("DELETE", "/admin/records"): "records:delete",
    ("DELETE", "/admin/records/collection"): "records:delete-collection records:delete",
    ("GET", "/admin/events"): "events:read",
    ("GET", "/admin/events/count"): "events:read",
    ("POST", "/admin/events/purge"): "events:purge",
    ("GET", "/admin/log"): "events:read",
    ("GET", "/admin/log/checkpoint"): "events:read",
    ("GET", "/admin/log/export"): "events:read",
    ("GET", "/admin/log/verify"): "events:read",
    ("POST", "/admin/log/verify"): "events:read",
    ("POST", "/admin/api-keys"): "api-keys:create",
    ("GET", "/admin/api-keys"): "api-keys:read",
    ("DELETE", "/admin/api-keys/{id}"): "api-keys:delete",
    ("GET", "/admin/dead-letters"): "dead-letters:read",
    ("GET", "/admin/dead-letters/count"): "dead-letters:read",
    ("GET", "/admin/dead-letters/{id}"): "dead-letters:read",
    ("POST", "/admin/dead-letters/{id}/dismiss"): "dead-letters:manage",
    ("POST", "/admin/dead-letters/{id}/retry"): "dead-letters:manage",
    ("POST", "/admin/dead-letters/{id}/reindex"): "dead-letters:manage",
    ("POST", "/admin/dead-letters/bulk/dismiss"): "dead-letters:manage",
    ("POST", "/admin/dead-letters/bulk/retry"): "dead-letters:manage",
    ("POST", "/admin/dead-letters/bulk/reindex"): "dead-letters:manage",
    ("POST", "/admin/notify/test"): "backfill:create",
    ("GET", "/admin/whoami"): KNOWN,
    ("GET", "/admin/version"): KNOWN,
    ("GET", "/admin/openapi.json"): KNOWN,
    ("POST", "/admin/dashboard/tickets"): KNOWN,
    ("GET", "/dashboard/login"): OPEN,
    ("POST", "/dashboard/logout"): KNOWN,
    ("GET", "/dashboard/log"): "events:read",
    ("GET", "/dashboard/live/log"): "events:read",
    ("POST", "/dashboard/log/verify"): "events:read",
    ("GET", "/dashboard/dead-letters"): "dead-letters:read",
    ("GET", "/dashboard/dead-letters/{id}"): "dead-letters:read",
    ("POST", "/dashboard/dead-letters/{id}/dismiss"): _ACT,
    ("POST", "/dashboard/dead-letters/{id}/retry"): _ACT,
    ("POST", "/dashboard/dead-letters/{id}/reindex"): _ACT,
}
_PAGES = {"GET": {"backfill:read"}, "POST": {"backfill:create", "backfill:read"}}  # as _ACT
_PAGE_PARTS = "/dashboard/static/"  # style and script, the same for everybody; the login needs them

_KEY = re.compile(r"hv_[0-9a-f]{32}")


class Who(Struct, frozen=True):
    """Somebody we know. `key_id`: by this key, and no longer than it is good."""

    actor: str
    permissions: frozenset[str]
    key_id: str | None = None


class Peer(NamedTuple):
    """Who is at the other end of the socket, as the kernel knew at connect()."""

    pid: int
    uid: int
    gid: int
    groups: frozenset[int] = frozenset()


class Rules(Struct, frozen=True):
    """Whom the socket knows: `uid` is our own. Members of the groups `act` may do all, those of
    `look` see all; `look` is None: then whoever the socket's mode lets in may do all."""

    uid: int
    act: int
    look: int | None = None


class Unknown(Exception):
    """Nobody we know; the message is HappyView's, `hint` says what to do."""

    def __init__(self, error: str, hint: str) -> None:
        super().__init__(error)
        self.hint = hint


def needed(method: str, path: str) -> frozenset[str] | None:
    """The words that a route takes; None: it is open. `path` as the route is declared. Raises
    LookupError for a route that nobody decided on."""
    if method == "OPTIONS":  # what a path takes is told to whoever is known
        return frozenset()
    is_page = path == "/dashboard" or path.startswith("/dashboard/")
    if is_page and (method, _shape(path)) not in _BY_SHAPE:
        return None if path.startswith(_PAGE_PARTS) else frozenset(_PAGES[method])
    words = _BY_SHAPE[method, _shape(path)]
    return None if words is None else frozenset(words.split())


def of_peer(peer: Peer, rules: Rules) -> Who:
    """Who it is by the kernel's word."""
    actor, groups = f"uid:{peer.uid}", peer.groups | {peer.gid}
    if peer.uid in (0, rules.uid) or rules.look is None or rules.act in groups:
        return Who(actor, ALL)
    return Who(actor, LOOK if rules.look in groups else frozenset())


def of_header(header: str | None, keys: Iterable[Key], now: float) -> Who:
    """Who it is by an `Authorization` header. Raises Unknown."""
    make = "make a key: backfillctl key create NAME, on the machine where backfilld runs"
    if header is None:
        raise Unknown("missing Authorization header or session cookie", f"send Bearer hv_…; {make}")
    scheme, _, shown = header.strip().partition(" ")
    if scheme.lower() not in ("bearer", "dpop"):
        raise Unknown("invalid Authorization scheme", f"send Bearer hv_…; {make}")
    key = holder(shown.strip(), keys)
    if key is None or not good(key, now):
        raise Unknown("invalid or revoked API key", f"only keys hv_… are taken; {make}")
    return Who(f"key:{key.name}", ALL.intersection(key.permissions), key.id)


def holder(shown: str, keys: Iterable[Key]) -> Key | None:
    """The key with this text. All are compared, each in constant time, so that no answer's time
    tells how near a guess was."""
    if _KEY.fullmatch(shown) is None:
        return None
    digest, found = hashlib.sha256(shown.encode()).digest(), None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def good(key: Key | None, now: float) -> bool:
    """Whether a key is there, not revoked and not past its end."""
    return key is not None and key.is_good(now)


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


_BY_SHAPE = {(method, _shape(path)): words for (method, path), words in PERMISSIONS.items()}
