"""What is done with what a source delivers: commit, ack, and account for it in the log."""
