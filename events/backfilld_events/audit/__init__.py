"""Checks and shows a log through its rows alone: no daemon, no code of the writer's."""
