"""What became of the records of a group, in numbers. Pure."""

from collections import Counter

from backfilld_events.ids import Did, Nsid, Rkey

from ..deliveries import RecordDelivery
from .store import Counts

Tallies = Counter[tuple[Did, Nsid, str]]
"""How often each verdict fell; the words are the fields of Counts."""


def rounds(records: list[RecordDelivery]) -> list[list[RecordDelivery]]:
    """`records` in rounds, in none of which a key comes twice; the versions of a key keep their
    order. All but always there is one round."""
    if len({one.rkey for one in records}) == len(records):
        return [records]  # no need to look at the whole keys
    keys = [(one.did, one.collection, one.rkey) for one in records]
    rounds: list[list[RecordDelivery]] = []
    seen: Counter[tuple[Did, Nsid, Rkey]] = Counter()
    for key, one in zip(keys, records, strict=True):
        if seen[key] == len(rounds):
            rounds.append([])
        rounds[seen[key]].append(one)
        seen[key] += 1
    return rounds


def counts(tallies: Tallies) -> list[tuple[Did, Nsid, Counts]]:
    """As a receipt has them."""
    found: dict[tuple[Did, Nsid], dict[str, int]] = {}
    for (did, nsid, word), count in tallies.items():
        found.setdefault((did, nsid), {})[word] = count
    return [(did, nsid, Counts(**words)) for (did, nsid), words in found.items()]
