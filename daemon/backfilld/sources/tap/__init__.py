"""Tap (bluesky-social/indigo, cmd/tap) as the source of records: its HTTP and its channel."""
