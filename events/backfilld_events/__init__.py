"""What happened: the event catalog, the append-only log, the folds and projections over it.

Usable without the daemon, without trio and without a network.
"""
