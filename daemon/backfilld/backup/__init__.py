"""Copies of the log and the index, made while the daemon writes both, and verified."""
