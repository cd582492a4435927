"""backfilld backup: copies that are whole, made while the service runs or not."""

import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

import click

from backfilld_events.audit.checkpoint import Checkpoint
from backfilld_events.log.file import BadFile

from ..backup.folder import INDEX, LOG, Unfit
from ..backup.making import Made, make, size
from ..clock import system
from ..config import Config
from ..verification import checkpoints
from . import say
from .ctl.text import span
from .daemon import config_option, loaded

_AFTER = (
    "What comes after this moment is not in it, and Tap does not send it again: after a restore, "
    "backfillctl start --all --mode refetch"
)
_AFTER_LOG = (
    "An index that is newer goes with it, if by no more than 10,000 receipts; else, after a "
    "restore, backfilld forget-index"
)


@click.command("backup")
@click.argument("target", metavar="DIR", type=click.Path(path_type=Path))
@config_option
@click.option("--log-only", is_flag=True, help="Leave out records.db: it can be fetched again.")
def backup(target: Path, path: Path | None, log_only: bool) -> None:
    """Copy the log and the index to the new folder DIR, as they are now, and verify the copies. The
    service may go on meanwhile. DIR is there only when all of it is whole and verified; what does
    not verify is kept as DIR.broken. The files need nothing else beside them."""
    settings = loaded(path)
    # systemd, and whoever else ends it, leaves as little behind as Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    try:
        made = make(
            Path(settings.data_dir), target.absolute(), _kept(settings), system(), say.passing,
            log_only=log_only,
        )  # fmt: skip
    except Unfit as error:
        _exit(f"{error}\n  fix: {error.hint}", say.USAGE)
    except BadFile as error:
        _exit(f"{error}", say.USAGE)
    except KeyboardInterrupt:
        _exit("interrupted; nothing is left of it", say.INTERRUPTED)
    say.passing("")
    for note in made.found.notes:
        say.err(f"note: {note}")
    if not made.is_whole:
        _tell_wrong(made)
    say.out(_sentence(made, time.monotonic() - began, log_only=log_only))


def _exit(error: str, code: int) -> NoReturn:
    say.passing("")
    say.err(f"error: {error}")
    sys.exit(code)


def _kept(settings: Config) -> list[Checkpoint]:
    file = settings.log.checkpoint_file
    try:
        return checkpoints.last(Path(file), checkpoints.ALL_BYTES) if file else []
    except OSError as error:
        say.err(f"note: log.checkpoint_file {file} cannot be read: {error.strerror or error}")
        return []


def _tell_wrong(made: Made) -> None:
    for what in (*made.found.log, *made.found.index):
        say.err(f"  {what}")
    if made.found.log:
        _exit(
            f"the log does not verify; its copy is {made.path}, kept as evidence\n"
            "  fix: docs/backup.md says what to do",
            say.BROKEN_LOG,
        )
    _exit(
        f"the index does not agree with the log; the copy is {made.path}\n"
        "  fix: docs/backup.md says what to do; --log-only leaves the index out",
        say.HONEST_NO,
    )


def _sentence(made: Made, took_s: float, *, log_only: bool) -> str:
    names = {LOG: "the log", INDEX: "the index"}
    files = " and ".join(f"{names[name]} ({size(n)})" for name, n in made.sizes.items())
    found = made.found
    agrees = "" if found.reconciled is None else f"; {found.reconciled.sentence}"
    return (
        f"Backed up {files} to {made.path} in {span(took_s)}: verified up to"
        f" #{found.position:,}{agrees}. {_AFTER_LOG if log_only else _AFTER}."
    )
