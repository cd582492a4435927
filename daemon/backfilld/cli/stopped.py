"""What the commands have in common that decide about a data_dir whose daemon is stopped."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ..datadir import DataDirTaken, only_one
from . import say

REASON_CHARS_MAX = 500


def _reason(_: click.Context, param: click.Parameter, text: str) -> str:
    text = text.strip()
    if not 0 < len(text) <= REASON_CHARS_MAX or not text.isprintable():
        say.err(f"error: --{param.name} should be one line of 1 to {REASON_CHARS_MAX} characters")
        sys.exit(say.USAGE)
    return text


reason_option = click.option(
    "--reason",
    metavar="TEXT",
    required=True,
    callback=_reason,
    help="Why; it stands in the log for ever.",
)


@contextmanager
def alone_with_the_log(folder: Path) -> Iterator[Path]:
    """Holds the data_dir; the log in it. Exits where there is none, or somebody works there."""
    log = folder / "events.db"
    if not log.is_file():
        say.err(f"error: data_dir {folder}: there is no events.db\n  fix: name it by --config FILE")
        sys.exit(say.USAGE)
    try:
        with only_one(folder):
            yield log
    except DataDirTaken as error:
        say.err(f"error: {error}\n  fix: stop it first, such as by: systemctl stop backfilld")
        sys.exit(say.REFUSED)


def confirm(question: str) -> None:
    """Asks; exits where nobody is there to answer. Raises click.Abort for a no."""
    if not _is_terminal():
        say.err("error: it asks, and here is nobody to ask\n  fix: add --yes")
        sys.exit(say.USAGE)
    click.confirm(question, abort=True, err=True)


def _is_terminal() -> bool:
    return sys.stdin.isatty()
