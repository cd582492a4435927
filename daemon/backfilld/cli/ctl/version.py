"""backfillctl version: our own version; `status` tells the daemon's when it is another."""

from ... import __version__
from .. import say
from .frame import Ctl
from .verbs import verb


@verb("version", ("backfillctl version", "asks nobody"))
def version(ctl: Ctl) -> int:
    """Tell the version."""
    if ctl.as_data:
        ctl.put({"version": __version__})
    else:
        say.out(f"backfillctl {__version__}")
    return say.OK
