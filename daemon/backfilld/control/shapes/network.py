"""The bodies of the API for lexicons of the network, as HappyView has them; ours stand beside."""

from typing import Any

from msgspec import Struct


class NetworkLexiconBody(Struct, forbid_unknown_fields=True):
    """POST /admin/network-lexicons. `backfill` is false by default, unlike at an upload."""

    nsid: str
    target_collection: str | None = None
    backfill: bool = False


class NetworkLexiconAdded(Struct):
    """Its answer. `backfill_job_id` is the job that began with it, if any, or the equal one that
    is under way; `backfill_error` says why one that was wanted did not. `uri` and `cid` are those
    of the schema record."""

    nsid: str
    authority_did: str
    revision: int
    backfill_job_id: str | None
    position: int
    uri: str
    cid: str
    warnings: list[str]
    backfill_error: str | None = None


class NetworkLexiconShape(Struct):
    """One of GET /admin/network-lexicons."""

    nsid: str
    authority_did: str
    target_collection: str | None
    last_fetched_at: str
    created_at: str


class ResolvedLexicon(Struct):
    """GET /admin/network-lexicons/resolve/{nsid}: what is out there now; nothing is kept."""

    nsid: str
    authority_did: str
    type: str
    lexicon_json: Any
    uri: str
    cid: str
