"""The log as a file: open it, append to it, read it."""
