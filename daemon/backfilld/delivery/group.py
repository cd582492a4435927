"""Sorts deliveries into what is committed together. Pure."""

from collections.abc import Container, Iterable
from typing import assert_never

from backfilld_events.ids import Nsid

from ..deliveries import AccountDelivery, DeadDelivery, Delivery, RecordDelivery
from ..records.store import Group


def group(deliveries: Iterable[Delivery], wanted: Container[Nsid]) -> Group:
    """The group of `deliveries`, in their order; records outside `wanted` are ignored ones."""
    sorted_out = Group([], [], [], [])
    for delivery in deliveries:
        match delivery:
            case RecordDelivery():
                kept = delivery.collection in wanted
                (sorted_out.records if kept else sorted_out.ignored).append(delivery)
            case AccountDelivery():
                sorted_out.accounts.append(delivery)
            case DeadDelivery():
                sorted_out.dead.append(delivery)
            case _:
                assert_never(delivery)
    return sorted_out


def bytes_of(deliveries: Iterable[Delivery]) -> int:
    """How much memory their bodies hold."""
    return sum(
        len(one.body or b"")
        if isinstance(one, RecordDelivery)
        else len(one.raw)
        if isinstance(one, DeadDelivery)
        else 0
        for one in deliveries
    )


def holds_up(deliveries: Iterable[Delivery]) -> bool:
    """Whether one is live: its repository gets nothing more until it is acked, so do not wait
    for company."""
    return any(isinstance(delivery, RecordDelivery) and delivery.live for delivery in deliveries)
