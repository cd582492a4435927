"""The Tap that we run ourselves, as a child process: its filter from the lexicons, its life, what
it says."""
