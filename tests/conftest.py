"""Fixtures and settings for all tests."""

import itertools
import os
import socket
from contextlib import suppress

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None)  # machines are shared
settings.load_profile("house")


# below those that Linux gives to whoever asks for any, so that none is taken before it is used; and
# each process that runs tests has its own
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
OURS = range(10_000 + WORKER % 32, 32_768, 32)
PORTS = itertools.islice(itertools.cycle(OURS), os.getpid() % len(OURS), None)


def free_port() -> int:
    """A port of loopback where nobody listens, and that nobody is given meanwhile."""
    for port in PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("endless")


@pytest.fixture
def unused_port() -> int:
    """A port of loopback where nobody listens."""
    return free_port()


@pytest.fixture(scope="module")
def module_port() -> int:
    """The same, for all tests of a module."""
    return free_port()
