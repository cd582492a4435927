"""backfillctl dashboard: the pages, with a ticket by which a browser comes in as who asks."""

import os
import sys

import click

from ...control.shapes.keys import Ticket
from .. import say
from .faults import Fault
from .frame import Ctl, read
from .verbs import verb


@verb(
    "dashboard",
    ("backfillctl dashboard", "in a browser, where there is one"),
    ("backfillctl dashboard --no-open", "its address alone"),
)
@click.option("--no-open", is_flag=True, help="Only print the address.")
def dashboard(ctl: Ctl, no_open: bool) -> int:
    """Open the dashboard. The address works once, and for a minute: whoever opens it acts in
    your name."""
    body = ctl.post("/admin/dashboard/tickets")
    ticket = read(body, Ticket)
    base = ctl.address or (f"http://{ticket.listen}" if ticket.listen else None)
    if base is None:
        raise Fault(
            "the dashboard has no address that a browser can reach",
            "no-address",
            'set control.listen = "127.0.0.1:8410" in config.toml and restart backfilld',
            say.USAGE,
        )
    url = f"{base}{ticket.url}"
    if ctl.as_data:
        ctl.put({**body, "address": url})
        return say.OK
    say.out(url)
    ctl.aside(f"It works once, within {ticket.expires_in} s. From elsewhere: {_tunnel(base)}")
    if not no_open and not ctl.no_input and sys.stdout.isatty() and _has_screen():
        import webbrowser  # late: slow, and seldom needed

        webbrowser.open(url)
    return say.OK


def _tunnel(base: str) -> str:
    host = base.rpartition("//")[2]
    port = host.rpartition(":")[2]
    return f"ssh -L {port}:{host} HOST"


def _has_screen() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
