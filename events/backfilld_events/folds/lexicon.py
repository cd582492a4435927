"""The lexicons as they stand, folded from their events. The documents stay in the log."""

from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from ..catalog.lexicon import (
    LexiconDeleted,
    LexiconEvent,
    LexiconFetched,
    LexiconKind,
    LexiconUploaded,
)
from ..ids import Did, Nsid


class Lexicon(Struct, frozen=True):
    """A lexicon: the newest revision, and whether it is still asked for.

    A deleted lexicon is kept, so that a later upload takes the next revision.
    """

    nsid: Nsid
    version: int
    revision: int
    kind: LexiconKind
    backfill: bool
    target_collection: Nsid | None
    created_at: float
    updated_at: float
    position: int
    deleted: bool = False
    authority: Did | None = None  # of a lexicon found on the network

    @property
    def is_record(self) -> bool:
        """Whether its records can be indexed and backfilled."""
        return self.kind == "record" and not self.deleted


def evolve(lexicon: Lexicon | None, event: LexiconEvent, position: int, at: float) -> Lexicon:
    """The lexicon after `event`."""
    version = 1 if lexicon is None else lexicon.version + 1
    match event:
        case LexiconUploaded() | LexiconFetched():
            fresh = lexicon is None or lexicon.deleted
            return Lexicon(
                nsid=event.nsid,
                version=version,
                revision=event.revision,
                kind=event.kind,
                backfill=event.backfill,
                target_collection=event.target_collection,
                created_at=at if lexicon is None or fresh else lexicon.created_at,
                updated_at=at,
                position=position,
                authority=event.authority if isinstance(event, LexiconFetched) else None,
            )
        case LexiconDeleted():
            if lexicon is None:
                raise ValueError(f"lexicon {event.nsid} was deleted before it was uploaded")
            return replace(lexicon, version=version, updated_at=at, deleted=True)
        case _:
            assert_never(event)
