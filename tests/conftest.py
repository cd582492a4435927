"""Fixtures and settings for all tests."""

import socket

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None)  # machines are shared
settings.load_profile("house")


def free_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def unused_port() -> int:
    """A port of loopback where nobody listens."""
    return free_port()


@pytest.fixture(scope="module")
def module_port() -> int:
    """The same, for all tests of a module."""
    return free_port()
