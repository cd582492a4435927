"""What we are called."""

PROGRAM = "backfillctl"
VARIABLE = "_BACKFILLCTL_COMPLETE"  # by this the shell asks us
