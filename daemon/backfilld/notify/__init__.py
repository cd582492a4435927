"""Tells people what happens: what is news, who wants it, and how it gets there."""
