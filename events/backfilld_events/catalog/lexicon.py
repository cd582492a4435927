"""What happens to a lexicon. Stream: `lexicon/<nsid>`."""

from typing import Literal

from msgspec import Struct

from ..ids import Did, Nsid

LexiconKind = Literal[
    "record", "query", "procedure", "subscription", "permission-set", "definitions"
]


class LexiconUploaded(Struct, frozen=True, forbid_unknown_fields=True):
    """A lexicon document was accepted; `document` is kept byte for byte as it came.

    `kind` is the type of its main definition, `definitions` when it has no primary one.
    `revision` counts uploads of this NSID from 1, over deletions too. `backfill`: a record
    lexicon with true asks for a job. `target_collection` is kept for scripts of HappyView.
    """

    nsid: Nsid
    revision: int
    kind: LexiconKind
    backfill: bool
    target_collection: Nsid | None
    document: bytes


class LexiconFetched(Struct, frozen=True, forbid_unknown_fields=True):
    """A lexicon was found on the network and accepted, as LexiconUploaded else.

    `authority` is the account that DNS names for the NSID's authority, `uri` and `cid` the
    schema record there. Source: com.atproto.lexicon.schema.
    """

    nsid: Nsid
    revision: int
    kind: LexiconKind
    backfill: bool
    target_collection: Nsid | None
    document: bytes
    authority: Did
    uri: str
    cid: str


class LexiconDeleted(Struct, frozen=True, forbid_unknown_fields=True):
    """The lexicon is no longer asked for. Records and Tap's repositories stay."""

    nsid: Nsid


LexiconEvent = LexiconUploaded | LexiconFetched | LexiconDeleted

TYPES: dict[str, type[LexiconEvent]] = {
    "lexicon.uploaded": LexiconUploaded,
    "lexicon.fetched": LexiconFetched,
    "lexicon.deleted": LexiconDeleted,
}
