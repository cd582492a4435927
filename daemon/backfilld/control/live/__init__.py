"""What goes on for as long as somebody looks: a job's frames, the log's lines."""
