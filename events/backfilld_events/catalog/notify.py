"""Who is told of what happens. Streams: `notify` for the news and for samples, `notify/<target>`
for what becomes of them.

A target is a program or an address of the configuration. Its name here is a hash of the kinds it
wants and of where they go, since an address may hold a secret.
"""

from msgspec import Struct

from ..ids import Nsid


class TargetAdded(Struct, frozen=True, forbid_unknown_fields=True):
    """A target was seen for the first time: it is told of what is news from here on.

    `to` is for people: the program, or the scheme and host of the address. `unsynced` are the jobs
    that had ended while their records still came, `dead_letters` how many there were already.
    """

    target: str
    to: str
    kinds: list[str]
    unsynced: list[str]
    dead_letters: int


class TargetRemoved(Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration names the target no longer; what waited for it is not sent."""

    target: str


class NewsRaised(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that people want to be told of; its position is the id they see.

    `kind` is a word of the configuration. `job` is the id of the job it is about, if any; `state`
    how that or the dependency stood then; `since` (unix seconds) when that began. `count` is of
    repositories, or of messages for dead letters.
    """

    kind: str
    job: str | None
    collections: list[Nsid]
    state: str
    sentence: str
    since: float | None
    count: int | None


class NewsDelivered(Struct, frozen=True, forbid_unknown_fields=True):
    """The target took the news at `position`, at this try since the daemon started."""

    target: str
    kind: str
    position: int
    attempts: int


class NewsGivenUp(Struct, frozen=True, forbid_unknown_fields=True):
    """The target did not take the news at `position` for as long as it is tried; `why` is the
    last reason."""

    target: str
    kind: str
    position: int
    attempts: int
    why: str


class SampleSent(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody had a sample sent; `why` it was not taken, None if it was."""

    target: str
    to: str
    why: str | None


NotifyEvent = (
    TargetAdded | TargetRemoved | NewsRaised | NewsDelivered | NewsGivenUp | SampleSent
)  # fmt: skip

TYPES: dict[str, type[NotifyEvent]] = {
    "notify.target-added": TargetAdded,
    "notify.target-removed": TargetRemoved,
    "notify.raised": NewsRaised,
    "notify.delivered": NewsDelivered,
    "notify.failed": NewsGivenUp,
    "notify.tested": SampleSent,
}
