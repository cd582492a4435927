"""Where DIDs come from."""
