"""What makes it happen: the daemon, its control surface and its command line."""
