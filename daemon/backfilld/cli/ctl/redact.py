"""Takes out of a report what nobody else should read. Pure.

The one rule: a text stays only under a name that is known to hold none of people's own words, and
even then without what looks like a secret. Numbers stay: how much, how often, when. Of any other
text only its length is told.
"""

import re
from typing import Any

KEY_CHARS_MAX = 100

_KEPT = frozenset(
    {
        # what it is and how it stands
        "id", "job_id", "type", "stream", "schema", "code", "kind", "lane", "phase", "state",
        "status", "stage", "scope", "mode", "severity", "check", "outcome", "withheld", "text",
        "action", "lexicon_type", "source", "format", "level", "channel", "hash", "actor",
        # who and where
        "collection", "collections", "nsid", "asked_for", "target_collection", "did", "dids",
        "authority", "authority_did", "peer", "relay", "relays", "url", "urls", "tap_url", "listen",
        "socket", "data_dir", "filters", "wanted", "actual", "permissions",
        # in our own words
        "message", "error", "hint", "why_not", "verdict", "found", "fix", "what", "origin",
        # when
        "since", "at", "waiting_until", "time", "zone",
        # with what
        "version", "python", "sqlite", "system", "machine", "implementation",
    }
)  # fmt: skip
_OPENED = frozenset(  # what stands in them has names of ours; of any other only the size is told
    {
        "", "payload", "log", "jobs", "failures", "waiting", "sync", "classes", "lanes", "rates",
        "eta", "actions", "discovery", "handoff", "arrival", "synced", "completed", "left_out",
        "channel", "key", "collections", "filters", "relays", "stats", "counters", "last", "trend",
        "relay", "tap", "index", "control", "identity", "logging", "problem", "under_way",
    }
)  # fmt: skip
_TIME = re.compile(r"[a-z_]+_at")
_DID = re.compile(r"did:[a-z]+:[A-Za-z0-9._:%-]+")
_WORDS = "pass(?:word|wd)?|secret|token|key|authorization|cookie|ticket"
_SECRETS = (
    (re.compile(r"hv_\w+"), "hv_…"),
    (re.compile(r"(://)[^/@\s]*@"), r"\1…@"),
    (re.compile(r"(\bhttps?://[^\s?#]+)[?#]\S*"), r"\1?…"),
    (re.compile(r"(?i)\b(bearer|basic|dpop)\s+\S+"), r"\1 …"),
    (re.compile(rf"(?i)({_WORDS})(\s*[=:]\s*)\S+"), r"\1\2…"),
)  # fmt: skip
_OPAQUE = re.compile(r"[A-Za-z0-9+/_=-]{40,}")  # no word of ours is that long; a UUID has 36


class Redactor:
    """One report's: the same account has the same stand-in all through it, unless `accounts` says
    that they are to be named."""

    def __init__(self, *, accounts: bool = False) -> None:
        self._accounts = accounts
        self._stand_ins: dict[str, str] = {}

    def __call__(self, value: Any, name: str = "") -> Any:
        """The value, as it may be shown to a stranger."""
        match value:
            case dict() if name not in _OPENED:
                return f"({len(value):,} entries)"
            case dict():
                return {self._key(key): self(entry, str(key)) for key, entry in value.items()}
            case list() | tuple():
                return [self(entry, name) for entry in value]
            case str() if name == "actor":
                return re.sub(r"^key:.*", "key:…", self._clean(value, name))
            case str() if name in _KEPT or _TIME.fullmatch(name):
                return self._clean(value, name)
            case str():
                return f"({len(value):,} characters)" if value else ""
            case bool() | int() | float() | None:
                return value
        return f"({type(value).__name__})"

    def _key(self, key: Any) -> str:
        return self._clean(str(key)[:KEY_CHARS_MAX], "")

    def _clean(self, text: str, name: str) -> str:
        for pattern, instead in _SECRETS:
            text = pattern.sub(instead, text)
        if not self._accounts:
            text = _DID.sub(self._stand_in, text)
        return text if name == "hash" else _OPAQUE.sub(_long, text)

    def _stand_in(self, found: re.Match[str]) -> str:
        did = found[0]
        made = f"did:{did.split(':')[1]}:account-{len(self._stand_ins) + 1}"
        return self._stand_ins.setdefault(did, made)


def _long(found: re.Match[str]) -> str:
    return f"({len(found[0])} characters)"
