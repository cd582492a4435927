"""What a person, a script or a lexicon may ask of the backfill, as data."""

from msgspec import Struct

from backfilld_events.ids import Did, Nsid

from ..lexicons import Document


class StartJob(Struct, frozen=True):
    """Start a job. No collection: all record lexicons that ask for a backfill. `dids`: these
    accounts instead of the relay's listing."""

    collection: Nsid | None = None
    dids: tuple[Did, ...] = ()


class UploadLexicon(Struct, frozen=True):
    """Take in a lexicon document; a record lexicon with `backfill` starts a job by itself."""

    document: Document
    backfill: bool
    target_collection: Nsid | None = None


class DeleteLexicon(Struct, frozen=True):
    """Forget a lexicon; its records stay."""

    nsid: Nsid


Command = StartJob | UploadLexicon | DeleteLexicon
