"""What is done with the records of accounts that are not active. Pure.

The one rule: only a status that we know by name, and whose policy says so, costs anybody their
records; an unknown one hides them at most.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Literal, NamedTuple

from backfilld_events.ids import Did

from ..deliveries import RecordDelivery

Policy = Literal["delete", "hide", "keep"]


class Hidden(IntEnum):
    """Whether the rows of an account are shown, as `repo.hidden` has it. BARRED: they are to be
    deleted, and none is taken in."""

    SHOWN = 0
    HIDDEN = 1
    BARRED = 2


_BY_POLICY = {"delete": Hidden.BARRED, "hide": Hidden.HIDDEN, "keep": Hidden.SHOWN}


class Policies(NamedTuple):
    """A policy for each reason for which an account is not active."""

    deleted: Policy = "delete"
    takendown: Policy = "hide"
    deactivated: Policy = "hide"

    def hidden(self, status: str) -> Hidden:
        """What is to become of an account's rows. Statuses: com.atproto.sync.subscribeRepos,
        #account; Tap has five of them."""
        match status:
            case "active":
                return Hidden.SHOWN
            case "deleted":
                return _BY_POLICY[self.deleted]
            case "takendown" | "suspended":
                return _BY_POLICY[self.takendown]
            case "deactivated":
                return _BY_POLICY[self.deactivated]
            case _:
                return min(_BY_POLICY[self.deactivated], Hidden.HIDDEN)


def apart(
    records: list[RecordDelivery], away: Mapping[Did, Hidden]
) -> tuple[list[RecordDelivery], list[RecordDelivery]]:
    """Those that are let in, and those whose accounts have their records deleted: they may come
    after the news of it."""
    barred = {did for did, how in away.items() if how is Hidden.BARRED}
    if not barred:
        return records, []
    let_in = [one for one in records if one.did not in barred]
    return let_in, [one for one in records if one.did in barred]
