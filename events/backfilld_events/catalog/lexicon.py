"""What happens to a lexicon. Stream: `lexicon/<nsid>`."""

from typing import Literal

from msgspec import Struct

from ..ids import Nsid

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


class LexiconDeleted(Struct, frozen=True, forbid_unknown_fields=True):
    """The lexicon is no longer asked for. Records and Tap's repositories stay."""

    nsid: Nsid


LexiconEvent = LexiconUploaded | LexiconDeleted

TYPES: dict[str, type[LexiconEvent]] = {
    "lexicon.uploaded": LexiconUploaded,
    "lexicon.deleted": LexiconDeleted,
}
