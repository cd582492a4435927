"""Repositories as they are signed: a CAR of blocks, a commit, a tree. Pure."""
