"""What the daemon knows by name, to complete a word or to mend one. Never raises: who cannot be
asked knows nothing."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ...control.caller.client import Control, Refusal, TimedOut, Unreachable
from . import reach

if TYPE_CHECKING:
    from .frame import Ctl

WITHIN_S = 1.0  # a shell waits for it
JOBS_MAX = 100


def jobs(ctl: "Ctl") -> list[dict[str, Any]]:
    """The newest jobs, as the API has them."""
    return _asked(ctl, lambda control: control.get("/admin/backfill/status", limit=JOBS_MAX))


def job_names(ctl: "Ctl") -> list[str]:
    """What jobs are called in our tables, and their whole ids."""
    ids = [str(job.get("id")) for job in jobs(ctl)]
    return [*(one[:8] for one in ids), *ids]


def nsids(ctl: "Ctl") -> list[str]:
    """The lexicons that are there."""
    found = _asked(ctl, lambda control: control.get("/admin/lexicons"))
    return [str(one.get("id")) for one in found]


def _asked(ctl: "Ctl", question: Callable[[Control], Any]) -> list[dict[str, Any]]:
    try:
        to = reach.address(ctl.url, ctl.socket, ctl.token_file, lambda _: None)
        found = question(Control(to, WITHIN_S))
    except (Unreachable, TimedOut, Refusal, ValueError, click.UsageError):
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
