"""How a program reaches the daemon: the only client there is. Nothing heavy is imported here."""
