"""Backfill jobs: what may be asked, what is next, and who does it."""
