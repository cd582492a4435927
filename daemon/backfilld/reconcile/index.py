"""The port of what is compared: our rows, and which repositories are meant, in the words of who
compares them."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from backfilld_events.ids import Did, Nsid

from .compare import Held


class Some(NamedTuple):
    """Some repositories in order, up to the place `upto`; `last`: behind it there are no more."""

    dids: list[Did]
    upto: int
    last: bool


class Index(Protocol):
    """Reads alone; no method keeps others waiting for long."""

    async def inactive(self, dids: Sequence[Did]) -> Mapping[Did, str]:
        """Those whose accounts are not active by their last identity event, with its word."""

    async def held(self, did: Did, collections: Sequence[Nsid]) -> Held:
        """What the index has of a repository. Raises Failure for more than can be compared."""

    async def dead(self, did: Did) -> Mapping[Nsid, int]:
        """How many dead letters a repository has, by collection."""

    async def asked_for(self, position: int, first: int, limit: int) -> Some:
        """Of the repositories that the event at `position` names, at most `limit` from the place
        `first` on."""

    async def following(
        self, collections: Sequence[Nsid], job: int | None, after: int, limit: int
    ) -> Some:
        """Of the repositories that are synced or empty, at most `limit` behind the place `after`:
        of those that the job found, or that were found for the collection, or of all if there are
        several."""

    async def comparable(self, collections: Sequence[Nsid], job: int | None) -> int:
        """How many of them there are; it is kept, not counted."""

    async def ranked(
        self, collections: Sequence[Nsid], job: int | None, ranks: Collection[int]
    ) -> list[Did]:
        """Those of them at these ranks, in order; 0 is the first."""

    async def said_to_differ(self, dids: Sequence[Did], collections: Sequence[Nsid]) -> list[Did]:
        """Those of these repositories that differed when they were compared last, in one of these
        collections."""
