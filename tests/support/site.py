"""The pages of a machine, as people come to them."""

from collections.abc import Callable

from playwright.sync_api import Page

from .machine import Machine

Visit = Callable[..., Page]
WITHIN_MS = 20_000  # machines are shared


def way_in(machine: Machine) -> str:
    """An address that signs a browser in, once."""
    answer = machine.control.post("/admin/dashboard/tickets", b"{}")
    return f"http://127.0.0.1:{machine.port}{answer.body['url']}"
