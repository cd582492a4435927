"""A Reconciler with all it needs."""

from ..journal import Journal
from ..network.opened import Network
from .batch import Batches
from .index import Index
from .reader import Reader
from .reconciler import Mend, Reconciler
from .whole import Whole


def reconciler(journal: Journal, network: Network, index: Index, mend: Mend) -> Reconciler:
    """Compares what `index` has with the servers of `network`; `mend` as Reconciler has it."""
    reader = Reader(network.identity, network.pds, Whole(network.pds))
    return Reconciler(journal, Batches(reader, index), index, mend)
