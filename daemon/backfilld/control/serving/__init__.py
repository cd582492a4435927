"""Serves the API: listeners, connections, who is at the other end, and what they may."""
