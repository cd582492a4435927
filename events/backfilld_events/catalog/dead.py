"""What people do about messages that could not be used. Stream: `dead-letters`."""

from typing import Literal

from msgspec import Struct


class DeadLettersHandled(Struct, frozen=True, forbid_unknown_fields=True):
    """Dead letters were read once more (`retry`), their records fetched once more (`reindex`), or
    they were put away (`dismiss`). `ids` are those with which that went well, `failed` the others.
    What became of their records stands in the receipts."""

    action: Literal["retry", "reindex", "dismiss"]
    ids: list[int]
    failed: list[int]


DeadEvent = DeadLettersHandled

TYPES: dict[str, type[DeadEvent]] = {"dead-letters.handled": DeadLettersHandled}
