"""The rows of HappyView's admin API that backfilld keeps, and its own beside them, as data.

Written from the contract, not from our routes: method, path, the permission it needs, what is sent
and what must come back. `{job}`, `{did}`, `{key}` are filled in by the test.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

SCORE = "net.example.score"
SCORE_LEXICON = {
    "lexicon": 1,
    "id": SCORE,
    "defs": {"main": {"type": "record", "key": "tid", "record": {}}},
}


class Row(NamedTuple):
    """One row. `fields` must be in the answer (of the first entry, if it is a list), in these JSON
    types; `text` is the whole body, where it is no JSON."""

    method: str
    path: str
    permission: str | None
    status: int
    fields: Mapping[str, type | tuple[type, ...]] = {}
    body: Any = None
    is_list: bool = False
    text: str | None = None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


MAYBE = (str, type(None))
JOB = {
    "id": str,
    "collection": MAYBE,
    "did": MAYBE,
    "status": str,
    "total_repos": int,
    "processed_repos": int,
    "total_records": int,
    "error": MAYBE,
    "started_at": str,
    "completed_at": MAYBE,
    "created_at": str,
    "stage": str,
    "resolved_repos": int,
    "scope": str,
    "discovery_complete": bool,
    "recent_completions_limit": (int, type(None)),
}
LEXICON = {
    "id": str,
    "revision": int,
    "lexicon_type": str,
    "backfill": bool,
    "action": MAYBE,
    "target_collection": MAYBE,
    "source": str,
    "authority_did": MAYBE,
    "last_fetched_at": MAYBE,
    "created_at": str,
    "updated_at": str,
    "token_cost": (int, type(None)),
    "has_script": bool,
    "has_index_hook": bool,
}

VERIFICATION = {
    "state": str,
    "sentence": str,
    "position": (int, type(None)),
    "upto": (int, type(None)),
    "verified_position": int,
    "hash": MAYBE,
    "at": MAYBE,
    "problem": (dict, type(None)),
}

LETTERS = "/admin/dead-letters"

# in an order in which each finds what the ones before have made
ROWS = [
    Row("GET", "/health", None, 200, text="ok"),
    Row(
        "POST", "/admin/lexicons", "lexicons:create", 201,
        {"id": str, "revision": int, "backfill_job_id": MAYBE},
        {
            "lexicon_json": SCORE_LEXICON, "backfill": True, "target_collection": None,
            "action": None, "token_cost": None,
        },
    ),
    Row("GET", "/admin/lexicons", "lexicons:read", 200, LEXICON, is_list=True),
    Row("GET", f"/admin/lexicons/{SCORE}", "lexicons:read", 200, {**LEXICON, "lexicon_json": dict}),
    Row(
        "POST", "/admin/backfill", "backfill:create", 201,
        {"id": str, "status": str, "state": str, "collections": list, "position": int},
        {"collection": SCORE},
    ),
    Row("GET", "/admin/backfill/status", "backfill:read", 200, JOB, is_list=True),
    Row("GET", "/admin/backfill/{job}", "backfill:read", 200, {**JOB, "state": str, "sync": dict}),
    Row(
        "POST", "/admin/reconcile", "backfill:create", 201,
        {
            "id": str, "state": str, "sentence": str, "compared": int, "agreeing": int,
            "records": int, "differing": int, "unread": int, "differences": list,
            "more": bool,
        },
        {"collection": SCORE},
    ),
    Row(
        "GET", "/admin/backfill/{job}/repos?phase=fetched&limit=10", "backfill:read", 200,
        {"repos": list, "cursor": MAYBE},
    ),
    Row("GET", "/admin/backfill/{job}/pds-summary", "backfill:read", 200, {"pds_endpoints": list}),
    Row(
        "GET", "/admin/backfill/{job}/errors", "backfill:read", 200,
        {"errors": list, "cursor": MAYBE, "counts": list, "capped": bool, "cap": int},
    ),
    Row("POST", "/admin/backfill/{job}/retry-failed", "backfill:create", 400, {"error": str}, {}),
    Row(
        "GET", "/admin/backfill/{job}/coverage", "backfill:read", 200,
        {"sentence": str, "found": int, "classes": dict, "open": int, "unexplained": int},
    ),
    Row(
        "GET", f"/admin/coverage?collection={SCORE}&class=open", "backfill:read", 200,
        {"sentence": str, "repositories": list, "cursor": MAYBE},
    ),
    Row(
        "GET", "/admin/repos/did:plc:ewvi7nxzyoun6zhxrhs64oiz", "backfill:read", 404,
        {"error": str, "hint": str},
    ),
    Row("GET", "/admin/network-lexicons", "lexicons:read", 200, is_list=True),
    Row(
        "GET", "/admin/stats", "stats:read", 200, {"total_records": int, "collections": list}
    ),
    Row(
        "GET", "/admin/tap/stats", "stats:read", 200,
        {
            "repo_count": int, "record_count": int, "outbox_buffer": int, "resync_buffer": int,
            "observed_at": str, "age_s": (int, float), "channel": dict,
        },
    ),
    Row("GET", f"/admin/records?collection={SCORE}", "records:read", 200, {"records": list}),
    Row("GET", "/admin/records/collections", "records:read", 200, {"collections": list}),
    Row("GET", "/admin/events", "events:read", 200, {"events": list}),
    Row("GET", "/admin/events/count", "events:read", 200, {"count": int}),
    Row("POST", "/admin/events/purge", "events:purge", 409, {"error": str, "hint": str}, {}),
    Row(
        "POST", "/admin/api-keys", "api-keys:create", 201,
        {"id": str, "name": str, "key": str, "key_prefix": str, "permissions": list},
        {"name": "ci", "permissions": []},
    ),
    Row("GET", "/admin/api-keys", "api-keys:read", 200, is_list=True),
    Row("GET", LETTERS, "dead-letters:read", 200, {"dead_letters": list}),
    Row("GET", f"{LETTERS}/count", "dead-letters:read", 200, {"count": int}),
    Row("GET", f"{LETTERS}/999", "dead-letters:read", 404, {"error": str}),
    Row("POST", f"{LETTERS}/999/dismiss", "dead-letters:manage", 404, {"error": str}),
    Row("POST", f"{LETTERS}/999/retry", "dead-letters:manage", 404, {"error": str}),
    Row("POST", f"{LETTERS}/999/reindex", "dead-letters:manage", 404, {"error": str}),
    *(
        Row(
            "POST", f"{LETTERS}/bulk/{action}", "dead-letters:manage", 200,
            {"ok": bool, "done": int, "failed": list}, {"all": True, "collection": SCORE},
        )
        for action in ("dismiss", "retry", "reindex")
    ),
    Row("POST", f"{LETTERS}/bulk/retry", "dead-letters:manage", 400, {"error": str}, {}),
    Row("GET", "/admin/health", "backfill:read", 200, {"status": str, "verdict": str}),
    Row("GET", "/admin/tap", "stats:read", 200, {"url": str, "channel": dict}),
    Row("GET", "/admin/relay", "stats:read", 200),
    Row("GET", "/admin/version", None, 200, {"version": str}),
    Row("GET", "/admin/whoami", None, 200, {"actor": str, "permissions": list}),
    Row("GET", "/admin/openapi.json", None, 200, {"openapi": str, "paths": dict}),
    Row("GET", "/admin/log?tail=1", "events:read", 200),
    Row(
        "GET", "/admin/log/checkpoint", "events:read", 200,
        {"origin": str, "position": int, "hash": str, "at": str, "line": str},
    ),
    Row("POST", "/admin/log/verify", "events:read", 202, VERIFICATION),
    Row("GET", "/admin/log/verify", "events:read", 200, VERIFICATION),
    Row("GET", "/admin/log/export", "events:read", 200),
    Row("DELETE", "/admin/backfill/{job}/details", "backfill:create", 204),
    Row("DELETE", "/admin/backfill/details", "backfill:create", 204),
    Row(
        "DELETE", f"/admin/records?uri=at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/{SCORE}/3jzfcijpj2z2a",
        "records:delete", 404, {"error": str},
    ),
    Row(
        "DELETE", f"/admin/records/collection?collection={SCORE}", "records:delete-collection", 200,
        {"deleted": int},
    ),
    Row("DELETE", f"/admin/lexicons/{SCORE}", "lexicons:delete", 204),
    Row("DELETE", f"/admin/network-lexicons/{SCORE}", "lexicons:delete", 404, {"error": str}),
]  # fmt: skip

PERMISSIONS = sorted({row.permission for row in ROWS if row.permission})

NOT_OURS = (
    "users", "admins", "scripts", "script-variables", "labelers", "plugins", "domains",
    "api-clients", "settings", "spaces", "rate-limits", "jobs",
)  # fmt: skip
