"""A Reconciler with all it needs."""

from ..journal import Journal
from ..network.opened import Network
from .batch import Batches
from .index import Index
from .reader import Reader
from .reconciler import Clear, Reconciler, Settle
from .whole import Whole


def reconciler(
    journal: Journal, network: Network, index: Index, clear: Clear, settle: Settle
) -> Reconciler:
    """Compares what `index` has with the servers of `network`; the rest as Reconciler has it."""
    reader = Reader(network.identity, network.pds, Whole(network.pds))
    return Reconciler(journal, Batches(reader, index), index, clear, settle)
