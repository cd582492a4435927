"""Our rows held against the servers where the repositories are: what differs, to the record."""
