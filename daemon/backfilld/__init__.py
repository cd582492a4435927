"""What makes it happen: the daemon, its control surface and its command line."""

__version__ = "0.1.0"
