"""backfillctl status: is anything wrong now?"""

import sys
import time
from typing import Any

import click

from ... import __version__
from .. import say
from . import faults
from .frame import Ctl
from .verbs import verb

AGAIN_S = 2.0


@verb(
    "status",
    ("backfillctl status", "is anything wrong now?"),
    ("backfillctl status --check", "the same for a monitor: exit 7 if so, 8 if it is the log"),
    ("backfillctl status -w", "again every two seconds, until ctrl-c"),
)
@click.option(
    "--check", is_flag=True, help="Exit 7 unless all is well, 8 if the log does not verify."
)
@click.option("-w", "again", is_flag=True, help="Go on, and show it anew every two seconds.")
def status(ctl: Ctl, check: bool, again: bool) -> int:
    """Tell whether anything is wrong now. First the verdict, then what we depend on, then the
    jobs that are under way or ended lately."""
    if again and check:
        raise click.UsageError("--check ends with a verdict, and -w never ends; give one of them")
    if again and ctl.json and not ctl.jsonl:
        raise click.UsageError("-w is many documents: --jsonl")
    while again:
        _shown_again(ctl)
        time.sleep(AGAIN_S)
    body = ctl.health()
    _show(ctl, body)
    if not check or body.get("status") == "ok":
        return say.OK
    return say.BROKEN_LOG if body.get("status") == "broken" else say.HONEST_NO


def _shown_again(ctl: Ctl) -> None:
    """In place of what was shown before. A daemon that is not there now may be back soon."""
    try:
        body = ctl.health()
    except Exception as error:
        fault = faults.explain(error)
        if fault.exit_code not in (say.UNREACHABLE, say.TIMED_OUT):
            raise
        say.err(str(fault))
        return
    if sys.stdout.isatty():
        click.clear()
    _show(ctl, body)


def _show(ctl: Ctl, body: Any) -> None:
    if ctl.as_data:
        ctl.put(body)
        return
    from . import overview  # late: a program needs none of its shapes

    version = overview.tell(ctl, body)
    if version != __version__:
        ctl.aside(f"warning: backfilld is {version}, this backfillctl {__version__}")
