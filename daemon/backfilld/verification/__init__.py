"""The daemon holds its own log against the chain: at its start, at intervals, and when asked; and
keeps checkpoints of it elsewhere."""
