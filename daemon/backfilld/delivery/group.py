"""Sorts deliveries into what is committed together. Pure."""

from collections.abc import Container, Sequence

from backfilld_events.ids import Nsid

from ..deliveries import AccountDelivery, DeadDelivery, Delivery, RecordDelivery
from ..records.store import Group

OVERHEAD_BYTES = 500  # of a delivery in memory, beside its body


def group(deliveries: Sequence[Delivery], wanted: Container[Nsid]) -> Group:
    """The group of `deliveries`, in their order; records outside `wanted` are ignored ones."""
    # a pass for each kind: a hundred thousand a second come by here, almost all of one kind
    records = [one for one in deliveries if isinstance(one, RecordDelivery)]
    kept = [one for one in records if one.collection in wanted]
    ignored = [one for one in records if one.collection not in wanted]
    if len(records) == len(deliveries):
        return Group(kept, [], [], ignored)
    return Group(
        kept,
        [one for one in deliveries if isinstance(one, AccountDelivery)],
        [one for one in deliveries if isinstance(one, DeadDelivery)],
        ignored,
    )


def size_of(delivery: Delivery) -> int:
    """How much memory it holds, nearly."""
    if isinstance(delivery, RecordDelivery):
        return OVERHEAD_BYTES + len(delivery.body or b"")
    return OVERHEAD_BYTES + (len(delivery.raw) if isinstance(delivery, DeadDelivery) else 0)


def holds_up(deliveries: Sequence[Delivery]) -> bool:
    """Whether one is live: its repository gets nothing more until it is acked, so do not wait
    for company."""
    return any(isinstance(one, RecordDelivery) and one.live for one in deliveries)
