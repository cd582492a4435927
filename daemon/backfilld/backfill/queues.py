"""Whom to ask about next: shares of a bounded rate for the queues of repositories. Pure.

The one rule: what may have changed just now goes first, and no queue is left out for ever.
"""

from collections.abc import Mapping, Sequence

from backfilld_events.projections.classes import Ask

_FIRST = {Ask.DELIVERED: 1.0, Ask.PARKED: 0.1, Ask.FAILING: 0.1, Ask.SILENT: 0.1, Ask.HELD: 0.05}
_MOST = {Ask.DELIVERED: 1.0, Ask.PARKED: 1.0, Ask.FAILING: 0.2, Ask.SILENT: 0.5, Ask.HELD: 0.2}

Queues = Mapping[Ask, Sequence[int]]
"""The numbers of repositories whose turn has come, the longest due first."""


def chosen(queues: Queues, limit: int) -> list[int]:
    """At most `limit` of those whose turn has come, each queue in its order: first a small share of
    each but the first queue, then that one, then the others up to theirs."""
    taken = dict.fromkeys(queues, 0)
    left = limit

    def take(queue: Ask, upto: int) -> None:
        nonlocal left
        more = max(0, min(len(queues[queue]), upto) - taken[queue])
        more = min(more, left)
        taken[queue] += more
        left -= more

    others = [queue for queue in queues if queue is not Ask.DELIVERED]
    for queue in others:
        take(queue, max(1, int(limit * _FIRST[queue])))
    if Ask.DELIVERED in queues:
        take(Ask.DELIVERED, limit)
    for queue in others:
        take(queue, max(1, int(limit * _MOST[queue])))
    return [one for queue, count in taken.items() for one in queues[queue][:count]]
